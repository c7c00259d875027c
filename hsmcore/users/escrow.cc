// SPDX-License-Identifier: Apache-2.0
#include "users/escrow.h"

#include <map>
#include <set>
#include <utility>
#include <vector>

#include "base/text.h"
#include "users/adoption.h"
#include "users/setting.h"
#include "vault/secret_sharing.h"

namespace hsmcore::users {
namespace {

Result<Recovery> ReadRecovery(cluster::Core& core) {
  HSMCORE_TRY(auto recovery, ReadSetting<Recovery>(core));
  if (recovery) return *std::move(recovery);
  return Fail(ErrorCode::kHomeDamaged, "the store has no recovery key");
}

Result<SecretBytes> OwnPart(const Recovery& recovery, const Actor& admin) {
  const auto sealed = recovery.sealed.find(admin.path);
  if (sealed == recovery.sealed.end()) {
    return Fail(ErrorCode::kRoleForbids,
                Cat("the recovery key of the cluster is not sealed to ", admin.path));
  }
  return admin.identity->OpenSealed(sealed->second);
}

// One's own share, and one of each admin who has approved by login; no more than are needed.
Result<std::vector<SecretBytes>> GatherShares(const Recovery& recovery, const Actor& admin,
                                              const QuorumToken* approval) {
  std::vector<SecretBytes> shares;
  HSMCORE_TRY(SecretBytes own, OwnPart(recovery, admin));
  shares.push_back(std::move(own));
  std::set<std::string> givers = {admin.path};
  const std::vector<QuorumApproval> none;
  for (const QuorumApproval& each : approval == nullptr ? none : approval->signatures) {
    if (shares.size() == recovery.threshold) break;
    if (each.share.empty() || !givers.insert(UserPath(each.role, each.username)).second) continue;
    HSMCORE_TRY(SecretBytes share, admin.identity->OpenSealed(each.share));
    shares.push_back(std::move(share));
  }
  if (shares.size() == recovery.threshold) return shares;
  return Fail(
      ErrorCode::kQuorumRequired,
      Cat("the recovery key is in shares, of which ", recovery.threshold,
          " admins have to give theirs; there are ", shares.size(), " here, yours among ",
          "them. A signature by openssl gives none: have ", recovery.threshold - shares.size(),
          " more approve the token with 'hsmctl quorum token-sign approve'"));
}

// What a rotation knows of a user.
struct Opened {
  DecodedRecord user;
  std::optional<vault::Identity> identity;  // nothing: his escrow does not open
};

class Rotator {
 public:
  Rotator(cluster::Core& core, storage::Transaction& change, const Rotation& wanted,
          TrustedSigners trusted)
      : core_(core), change_(change), wanted_(wanted), trusted_(std::move(trusted)) {}

  Status Run(const vault::BoxPair& old) {
    HSMCORE_CHECK(OpenAll(old));
    const vault::BoxPair fresh = vault::BoxPair::New();
    HSMCORE_CHECK(PutRecovery(fresh));
    for (const auto& [path, opened] : users_) {
      if (opened.identity && path != wanted_.leaving) HSMCORE_CHECK(PutUser(opened, fresh));
    }
    return {};
  }

 private:
  Status OpenAll(const vault::BoxPair& old) {
    HSMCORE_TRY(auto users, ListDecoded(core_, trusted_));
    for (DecodedRecord& user : users) {
      const std::string path = user.record.path();
      // What is read decides about what is written.
      HSMCORE_TRY([[maybe_unused]] const auto noted, change_.Get(path));
      auto identity = OpenEscrow(core_, old, user.record);
      Opened opened{std::move(user), std::nullopt};
      if (identity) opened.identity = *std::move(identity);
      users_.emplace(path, std::move(opened));
    }
    return {};
  }

  // The box keys of those who are admins afterwards.
  std::map<std::string, Bytes> Admins() const {
    std::map<std::string, Bytes> admins;
    for (const auto& [path, opened] : users_) {
      const UserRecord& user = opened.user.record;
      if (user.role == Role::kAdmin && path != wanted_.leaving) {
        admins[path] = user.identity.box_key;
      }
    }
    if (!wanted_.joining.empty()) admins[wanted_.joining] = wanted_.joining_box_key;
    return admins;
  }

  Status PutRecovery(const vault::BoxPair& fresh) {
    const auto admins = Admins();
    if (admins.size() < wanted_.threshold) {
      return Fail(ErrorCode::kClusterState,
                  Cat("there would be ", admins.size(), " admins, who could never give ",
                      wanted_.threshold, " approvals; lower the quorum value of 'user' first"));
    }
    Recovery recovery;
    recovery.public_key = fresh.public_key;
    recovery.threshold = wanted_.threshold;
    recovery.signer = wanted_.admin.path;
    HSMCORE_TRY(const std::vector<SecretBytes> parts, PartsOf(fresh, admins.size()));
    std::size_t next = 0;
    for (const auto& [path, box_key] : admins) {
      HSMCORE_TRY(recovery.sealed[path], vault::SealTo(box_key, parts[next]));
      ++next;
    }
    change_.Put(Recovery::kPath, recovery.Encode(*wanted_.admin.identity));
    return {};
  }

  Result<std::vector<SecretBytes>> PartsOf(const vault::BoxPair& fresh, std::size_t count) const {
    if (wanted_.threshold > 1) {
      if (count > vault::kMaxShares) {
        return Fail(ErrorCode::kQuotaExceeded,
                    Cat("a recovery key has shares for ", vault::kMaxShares, " admins at most"));
      }
      return vault::SplitSecret(fresh.secret_key, wanted_.threshold, count);
    }
    std::vector<SecretBytes> whole;
    whole.reserve(count);
    for (std::size_t i = 0; i < count; ++i) whole.push_back(fresh.secret_key.Clone());
    return whole;
  }

  const vault::Identity* IdentityBehind(const std::string& path) const {
    const auto found = users_.find(path);
    return found != users_.end() && found->second.identity ? &*found->second.identity : nullptr;
  }

  // The identity part holds the escrow, so it is signed anew: by whose word it was before, which
  // the recovery key is the power to do. Whose word cannot be given again stays as he is.
  Status PutUser(const Opened& opened, const vault::BoxPair& fresh) {
    UserRecord record = opened.user.record;
    HSMCORE_TRY(record.escrow, vault::SealTo(fresh.public_key, opened.identity->Export()));
    HSMCORE_TRY(auto adoption, AdoptionOf(record.path()));
    const vault::Identity* const voucher =
        IdentityBehind(adoption ? adoption->signer : record.signer);
    if (voucher == nullptr) return {};
    // Of somebody who was adopted the word is in the adoption, and this signature is nobody's.
    const SignedIdentity anew = SignIdentity(record, *voucher);
    change_.Put(record.path(), EncodeRecord(record, anew, *opened.identity));
    if (!adoption) return {};
    adoption->identity = anew.body;
    change_.Put(Adoption::PathOf(record.path()), adoption->Encode(*voucher));
    return {};
  }

  Result<std::optional<Adoption>> AdoptionOf(const std::string& user) {
    const std::string path = Adoption::PathOf(user);
    HSMCORE_TRY(const auto stored, change_.Get(path));
    if (!stored) return std::nullopt;
    HSMCORE_TRY(Adoption adoption, Adoption::Decode(path, *stored, trusted_));
    return adoption;
  }

  cluster::Core& core_;
  storage::Transaction& change_;
  const Rotation& wanted_;
  const TrustedSigners trusted_;
  std::map<std::string, Opened> users_;
};

}  // namespace

Result<vault::BoxPair> OpenRecovery(cluster::Core& core, const Actor& admin,
                                    const QuorumToken* approval) {
  HSMCORE_TRY(const Recovery recovery, ReadRecovery(core));
  vault::BoxPair pair{recovery.public_key, {}};
  if (recovery.threshold <= 1) {
    HSMCORE_TRY(pair.secret_key, OwnPart(recovery, admin));
    return pair;
  }
  HSMCORE_TRY(const auto shares, GatherShares(recovery, admin, approval));
  HSMCORE_TRY(pair.secret_key, vault::JoinShares(shares));
  if (vault::IsPair(pair)) return pair;
  return Fail(ErrorCode::kTokenRefused,
              "the shares in the approval do not give the recovery key: they were given before it "
              "was last made anew, or one is not genuine; have a new token approved");
}

Result<Bytes> ShareFor(cluster::Core& core, const Actor& admin, const std::string& other) {
  HSMCORE_TRY(const Recovery recovery, ReadRecovery(core));
  if (recovery.threshold <= 1) return Bytes();
  HSMCORE_TRY(const SecretBytes share, OwnPart(recovery, admin));
  HSMCORE_TRY(const vault::PublicIdentity receiver, IdentityOf(core, other));
  return vault::SealTo(receiver.box_key, share);
}

Result<vault::Identity> OpenEscrow(const cluster::Core& core, const vault::BoxPair& recovery,
                                   const UserRecord& user) {
  HSMCORE_TRY(const SecretBytes exported, vault::OpenSealedTo(recovery, user.escrow));
  HSMCORE_TRY(vault::Identity identity, vault::Identity::Import(exported));
  if (identity.root() == core.file.root && identity.public_identity() == user.identity) {
    return identity;
  }
  return Fail(ErrorCode::kRecordDamaged, Cat("the escrow of ", user.path(), " is another's"));
}

Status RotateRecovery(cluster::Core& core, storage::Transaction& change, const Rotation& wanted,
                      const vault::BoxPair& old) {
  HSMCORE_TRY([[maybe_unused]] const auto noted, change.Get(Recovery::kPath));
  HSMCORE_TRY(TrustedSigners trusted, ReadTrustedSigners(core));
  return Rotator(core, change, wanted, std::move(trusted)).Run(old);
}

Status UseUpShares(cluster::Core& core, storage::Transaction& change, const Actor& admin,
                   const QuorumToken* approval) {
  HSMCORE_TRY(const unsigned threshold, RecoveryThreshold(core));
  if (threshold <= 1) return {};
  HSMCORE_TRY(const vault::BoxPair recovery, OpenRecovery(core, admin, approval));
  return RotateRecovery(
      core, change,
      {.admin = admin, .threshold = threshold, .joining = {}, .joining_box_key = {}, .leaving = {}},
      recovery);
}

Result<unsigned> RecoveryThreshold(cluster::Core& core) {
  HSMCORE_TRY(const Recovery recovery, ReadRecovery(core));
  return recovery.threshold;
}

}  // namespace hsmcore::users
