// SPDX-License-Identifier: Apache-2.0
#include "keys/approval.h"

#include <algorithm>

#include "base/text.h"
#include "keys/groups.h"
#include "users/approvals.h"
#include "users/quorum.h"

namespace hsmcore::keys {
namespace {

unsigned Needed(const KeyRecord& record, QuorumService service) {
  return service == QuorumService::kKeyUsage ? record.quorum.use : record.quorum.manage;
}

// Who may use the key may approve.
users::KeyApproval WantedFor(cluster::Core& core, const KeyRecord& record, QuorumService service) {
  return {.service = service,
          .key = record.handle.PrivateHalf(),
          .needed = Needed(record, service),
          .may_approve = [&core, &record](const users::UserRecord& user) -> Result<bool> {
            const Grant* const grant = record.GrantFor(user.path(), user.identity.box_key);
            if (grant == nullptr || grant->direct) return grant != nullptr;
            HSMCORE_TRY(const Groups groups, Groups::Read(core));
            return groups.Hold(*grant);
          }};
}

Status CountUsers(const KeyRecord& record, ErrorCode too_few) {
  const unsigned needed = std::max(record.quorum.manage, record.quorum.use);
  if (record.grants.size() >= needed) return {};
  return Fail(too_few,
              Cat("a key with a quorum value of ", needed, " needs as many users, its owner among ",
                  "them; it would have ", record.grants.size()));
}

}  // namespace

Status CheckQuorum(const KeyRecord& record) {
  if (!record.quorum.any()) return {};
  if (std::max(record.quorum.manage, record.quorum.use) > kMaxQuorum) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a key's quorum value is 0 (none) to ", kMaxQuorum));
  }
  return CountUsers(record, ErrorCode::kInvalidArgument);
}

Status CheckEnoughUsers(const KeyRecord& record) {
  return CountUsers(record, ErrorCode::kClusterState);
}

Status SpendApproval(cluster::Core& core, storage::Transaction& change, const users::Actor& who,
                     const KeyRecord& record, QuorumService service) {
  return users::SpendApproval(core, change, who, WantedFor(core, record, service));
}

void ForgetApproval(const users::Actor& who, const KeyRecord& record, QuorumService service) {
  if (who.approvals == nullptr || Needed(record, service) == 0) return;
  const QuorumToken* const spent = who.approvals->Find(service, record.handle);
  if (spent != nullptr) who.approvals->Forget(*spent);
}

Status CheckApproval(cluster::Core& core, const users::Actor& who, const KeyRecord& record,
                     QuorumService service) {
  storage::Transaction look(*core.engine);
  return SpendApproval(core, look, who, record, service);
}

Status TakeApproval(cluster::Core& core, const users::Actor& who, const KeyRecord& record,
                    QuorumService service) {
  if (Needed(record, service) == 0) return {};
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) {
                return SpendApproval(core, change, who, record, service);
              }));
  ForgetApproval(who, record, service);
  return {};
}

}  // namespace hsmcore::keys
