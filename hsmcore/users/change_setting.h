// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_CHANGE_SETTING_H_
#define HSMCORE_USERS_CHANGE_SETTING_H_

#include <functional>
#include <utility>

#include "users/quorum.h"
#include "users/setting.h"

namespace hsmcore::users {

// Changes a setting that an admin signs (setting.h), from what it is now, or from T's default: what
// `change` leaves alone stays, also when another admin changes that meanwhile. Guarded by
// QuorumService::kCluster. The caller holds core.mutex.
template <class T>
Status ChangeSetting(cluster::Core& core, const Actor& admin, const QuorumToken* approval,
                     const std::function<Status(T&)>& change) {
  HSMCORE_TRY([[maybe_unused]] const auto writer, core.engine->LockForUpdate());
  HSMCORE_TRY(auto stored, ReadSetting<T>(core));
  T setting = std::move(stored).value_or(T());
  HSMCORE_CHECK(change(setting));
  setting.signer = admin.path;
  HSMCORE_TRY(
      [[maybe_unused]] const auto revision,
      storage::Update(*core.engine, [&](storage::Transaction& commit) -> Status {
        HSMCORE_CHECK(SpendApproval(core, commit, admin, QuorumService::kCluster, approval));
        commit.Put(T::kPath, setting.Encode(*admin.identity));
        return {};
      }));
  return {};
}

// The same for one field.
template <class T, class Value>
Status ChangeSetting(cluster::Core& core, const Actor& admin, const QuorumToken* approval,
                     Value T::* field, Value value) {
  return ChangeSetting<T>(core, admin, approval, [&](T& setting) -> Status {
    setting.*field = value;
    return {};
  });
}

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_CHANGE_SETTING_H_
