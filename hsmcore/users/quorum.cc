// SPDX-License-Identifier: Apache-2.0
#include "users/quorum.h"

#include <algorithm>
#include <ctime>
#include <set>

#include "base/text.h"
#include "users/challenge.h"
#include "users/escrow.h"
#include "users/quorum_policy.h"
#include "users/token_key.h"
#include "vault/sealing.h"

namespace hsmcore {

Bytes QuorumToken::token() const { return vault::Sha256(approval_data); }

namespace users {
namespace {

constexpr std::string_view kApprovalContext = "hsm quorum approval v1";

Error TooFew(QuorumService service, std::size_t has, unsigned needed) {
  return {ErrorCode::kQuorumRequired,
          Cat("the service '", NameOf(service), "' takes the approval of ", needed, " admins; ",
              has, " have signed; get a token with 'hsmctl quorum token-sign generate --service ",
              NameOf(service), "', have it signed, and give it with --approval")};
}

// Whether the admin whom an approval names has signed this token.
Status CheckSignature(cluster::Core& core, const QuorumToken& token,
                      const QuorumApproval& approval) {
  const auto refuse = [&](std::string_view why) {
    return Fail(ErrorCode::kTokenRefused, Cat("the signature of ", NameOf(approval.role), " '",
                                              approval.username, "' does not count: ", why));
  };
  if (approval.role != Role::kAdmin) return refuse("only admins approve this");
  HSMCORE_TRY(const auto user, FindUser(core, approval.role, approval.username));
  if (!user) return refuse("there is no such user");
  if (approval.by_login) {
    const bool good = vault::VerifySignature(user->record.identity.sign_key, kApprovalContext,
                                             vault::Bind({token.approval_data, approval.share}),
                                             approval.signature);
    return good ? Status() : refuse("it is not one that he gave for this token");
  }
  if (!user->record.token_key) {
    return refuse("he has no key for tokens; 'hsmctl user change-quorum token-sign register'");
  }
  HSMCORE_TRY(const bool good, IsSignedToken(user->record.token_key->spki, token.token(),
                                             approval.signature, core.config.mode));
  return good ? Status() : refuse("it is not one over this token by the key he has registered");
}

// How many admins have signed; a signature that is wrong is an error, for it can be mended.
Result<std::size_t> CountSignatures(cluster::Core& core, const QuorumToken& token) {
  constexpr std::size_t kMost = 64;
  if (token.signatures.size() > kMost) {
    return Fail(ErrorCode::kTokenRefused, Cat("a token has at most ", kMost, " signatures"));
  }
  std::set<std::string> signers;
  for (const QuorumApproval& approval : token.signatures) {
    HSMCORE_CHECK(CheckSignature(core, token, approval));
    signers.insert(UserPath(approval.role, approval.username));
  }
  return signers.size();
}

Challenge ExpectedOf(const cluster::Core& core, QuorumService service, std::string requester) {
  return {.purpose = PurposeOf(service),
          .cluster = core.file.id,
          .role = Role::kAdmin,
          .name = std::move(requester),
          .expires = 0,
          .nonce = {}};
}

Status Spend(cluster::Core& core, storage::Transaction& change, const Actor& requester,
             QuorumService service, unsigned needed, const QuorumToken* approval) {
  if (approval == nullptr) return std::unexpected(TooFew(service, 0, needed));
  HSMCORE_CHECK(SpendChallenge(change, approval->approval_data,
                               ExpectedOf(core, service, NameIn(requester.path)),
                               std::time(nullptr)));
  HSMCORE_TRY(const std::size_t signers, CountSignatures(core, *approval));
  if (signers < needed) return std::unexpected(TooFew(service, signers, needed));
  return {};
}

// What is read decides about the change, so nobody may change it meanwhile.
Result<QuorumPolicy> ReadForChange(cluster::Core& core, storage::Transaction& change) {
  HSMCORE_TRY([[maybe_unused]] const auto noted, change.Get(QuorumPolicy::kPath));
  HSMCORE_TRY(QuorumPolicy policy, ReadQuorumPolicy(core));
  // Who takes the policy out of the store does not put the shares together with that.
  HSMCORE_TRY(const unsigned threshold, RecoveryThreshold(core));
  policy[QuorumService::kUser] = std::max(policy[QuorumService::kUser], threshold);
  return policy;
}

// So many admins open the recovery key as must approve what is done with it.
Status SplitRecovery(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                     unsigned threshold, const QuorumToken* approval) {
  HSMCORE_TRY(const vault::BoxPair recovery, OpenRecovery(core, admin, approval));
  return RotateRecovery(
      core, change,
      {.admin = admin, .threshold = threshold, .joining = {}, .joining_box_key = {}, .leaving = {}},
      recovery);
}

}  // namespace

std::string PurposeOf(QuorumService service) { return Cat("quorum/", NameOf(service)); }

Status SpendApproval(cluster::Core& core, storage::Transaction& change, const Actor& requester,
                     QuorumService service, const QuorumToken* approval) {
  HSMCORE_TRY(QuorumPolicy policy, ReadForChange(core, change));
  const unsigned needed = policy[service];
  if (needed <= kNoQuorum) return {};
  return Spend(core, change, requester, service, needed, approval);
}

Result<QuorumToken> ApproveByLogin(cluster::Core& core, const Actor& admin,
                                   const QuorumToken& token) {
  HSMCORE_TRY(const Challenge asked, Challenge::Decode(token.approval_data));
  // Not committed: only looked at.
  storage::Transaction look(*core.engine);
  HSMCORE_CHECK(SpendChallenge(look, token.approval_data,
                               ExpectedOf(core, token.service, asked.name), std::time(nullptr)));
  QuorumApproval approval{.username = NameIn(admin.path),
                          .role = Role::kAdmin,
                          .signature = {},
                          .by_login = true,
                          .share = {}};
  // Those for the cluster's settings open nothing.
  if (token.service != QuorumService::kCluster) {
    HSMCORE_TRY(approval.share, ShareFor(core, admin, UserPath(Role::kAdmin, asked.name)));
  }
  approval.signature =
      admin.identity->Sign(kApprovalContext, vault::Bind({token.approval_data, approval.share}));
  QuorumToken approved = token;
  approved.signatures.push_back(std::move(approval));
  return approved;
}

Status CheckAdminsLeft(cluster::Core& core, storage::Transaction& change) {
  HSMCORE_TRY(const QuorumPolicy policy, ReadForChange(core, change));
  HSMCORE_TRY(const auto admins, NamesOf(core, Role::kAdmin));
  const unsigned needed = *std::ranges::max_element(policy.values);
  if (admins.size() > needed || needed <= kNoQuorum) return {};
  return Fail(
      ErrorCode::kClusterState,
      Cat("the cluster has ", admins.size(), " admins, and a service takes the approval of ",
          needed, " ('hsmctl quorum token-sign list-quorum-values'); make another admin ",
          "first, or lower that value"));
}

Status CheckApproval(cluster::Core& core, const Actor& requester, QuorumService service,
                     const QuorumToken* approval) {
  storage::Transaction look(*core.engine);
  return SpendApproval(core, look, requester, service, approval);
}

Status SetQuorumValue(cluster::Core& core, const Actor& admin, QuorumService service,
                      unsigned value, const QuorumToken* approval) {
  if (value < kNoQuorum || value > kMaxQuorum) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat("a quorum value is ", kNoQuorum, " (none) to ", kMaxQuorum));
  }
  HSMCORE_TRY(
      [[maybe_unused]] const auto revision,
      storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
        HSMCORE_TRY(QuorumPolicy policy, ReadForChange(core, change));
        const unsigned needed = std::max(policy[service], policy[QuorumService::kQuorum]);
        if (needed > kNoQuorum) {
          HSMCORE_CHECK(Spend(core, change, admin, QuorumService::kQuorum, needed, approval));
        }
        HSMCORE_TRY(const auto admins, NamesOf(core, Role::kAdmin));
        if (value > admins.size()) {
          return Fail(ErrorCode::kInvalidArgument,
                      Cat("the cluster has ", admins.size(), " admins, who could never ", "give ",
                          value, " approvals; make more admins first"));
        }
        if (service == QuorumService::kUser) {
          HSMCORE_CHECK(SplitRecovery(core, change, admin, value, approval));
        }
        policy[service] = value;
        policy.signer = admin.path;
        change.Put(QuorumPolicy::kPath, policy.Encode(*admin.identity));
        return {};
      }));
  return {};
}

}  // namespace users
}  // namespace hsmcore
