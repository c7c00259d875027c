// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterPtr;
using hsmcore::Credential;
using hsmcore::ErrorCode;
using hsmcore::Fail;
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
};

Result<Report> NewToken(const Context& context, const TokenOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(NewFile file,
              NewFile::Create(AbsolutePath(given.token), NewFile::IfExists::kFail, kTokenFileRoom));
  HSMCORE_TRY(const auto tokens,
              cluster->NewMfaTokens(given.username, *hsmcore::RoleByName(given.role)));
  HSMCORE_CHECK(file.Write(FileText(SignableTokensJson(tokens))));
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

Result<Self> LoginToChange(const Context& context, const ChangeOptions& given) {
  LoginNames names = context.login();
  if (!names.user) names.user = given.username;
  if (!SameUser(*names.user, given.username)) {
    return Fail(ErrorCode::kRoleForbids,
                "everybody changes his own MFA, because his password takes part in it; to take "
                "away that of somebody who has lost his key, reset his password");
  }
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
Result<Report> Begin(const Self& self, const ChangeOptions& given) {
  HSMCORE_TRY(NewFile file, NewFile::Create(AbsolutePath(*given.token), NewFile::IfExists::kFail,
                                            kTokenFileRoom));
  HSMCORE_TRY(SignableToken token, self.session->NewRegistration());
  std::vector<SignableToken> tokens;
  tokens.push_back(std::move(token));
  HSMCORE_CHECK(file.Write(FileText(SignableTokensJson(tokens))));
  HSMCORE_CHECK(file.Finish());
  Json data = UserJson(given);
  data["path"] = *given.token;
  return MessageReport("Wrote a token to " + *given.token +
                           "; sign it, and give it with --public-key within " +
                           std::to_string(hsmcore::kTokenLifetime / 60) + " minutes",
                       std::move(data));
}

Result<Report> Change(const Context& context, const ChangeOptions& given) {
  if (given.deregister == given.token.has_value()) {
    return Fail(ErrorCode::kInvalidArgument, "give --token FILE, or --deregister");
  }
  HSMCORE_TRY(const Self self, LoginToChange(context, given));
  if (given.deregister) {
    HSMCORE_CHECK(self.session->DeregisterMfa(self.credential.secret));
    return MessageReport(given.username + " logs in with the password alone", UserJson(given));
  }
  if (!given.public_key) return Begin(self, given);
  HSMCORE_TRY(const std::string key, ReadTextFile(AbsolutePath(*given.public_key)));
  HSMCORE_TRY(const auto tokens, ReadSignableTokens(*given.token, 1));
  const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
  HSMCORE_CHECK(self.session->RegisterMfa(self.credential.secret, bytes, tokens.front()));
  return MessageReport(
      given.username + " logs in with the password and a signed token from here on",
      UserJson(given));
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
}

}  // namespace hsmctl
