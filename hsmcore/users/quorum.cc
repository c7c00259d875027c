// SPDX-License-Identifier: Apache-2.0
#include "users/quorum.h"

#include <algorithm>
#include <ctime>
#include <set>

#include "base/text.h"
#include "base/values.h"
#include "users/approvals.h"
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
constexpr std::string_view kKeyPurpose = "quorum/key-";

// What a guarded deed takes: how many approvals, and whose.
struct Needed {
  QuorumService service = QuorumService::kUser;
  unsigned approvals = 0;
  Role role = Role::kAdmin;             // of those who approve
  const KeyApproval* of_key = nullptr;  // where the service is of keys
};

Needed OfKey(const KeyApproval& wanted) {
  return {.service = wanted.service,
          .approvals = wanted.needed,
          .role = Role::kCryptoUser,
          .of_key = &wanted};
}

Error TooFew(const Needed& needed, std::size_t has) {
  const std::string generate =
      Cat("'hsmctl quorum token-sign generate --service ", NameOf(needed.service));
  if (needed.of_key == nullptr) {
    return {ErrorCode::kQuorumRequired,
            Cat("the service '", NameOf(needed.service), "' takes the approval of ",
                needed.approvals, " admins; ", has, " have signed; get a token with ", generate,
                "', have it signed, and give it with --approval")};
  }
  const std::string key = needed.of_key->key.ToString();
  const bool usage = needed.service == QuorumService::kKeyUsage;
  return {ErrorCode::kQuorumRequired,
          Cat("key ", key, " takes the approval of ", needed.approvals, " of its users for ",
              usage ? "each signature" : "each change, share, wrap and unwrap", "; ", has,
              " have signed; get a token with ", generate, " --filter key-reference=", key,
              "', have it signed, and name its files in ", usage ? "HSM_APPROVAL" : "--approval")};
}

// Whether the user whom an approval names may give it, and has signed this token.
Status CheckSignature(cluster::Core& core, const QuorumToken& token, const QuorumApproval& approval,
                      const Needed& needed) {
  const auto refuse = [&](std::string_view why) {
    return Fail(ErrorCode::kTokenRefused, Cat("the signature of ", NameOf(approval.role), " '",
                                              approval.username, "' does not count: ", why));
  };
  if (approval.role != needed.role) {
    return refuse(needed.of_key == nullptr ? "only admins approve this"
                                           : "only users of the key approve this");
  }
  HSMCORE_TRY(const auto user, FindUser(core, approval.role, approval.username));
  if (!user) return refuse("there is no such user");
  if (needed.of_key != nullptr) {
    HSMCORE_TRY(const bool may, needed.of_key->may_approve(user->record));
    if (!may) return refuse("the key is not his, and not shared with him");
  }
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

// Who has signed; a signature that is wrong is an error, for it can be mended.
Result<std::set<std::string>> SignersOf(cluster::Core& core, const QuorumToken& token,
                                        const Needed& needed) {
  constexpr std::size_t kMost = 64;
  if (token.signatures.size() > kMost) {
    return Fail(ErrorCode::kTokenRefused, Cat("a token has at most ", kMost, " signatures"));
  }
  std::set<std::string> signers;
  for (const QuorumApproval& approval : token.signatures) {
    HSMCORE_CHECK(CheckSignature(core, token, approval, needed));
    signers.insert(UserPath(approval.role, approval.username));
  }
  return signers;
}

// "quorum/user", "quorum/key-usage/0000000000000102"; of a key there can be several tokens, each
// with a number below that.
std::string PurposeOf(QuorumService service, std::optional<KeyHandle> key = std::nullopt) {
  std::string purpose = Cat(kQuorumPurpose, NameOf(service));
  if (key) purpose += Cat("/", key->PrivateHalf().ToString().substr(2));
  return purpose;
}

// What the text of a token must be like, so that who made it can spend it for that.
Result<Challenge> ExpectedOf(const cluster::Core& core, const QuorumToken& token,
                             const std::string& purpose, Role role, std::string requester) {
  Challenge expected{.purpose = purpose,
                     .cluster = core.file.id,
                     .role = role,
                     .name = std::move(requester),
                     .expires = 0,
                     .nonce = {}};
  if (IsOfKeys(token.service)) {
    HSMCORE_TRY(const Challenge made, Challenge::Decode(token.approval_data));
    if (made.purpose.starts_with(purpose + "/")) expected.purpose = made.purpose;
  }
  return expected;
}

// Who has approved is told by the record of what was approved; a wrap may take two approvals.
void Tell(const std::set<std::string>& signers) {
  audit::Scope* const scope = audit::Scope::Current();
  if (scope != nullptr) scope->entry().approved_by.insert(signers.begin(), signers.end());
}

Status Spend(cluster::Core& core, storage::Transaction& change, const Actor& requester,
             const Needed& needed, const QuorumToken* approval) {
  if (approval == nullptr) return std::unexpected(TooFew(needed, 0));
  const auto key = needed.of_key != nullptr ? std::optional(needed.of_key->key) : std::nullopt;
  HSMCORE_TRY(const Challenge expected, ExpectedOf(core, *approval, PurposeOf(needed.service, key),
                                                   RoleIn(requester.path), NameIn(requester.path)));
  HSMCORE_CHECK(SpendChallenge(change, approval->approval_data, expected, std::time(nullptr)));
  HSMCORE_TRY(const auto signers, SignersOf(core, *approval, needed));
  if (signers.size() < needed.approvals) return std::unexpected(TooFew(needed, signers.size()));
  Tell(signers);
  return {};
}

Needed OfAdmins(QuorumService service, unsigned approvals) {
  return {.service = service, .approvals = approvals, .role = Role::kAdmin, .of_key = nullptr};
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

Status SpendApproval(cluster::Core& core, storage::Transaction& change, const Actor& requester,
                     QuorumService service, const QuorumToken* approval) {
  HSMCORE_TRY(QuorumPolicy policy, ReadForChange(core, change));
  const unsigned needed = policy[service];
  if (needed <= kNoQuorum) return {};
  return Spend(core, change, requester, OfAdmins(service, needed), approval);
}

Status SpendApproval(cluster::Core& core, storage::Transaction& change, const Actor& requester,
                     const KeyApproval& wanted) {
  if (wanted.needed == 0) return {};
  const QuorumToken* const approval = requester.approvals != nullptr
                                          ? requester.approvals->Find(wanted.service, wanted.key)
                                          : nullptr;
  Status spent = Spend(core, change, requester, OfKey(wanted), approval);
  // One that is refused gets no better, and would stand in the next one's way.
  if (!spent && spent.error().code() == ErrorCode::kTokenRefused && approval != nullptr) {
    requester.approvals->Forget(*approval);
  }
  return spent;
}

Result<QuorumToken> NewToken(cluster::Core& core, const Actor& requester, QuorumService service) {
  HSMCORE_TRY(Bytes text, NewChallenge(core, PurposeOf(service), RoleIn(requester.path),
                                       NameIn(requester.path), std::time(nullptr), false));
  return QuorumToken{
      .service = service, .key = {}, .approval_data = std::move(text), .signatures = {}};
}

Result<QuorumToken> NewToken(cluster::Core& core, const Actor& requester, QuorumService service,
                             KeyHandle key) {
  constexpr std::size_t kNumberBytes = 8;
  const std::int64_t now = std::time(nullptr);
  const std::string purpose =
      Cat(PurposeOf(service, key), "/", ToHex(vault::RandomBytes(kNumberBytes)));
  const auto make_room = [&](storage::Transaction& change) -> Status {
    HSMCORE_TRY(const auto live, LiveChallenges(core, kKeyPurpose, now));
    if (live.size() < kMaxKeyTokens) return DeleteExpired(core, change, kKeyPurpose, now);
    return Fail(
        ErrorCode::kTokenRefused,
        Cat("there are ", live.size(), " live tokens for keys, the most that there can be; ",
            "they expire within ", kTokenLifetime, " s, and an admin deletes them with ",
            "'hsmctl quorum token-sign delete --scope all'"));
  };
  HSMCORE_TRY(Bytes text, NewChallenge(core, purpose, RoleIn(requester.path),
                                       NameIn(requester.path), now, false, make_room));
  return QuorumToken{.service = service,
                     .key = key.PrivateHalf(),
                     .approval_data = std::move(text),
                     .signatures = {}};
}

namespace {

// "quorum/SERVICE" or "quorum/SERVICE/HANDLE/NUMBER".
std::optional<LiveToken> LiveTokenOf(const Challenge& challenge) {
  std::string_view rest(challenge.purpose);
  rest.remove_prefix(kQuorumPurpose.size());
  const std::string_view name = rest.substr(0, rest.find('/'));
  const auto service = QuorumServiceByName(name);
  if (!service) return std::nullopt;
  LiveToken token{.service = *service,
                  .key = {},
                  .username = challenge.name,
                  .role = challenge.role,
                  .expires = challenge.expires};
  if (IsOfKeys(*service)) {
    rest.remove_prefix(std::min(rest.size(), name.size() + 1));
    const auto key = KeyHandle::Parse(Cat("0x", rest.substr(0, rest.find('/'))));
    if (!key) return std::nullopt;
    token.key = *key;
  }
  return token;
}

}  // namespace

Result<std::vector<LiveToken>> LiveTokens(cluster::Core& core) {
  HSMCORE_TRY(const auto live, LiveChallenges(core, kQuorumPurpose, std::time(nullptr)));
  std::vector<LiveToken> tokens;
  tokens.reserve(live.size());
  for (const Challenge& challenge : live) {
    if (auto token = LiveTokenOf(challenge)) tokens.push_back(*std::move(token));
  }
  return tokens;
}

Result<std::size_t> DeleteTokens(cluster::Core& core, const Actor* of) {
  std::size_t deleted = 0;
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                deleted = 0;
                HSMCORE_TRY(const auto live,
                            LiveChallenges(core, kQuorumPurpose, std::time(nullptr)));
                for (const Challenge& challenge : live) {
                  if (of != nullptr && UserPath(challenge.role, challenge.name) != of->path) {
                    continue;
                  }
                  change.Delete(Cat(kTokenPrefix, challenge.purpose));
                  ++deleted;
                }
                return {};
              }));
  return deleted;
}

Result<QuorumToken> ApproveByLogin(cluster::Core& core, const Actor& approver,
                                   const QuorumToken& token) {
  HSMCORE_TRY(const Challenge asked, Challenge::Decode(token.approval_data));
  // Not committed: only looked at.
  storage::Transaction look(*core.engine);
  const Role role = RoleIn(approver.path);
  HSMCORE_TRY(const Challenge expected,
              ExpectedOf(core, token, PurposeOf(token.service, token.key), role, asked.name));
  HSMCORE_CHECK(SpendChallenge(look, token.approval_data, expected, std::time(nullptr)));
  QuorumApproval approval{.username = NameIn(approver.path),
                          .role = role,
                          .signature = {},
                          .by_login = true,
                          .share = {}};
  // Those for the cluster's settings and for keys open nothing.
  if (token.service == QuorumService::kUser || token.service == QuorumService::kQuorum) {
    HSMCORE_TRY(approval.share, ShareFor(core, approver, UserPath(Role::kAdmin, asked.name)));
  }
  approval.signature =
      approver.identity->Sign(kApprovalContext, vault::Bind({token.approval_data, approval.share}));
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
  HSMCORE_TRY([[maybe_unused]] const auto revision,
              storage::Update(*core.engine, [&](storage::Transaction& change) -> Status {
                HSMCORE_TRY(QuorumPolicy policy, ReadForChange(core, change));
                const unsigned needed = std::max(policy[service], policy[QuorumService::kQuorum]);
                if (needed > kNoQuorum) {
                  HSMCORE_CHECK(Spend(core, change, admin, OfAdmins(QuorumService::kQuorum, needed),
                                      approval));
                }
                HSMCORE_TRY(const auto admins, NamesOf(core, Role::kAdmin));
                if (value > admins.size()) {
                  return Fail(ErrorCode::kInvalidArgument,
                              Cat("the cluster has ", admins.size(), " admins, who could never ",
                                  "give ", value, " approvals; make more admins first"));
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
