// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "password.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterPtr;
using hsmcore::Credential;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::NewTokenKey;
using hsmcore::Result;
using hsmcore::Role;
using hsmcore::Session;
using hsmcore::SignableToken;

using SessionPtr = std::shared_ptr<Session>;

constexpr std::size_t kTokenFileRoom = 4096;

struct TokenOptions {
  std::string username;
  std::string role;
  std::string token;
};

struct ChangeOptions {
  std::string username;
  std::string role;
  std::optional<std::string> token;
  std::optional<std::string> public_key;
  bool deregister = false;
  // Of an admin, for somebody else:
  std::optional<std::string> password_source;
  std::vector<std::string> approval;
};

Result<Report> NewToken(const Context& context, const TokenOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(NewFile file,
              NewFile::Create(AbsolutePath(given.token), NewFile::IfExists::kFail, kTokenFileRoom));
  HSMCORE_TRY(const auto tokens,
              cluster->NewMfaTokens(given.username, *hsmcore::RoleByName(given.role)));
  HSMCORE_CHECK(file.Write(ToJson(tokens)));
  HSMCORE_CHECK(file.Finish());
  return MessageReport("Wrote the tokens of " + given.username + " for a login within " +
                           std::to_string(hsmcore::kTokenLifetime / 60) + " minutes to " +
                           given.token,
                       {{"path", given.token}});
}

// His password opens what is sealed anew, so he gives it here as at any login.
struct Self {
  SessionPtr session;
  Credential credential;
};

bool IsForOther(const Context& context, const ChangeOptions& given) {
  const auto& user = context.login().user;
  return user && !SameUser(*user, given.username);
}

Result<Self> LoginToChange(const Context& context, const ChangeOptions& given) {
  LoginNames names = context.login();
  names.user = given.username;
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(Credential credential, context.FindCredential(names));
  if (credential.is_machine()) {
    return Fail(ErrorCode::kRoleForbids, "MFA is for the password; log in with that to change it");
  }
  HSMCORE_TRY(SessionPtr session,
              Context::LoginWith(*cluster, credential, names, *hsmcore::RoleByName(given.role)));
  return Self{std::move(session), std::move(credential)};
}

Json UserJson(const ChangeOptions& given) {
  return {{"username", given.username}, {"role", given.role}};
}

// The first step: what is to be signed.
Result<Report> Begin(Session& session, const ChangeOptions& given, bool for_other) {
  HSMCORE_TRY(NewFile file, NewFile::Create(AbsolutePath(*given.token), NewFile::IfExists::kFail,
                                            kTokenFileRoom));
  HSMCORE_TRY(SignableToken token, for_other ? session.NewRegistrationFor(
                                                   given.username, *hsmcore::RoleByName(given.role))
                                             : session.NewRegistration());
  HSMCORE_CHECK(file.Write(hsmcore::ToJson({std::move(token)})));
  HSMCORE_CHECK(file.Finish());
  Json data = UserJson(given);
  data["path"] = *given.token;
  return MessageReport("Wrote a token to " + *given.token +
                           "; sign it, and give it with --public-key within " +
                           std::to_string(hsmcore::kTokenLifetime / 60) + " minutes",
                       std::move(data));
}

Result<NewTokenKey> ReadNewKey(const ChangeOptions& given) {
  HSMCORE_TRY(const std::string key, ReadTextFile(AbsolutePath(*given.public_key)));
  HSMCORE_TRY(auto tokens, ReadSignableTokens(*given.token, 1));
  return NewTokenKey{{key.begin(), key.end()}, std::move(tokens.front())};
}

Report ChangedReport(const ChangeOptions& given) {
  return MessageReport(
      given.username + (given.deregister ? " logs in with the password alone"
                                         : " logs in with the password and a signed token "
                                           "from here on"),
      UserJson(given));
}

// What opens his secret is the password with the signature, so an admin gives both anew.
Result<Report> ChangeOfOther(const Context& context, const ChangeOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  if (!given.deregister && !given.public_key) return Begin(*session, given, true);
  std::optional<NewTokenKey> mfa;
  if (!given.deregister) {
    HSMCORE_TRY(mfa, ReadNewKey(given));
  }
  HSMCORE_TRY(const hsmcore::SecretBytes password,
              NewPassword(given.password_source, given.username));
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  HSMCORE_CHECK(session->ResetPassword(given.username, *hsmcore::RoleByName(given.role), password,
                                       mfa ? &*mfa : nullptr, approval.token()));
  return ChangedReport(given);
}

Result<Report> Change(const Context& context, const ChangeOptions& given) {
  if (given.deregister == given.token.has_value()) {
    return Fail(ErrorCode::kInvalidArgument, "give --token FILE, or --deregister");
  }
  if (IsForOther(context, given)) return ChangeOfOther(context, given);
  if (given.password_source || !given.approval.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "--change-password and --approval are for an admin who changes the MFA of somebody "
                "else, and logs in with --user");
  }
  HSMCORE_TRY(const Self self, LoginToChange(context, given));
  if (given.deregister) {
    HSMCORE_CHECK(self.session->DeregisterMfa(self.credential.secret));
    return ChangedReport(given);
  }
  if (!given.public_key) return Begin(*self.session, given, false);
  HSMCORE_TRY(const NewTokenKey mfa, ReadNewKey(given));
  HSMCORE_CHECK(
      self.session->RegisterMfa(self.credential.secret, mfa.public_key, mfa.signed_token));
  return ChangedReport(given);
}

void AddWho(CLI::App& app, std::string& username, std::string& role) {
  std::vector<std::string> names;
  for (const Role each : hsmcore::AllRoles()) names.emplace_back(NameOf(each));
  app.add_option("--username", username, "Whose login")->required()->type_name("NAME");
  app.add_option("--role", role, "In which role")
      ->required()
      ->check(CLI::IsMember(names))
      ->type_name("ROLE");
}

}  // namespace

void AddMfaCommands(CLI::App& user_group, SelectedCommand& selected) {
  const auto [token, token_options] = AddCommand<TokenOptions>(
      user_group, selected,
      {.name = "mfa-token",
       .description = "Makes the tokens that a user with MFA signs to log in; needs no login",
       .example = "hsmctl user mfa-token --username bob --role admin --token t.json"},
      NewToken);
  AddWho(*token, token_options->username, token_options->role);
  token->add_option("--token", token_options->token, "The file; it must not exist")
      ->required()
      ->type_name("FILE");
  CLI::App* group = AddGroup(user_group, {.name = "change-mfa",
                                          .description = "What a login takes besides the password",
                                          .example = "hsmctl user change-mfa token-sign --help"});
  const auto [change, options] = AddCommand<ChangeOptions>(
      *group, selected,
      {.name = "token-sign",
       .description = "Makes a login take a signed token, or no longer",
       .example = "hsmctl user change-mfa token-sign --username bob --role admin --token t.json "
                  "--public-key bob.pem"},
      Change);
  AddWho(*change, options->username, options->role);
  change
      ->add_option("--token", options->token,
                   "A file with a token to be signed: made without --public-key, signed with it")
      ->type_name("FILE");
  change->add_option("--public-key", options->public_key, "RSA-2048 or Ed25519, PEM")
      ->type_name("FILE");
  change->add_flag("--deregister", options->deregister, "The password alone is enough again");
  change
      ->add_option("--change-password", options->password_source,
                   "The new password that an admin who changes it for somebody else gives him")
      ->type_name("file:PATH");
  AddApprovalOption(*change, options->approval);
}

}  // namespace hsmctl
