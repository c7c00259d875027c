// SPDX-License-Identifier: Apache-2.0
// The part of a session that is about quorums, and about the keys by which users sign tokens.
#include <ctime>
#include <mutex>

#include "base/text.h"
#include "session/session_impl.h"
#include "users/challenge.h"
#include "users/quorum.h"
#include "users/quorum_policy.h"

namespace hsmcore::session {
Result<std::vector<QuorumValue>> SessionImpl::QuorumValues() {
  HSMCORE_CHECK(Allow(policy::Operation::kListQuorum));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const users::QuorumPolicy policy, users::ReadQuorumPolicy(*core_));
  std::vector<QuorumValue> values;
  values.reserve(kQuorumServices);
  for (std::size_t i = 0; i < kQuorumServices; ++i) {
    values.push_back({static_cast<QuorumService>(i), policy.values[i]});
  }
  return values;
}

Status SessionImpl::SetQuorumValue(QuorumService service, unsigned value,
                                   const QuorumToken* approval) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  const std::lock_guard lock(core_->mutex);
  return users::SetQuorumValue(*core_, Me(), service, value, approval);
}

Result<QuorumToken> SessionImpl::NewQuorumToken(QuorumService service) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(Bytes text, users::NewChallenge(*core_, users::PurposeOf(service), login_->role,
                                              login_->user, std::time(nullptr), false));
  return QuorumToken{service, std::move(text), {}};
}

Result<QuorumToken> SessionImpl::ApproveToken(const QuorumToken& token) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  const std::lock_guard lock(core_->mutex);
  return users::ApproveByLogin(*core_, Me(), token);
}

Result<std::vector<LiveToken>> SessionImpl::QuorumTokens() {
  HSMCORE_CHECK(Allow(policy::Operation::kListQuorum));
  const std::lock_guard lock(core_->mutex);
  HSMCORE_TRY(const auto live, users::LiveChallenges(*core_, "quorum/", std::time(nullptr)));
  std::vector<LiveToken> tokens;
  for (const users::Challenge& challenge : live) {
    const auto service =
        QuorumServiceByName(challenge.purpose.substr(challenge.purpose.find('/') + 1));
    if (!service) continue;
    tokens.push_back({*service, challenge.name, challenge.role, challenge.expires});
  }
  return tokens;
}

Result<std::size_t> SessionImpl::DeleteQuorumTokens(bool of_all) {
  HSMCORE_CHECK(Allow(policy::Operation::kManageQuorum));
  const std::lock_guard lock(core_->mutex);
  std::size_t deleted = 0;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core_->engine, [&](storage::Transaction& change) -> Status {
                deleted = 0;
                HSMCORE_TRY(const auto live,
                            users::LiveChallenges(*core_, "quorum/", std::time(nullptr)));
                for (const users::Challenge& challenge : live) {
                  if (!of_all && challenge.name != login_->user) continue;
                  change.Delete(Cat(users::kTokenPrefix, challenge.purpose));
                  ++deleted;
                }
                return {};
              }));
  return deleted;
}

}  // namespace hsmcore::session
