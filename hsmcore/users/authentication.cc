// SPDX-License-Identifier: Apache-2.0
#include "users/authentication.h"

#include <algorithm>
#include <chrono>
#include <ctime>
#include <string>
#include <utility>

#include "audit/log.h"
#include "base/text.h"
#include "storage/posix.h"
#include "users/directory.h"
#include "users/lockout.h"
#include "users/lockout_policy.h"
#include "vault/machine_secret.h"

namespace hsmcore::users {
namespace {

// A password check takes a fraction of a second, so this is a long queue or a stopped program.
constexpr std::chrono::milliseconds kPatience = std::chrono::seconds(60);

// Of a login that changes the counts of wrong passwords; one that changes nothing writes nothing.
audit::Entry Login(std::string user, ErrorCode result) {
  audit::Entry entry = audit::About(AuditEvent::kLogin, std::move(user));
  entry.result = result;
  return entry;
}

Error Locked(const UserRecord& user, unsigned unlock_after = 0) {
  const std::string until =
      unlock_after == 0 ? std::string() : Cat(", for ", unlock_after, " minutes");
  return {ErrorCode::kUserLocked,
          Cat("'", user.name, "' is locked after more than ", kMaxFailedLogins, " wrong passwords",
              until, "; an admin frees him with 'hsmctl user unlock --username ", user.name,
              " --role ", NameOf(user.role), "'")};
}

Error WrongPassword(const UserRecord& user, unsigned failed) {
  if (failed > kMaxFailedLogins) return Locked(user);
  return {ErrorCode::kPasswordWrong,
          Cat("the password of '", user.name, "' is another; ", failed,
              " wrong in a row, more than ", kMaxFailedLogins, " lock the user")};
}

// Checks of passwords take turns in the whole cluster: read side by side, the count would let any
// number of guesses through at once. The generation file is in every home and needs no right to
// write.
Result<storage::FileLock> TakeTurn(const cluster::Core& core) {
  return storage::FileLock::AcquireReading(
      cluster::GenerationFile(core.home), kPatience,
      Cat("other logins with a password to ", core.home.native(), " went before this one for ",
          kPatience.count() / 1000,
          " s; try again, or use a machine credential, which does not "
          "wait ('hsmctl user create-machine-credential')"));
}

Error NoPassword(const UserRecord& user) {
  return {ErrorCode::kCredentialUnknown, Cat("'", user.name, "' has no password")};
}

Error MfaRequired(const UserRecord& user) {
  return {
      ErrorCode::kMfaRequired,
      Cat("'", user.name, "' logs in with his password and a signed token (MFA): make one with ",
          "'hsmctl user mfa-token', sign it, and give it to hsmctl with --mfa-token; a program ",
          "takes a machine credential ('hsmctl user create-machine-credential')")};
}

Result<Authenticated> OpenWithPassword(cluster::Core& core, const UserRecord& user,
                                       const SecretBytes& password,
                                       const std::vector<SignableToken>& tokens) {
  HSMCORE_TRY([[maybe_unused]] const storage::FileLock turn, TakeTurn(core));
  HSMCORE_TRY(FailedLogins failed, ReadFailedLogins(*core.engine, user.path()));
  if (failed.count > kMaxFailedLogins) {
    HSMCORE_TRY(const unsigned minutes, UnlockAfterMinutes(core));
    if (failed.Locked(std::time(nullptr), minutes)) {
      [[maybe_unused]] const Status noted =
          audit::Note(*core.engine, {}, Login(user.path(), ErrorCode::kUserLocked));
      return std::unexpected(Locked(user, minutes));
    }
    // Free again, with all tries.
    [[maybe_unused]] const Status cleared = ClearFailedLogins(*core.engine, user.path());
    failed.count = 0;
  }
  if (!user.password) {
    return std::unexpected(NoPassword(user));
  }
  if (user.has_mfa() && tokens.empty()) return std::unexpected(MfaRequired(user));
  // First what cannot be guessed: without it nobody tries passwords here.
  std::optional<SecondFactor> second;
  if (!tokens.empty()) {
    HSMCORE_TRY(second, CheckMfaTokens(core, user, tokens));
  }
  auto identity = OpenPassword(user, password, second ? &*second : nullptr);
  if (!identity && identity.error().code() != ErrorCode::kPasswordWrong) {
    return std::unexpected(identity.error());
  }
  if (!identity) {
    // A store that cannot be written still refuses; it only cannot count.
    const audit::Scope scope({}, Login(user.path(), ErrorCode::kPasswordWrong));
    const auto counted = CountFailedLogin(*core.engine, user.path());
    return std::unexpected(WrongPassword(user, counted.value_or(failed.count + 1)));
  }
  // A login that succeeds writes nothing, except to forget wrong ones; where it cannot, it stands.
  if (failed.count > 0) {
    const audit::Scope scope({&*identity, user.path()}, Login(user.path(), ErrorCode()));
    [[maybe_unused]] const Status cleared = ClearFailedLogins(*core.engine, user.path());
  }
  // Of two who come with one token, one gets past here.
  if (second) {
    const audit::Scope scope({}, Login(user.path(), ErrorCode()));
    HSMCORE_CHECK(SpendMfaToken(core, user, tokens.front()));
  }
  return Authenticated{*std::move(identity), std::move(second)};
}

Result<Authenticated> OpenWithMachine(const UserRecord& user, const SecretBytes& text) {
  HSMCORE_TRY(const vault::MachineSecret machine, vault::MachineSecret::FromText(text));
  const auto found = std::ranges::find(user.machines, machine.id, &UserRecord::Machine::id);
  if (found == user.machines.end()) {
    return Fail(ErrorCode::kCredentialUnknown,
                Cat("this machine credential of '", user.name,
                    "' was taken back; make one with 'hsmctl user create-machine-credential'"));
  }
  HSMCORE_TRY(vault::Identity identity,
              OpenIdentity(found->sealed, machine.SealKey(), user.path(), kMachineKind));
  return Authenticated{std::move(identity), std::nullopt};
}

// Who asks for a user whom there is not waits as long as for one whom there is: the password is
// hashed and the failure counted.
Status SpendAsMuch(cluster::Core& core, const std::string& path, const Credential& credential) {
  if (credential.is_machine()) return {};
  HSMCORE_TRY(const cluster::Config config, cluster::ReadConfig(core));
  HSMCORE_TRY([[maybe_unused]] const storage::FileLock turn, TakeTurn(core));
  HSMCORE_TRY([[maybe_unused]] const SecretBytes key,
              vault::KeyFromPassword(credential.secret, vault::NewPasswordHash(config.cost)));
  const audit::Scope scope({}, Login(path, ErrorCode::kUserNotFound));
  [[maybe_unused]] const auto counted = CountFailedLogin(*core.engine, kNobody);
  return {};
}

}  // namespace

Result<Authenticated> Authenticate(cluster::Core& core, Role role, std::string_view name,
                                   const Credential& credential,
                                   const std::vector<SignableToken>& tokens) {
  HSMCORE_TRY(const std::string normalised, NormalisedName(name));
  Result<DecodedRecord> found = GetUser(core, role, normalised);
  if (!found) {
    if (found.error().code() == ErrorCode::kUserNotFound) {
      HSMCORE_CHECK(SpendAsMuch(core, UserPath(role, normalised), credential));
    }
    return std::unexpected(std::move(found).error());
  }
  const DecodedRecord user = *std::move(found);
  HSMCORE_TRY(Authenticated opened,
              credential.is_machine()
                  ? OpenWithMachine(user.record, credential.secret)
                  : OpenWithPassword(core, user.record, credential.secret, tokens));
  if (opened.identity.root() != core.file.root ||
      opened.identity.public_identity() != user.record.identity) {
    return Fail(ErrorCode::kHomeDamaged,
                Cat("the store at ", core.home.native(), " is not the one that '", normalised,
                    "' belongs to: its first admin was replaced"));
  }
  return opened;
}

Result<vault::Identity> OpenPassword(const UserRecord& user, const SecretBytes& password,
                                     const SecondFactor* second) {
  HSMCORE_TRY(SecretBytes hashed, vault::KeyFromPassword(password, user.password->hash));
  auto identity = OpenIdentity(user.password->sealed, PasswordKey(std::move(hashed), second),
                               user.path(), KindOf(second));
  if (identity) return identity;
  return Fail(ErrorCode::kPasswordWrong, Cat("the password of '", user.name, "' is another"));
}

Result<vault::Identity> OpenUncounted(const UserRecord& user, const Credential& credential) {
  if (credential.is_machine()) {
    HSMCORE_TRY(Authenticated opened, OpenWithMachine(user, credential.secret));
    return std::move(opened.identity);
  }
  if (!user.password) return std::unexpected(NoPassword(user));
  if (user.has_mfa()) return std::unexpected(MfaRequired(user));
  HSMCORE_TRY(vault::Identity identity, OpenPassword(user, credential.secret, nullptr));
  if (identity.public_identity() == user.identity) return identity;
  return Fail(ErrorCode::kPasswordWrong, Cat("the password of '", user.name, "' is another"));
}

}  // namespace hsmcore::users
