// SPDX-License-Identifier: Apache-2.0
// The part of a session that is about quorums, and about the keys by which users sign tokens.
#include <mutex>

#include "base/text.h"
#include "session/session_impl.h"
#include "users/quorum.h"
#include "users/quorum_policy.h"

namespace hsmcore::session {
Result<std::vector<QuorumValue>> SessionImpl::QuorumValues() {
  HSMCORE_CHECK(Allow(policy::Operation::kListQuorum));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const users::QuorumPolicy policy, users::ReadQuorumPolicy(*core_));
  std::vector<QuorumValue> values;
  values.reserve(kAdminServices);
  for (std::size_t i = 0; i < kAdminServices; ++i) {
    values.push_back({static_cast<QuorumService>(i), policy.values[i]});
  }
  return values;
}

Status SessionImpl::SetQuorumValue(QuorumService service, unsigned value,
                                   const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  if (IsOfKeys(service)) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("each key has its own value for '", NameOf(service),
                    "', which is given when it is made"));
  }
  const std::lock_guard lock(core_->mutex);
  return users::SetQuorumValue(*core_, Me(), service, value, approval);
}

Status SessionImpl::SpendForCluster(const QuorumToken* approval) {
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core_->engine, [&](storage::Transaction& change) {
                return users::SpendApproval(*core_, change, Me(), QuorumService::kCluster,
                                            approval);
              }));
  return {};
}

Result<QuorumToken> SessionImpl::NewQuorumToken(QuorumService service) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  if (IsOfKeys(service)) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a token for '", NameOf(service), "' is for one key; name it"));
  }
  const std::lock_guard lock(core_->mutex);
  return users::NewToken(*core_, Me(), service);
}

Result<keys::KeyRecord> SessionImpl::UsableRecord(KeyHandle handle) {
  HSMCORE_CHECK(CheckStillThere());
  HSMCORE_CHECK(RefreshMarks());
  HSMCORE_TRY(auto record, ReadRecord(handle));
  if (!record || record->life.purge || !record->private_half) {
    return Fail(ErrorCode::kKeyNotFound, Cat("there is no key ", handle.ToString()));
  }
  if (MayUse(*record)) return *std::move(record);
  return Fail(ErrorCode::kRoleForbids,
              Cat("key ", handle.ToString(), " is not yours and not shared with you"));
}

Result<QuorumToken> SessionImpl::NewKeyToken(QuorumService service, KeyHandle key) {
  HSMCORE_CHECK(Allow(policy::Operation::kApproveKeyUse));
  if (!IsOfKeys(service)) {
    return Fail(ErrorCode::kInvalidArgument, Cat("'", NameOf(service), "' is no service of keys"));
  }
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const keys::KeyRecord record, UsableRecord(key));
  const KeyQuorum& quorum = record.quorum;
  if ((service == QuorumService::kKeyUsage ? quorum.use : quorum.manage) == 0) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("key ", key.ToString(), " takes no approval for '", NameOf(service),
                    "': a quorum value is given when a key is made"));
  }
  return users::NewToken(*core_, Me(), service, key);
}

void SessionImpl::PresentApproval(QuorumToken token) {
  const std::lock_guard lock(core_->mutex);
  approvals_->Present(std::move(token));
}

Result<QuorumToken> SessionImpl::ApproveToken(const QuorumToken& token) {
  const bool of_key = IsOfKeys(token.service);
  HSMCORE_CHECK(
      Allow(of_key ? policy::Operation::kApproveKeyUse : policy::Operation::kManageQuorum));
  const std::lock_guard lock(core_->mutex);
  if (of_key) HSMCORE_CHECK(UsableRecord(token.key.value_or(KeyHandle())));
  return users::ApproveByLogin(*core_, Me(), token);
}

Result<std::vector<LiveToken>> SessionImpl::QuorumTokens() {
  HSMCORE_CHECK(Allow(policy::Operation::kListQuorum));
  const std::lock_guard lock(core_->mutex);
  return users::LiveTokens(*core_);
}

Result<std::size_t> SessionImpl::DeleteQuorumTokens(bool of_all) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  const std::lock_guard lock(core_->mutex);
  const users::Actor me = Me();
  return users::DeleteTokens(*core_, of_all ? nullptr : &me);
}

}  // namespace hsmcore::session
