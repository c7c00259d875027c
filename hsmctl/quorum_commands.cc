// SPDX-License-Identifier: Apache-2.0
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/cluster.h"
#include "key_options.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::ClusterPtr;
using hsmcore::Fail;
using hsmcore::LiveToken;
using hsmcore::QuorumService;
using hsmcore::QuorumToken;
using hsmcore::QuorumValue;
using hsmcore::Result;
using hsmcore::Role;
using hsmcore::Session;
using hsmcore::SignableToken;

using SessionPtr = std::shared_ptr<Session>;

constexpr std::size_t kTokenFileRoom = 4096;

struct GenerateOptions {
  std::string service;
  std::vector<std::string> filter;
  std::string token;
};

struct ApproveOptions {
  std::string token;
};

struct SetValueOptions {
  std::string service;
  unsigned value = 0;
  std::vector<std::string> approval;
};

struct DeleteOptions {
  std::string scope = "user";
};

struct RegisterOptions {
  std::string public_key;
  std::string signed_token;
};

// Nothing: a registration.
std::optional<QuorumService> ServiceOf(const GenerateOptions& given) {
  return hsmcore::QuorumServiceByName(given.service);
}

bool IsOfKeys(const std::optional<QuorumService>& service) {
  return service && hsmcore::IsOfKeys(*service);
}

Result<std::string> NewToken(Session& session, const std::optional<QuorumService>& service,
                             const KeyFilter& filter) {
  if (!service) {
    HSMCORE_TRY(SignableToken token, session.NewRegistration());
    return hsmcore::ToJson({std::move(token)});
  }
  if (!hsmcore::IsOfKeys(*service)) {
    HSMCORE_TRY(const QuorumToken token, session.NewQuorumToken(*service));
    return token.ToJson();
  }
  HSMCORE_TRY(const auto halves, FindOneKey(session, filter.query, Versions::kNewest));
  HSMCORE_TRY(const QuorumToken token, session.NewKeyToken(*service, halves.front().handle));
  return token.ToJson();
}

// For a registration any user, for a service of keys a crypto user, for the others an admin.
Result<SessionPtr> LoginFor(const Context& context, const std::optional<QuorumService>& service,
                            const KeyFilter& filter) {
  if (IsOfKeys(service)) return LoginForKeys(context, filter);
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  return context.Login(*cluster, context.login(),
                       service ? std::optional(Role::kAdmin) : std::nullopt);
}

Result<Report> Generate(const Context& context, const GenerateOptions& given) {
  const auto service = ServiceOf(given);
  if (IsOfKeys(service) == given.filter.empty()) {
    return Fail(hsmcore::ErrorCode::kInvalidArgument,
                "--filter names the key, for the services key-management and key-usage");
  }
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const SessionPtr session, LoginFor(context, service, filter));
  // The file first: a token that finds no place to be kept would stand in the next one's way.
  HSMCORE_TRY(NewFile file,
              NewFile::Create(AbsolutePath(given.token), NewFile::IfExists::kFail, kTokenFileRoom));
  HSMCORE_TRY(const std::string token, NewToken(*session, service, filter));
  HSMCORE_CHECK(file.Write(token));
  HSMCORE_CHECK(file.Finish());
  return MessageReport("Wrote a token to be signed within " +
                           std::to_string(hsmcore::kTokenLifetime / 60) + " minutes to " +
                           given.token,
                       {{"path", given.token}});
}

Result<Report> Approve(const Context& context, const ApproveOptions& given) {
  HSMCORE_TRY(const QuorumToken token, ReadQuorumToken(given.token));
  HSMCORE_TRY(const SessionPtr session, LoginFor(context, token.service, {}));
  HSMCORE_TRY(const QuorumToken approved, session->ApproveToken(token));
  HSMCORE_CHECK(
      WriteNewFile(AbsolutePath(given.token), NewFile::IfExists::kReplace, approved.ToJson()));
  // What was approved, in the words that were signed. The core has found them to be a token's.
  std::string text(token.approval_data.begin(), token.approval_data.end());
  if (text.ends_with('\n')) text.pop_back();
  return MessageReport(session->user() + " approved the token in " + given.token + ":\n" + text,
                       {{"path", given.token},
                        {"username", session->user()},
                        {"service", NameOf(token.service)},
                        {"approved", text}});
}

Json ValuesJson(const std::vector<QuorumValue>& values) {
  Json json = Json::object();
  for (const QuorumValue& value : values) json[NameOf(value.service)] = value.value;
  return json;
}

Result<Report> ListValues(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const auto values, cluster->Anonymous()->QuorumValues());
  Table table({"SERVICE", "APPROVALS"});
  for (const QuorumValue& value : values) {
    table.AddRow({NameOf(value.service),
                  value.value > hsmcore::kNoQuorum ? std::to_string(value.value) : "none"});
  }
  return Report{.data = ValuesJson(values), .text = table.ToString(), .note = {}};
}

Result<Report> SetValue(const Context& context, const SetValueOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  HSMCORE_TRY(const Approval approval, Approval::Read(given.approval));
  HSMCORE_CHECK(session->SetQuorumValue(*hsmcore::QuorumServiceByName(given.service), given.value,
                                        approval.token()));
  HSMCORE_TRY(const auto values, session->QuorumValues());
  return MessageReport("The service " + given.service + " takes the approval of " +
                           std::to_string(given.value) + " admin" + (given.value == 1 ? "" : "s"),
                       ValuesJson(values));
}

Result<Report> List(const Context& context) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const auto tokens, cluster->Anonymous()->QuorumTokens());
  Json list = Json::array();
  Table table({"SERVICE", "KEY", "USER", "ROLE", "EXPIRES"});
  for (const LiveToken& token : tokens) {
    const std::string key = token.key ? token.key->ToString() : std::string();
    // Every HSM has the same: the smallest number on any of them, as CloudHSM's tool prints it.
    list.push_back({{"username", token.username},
                    {"role", NameOf(token.role)},
                    {"service", NameOf(token.service)},
                    {"key-reference", token.key ? Json(key) : Json(nullptr)},
                    {"minimum-token-count", 1},
                    {"expiration-timestamp", token.expires}});
    table.AddRow(
        {NameOf(token.service), key, token.username, NameOf(token.role), TimeText(token.expires)});
  }
  return Report{.data = {{"tokens", std::move(list)}}, .text = table.ToString(), .note = {}};
}

Result<Report> Delete(const Context& context, const DeleteOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), Role::kAdmin));
  HSMCORE_TRY(const std::size_t deleted, session->DeleteQuorumTokens(given.scope == "all"));
  return MessageReport("Deleted " + std::to_string(deleted) + " tokens", {{"deleted", deleted}});
}

Result<Report> Register(const Context& context, const RegisterOptions& given) {
  HSMCORE_TRY(const ClusterPtr cluster, context.OpenCluster());
  HSMCORE_TRY(const SessionPtr session, context.Login(*cluster, context.login(), std::nullopt));
  HSMCORE_TRY(const std::string key, ReadTextFile(AbsolutePath(given.public_key)));
  HSMCORE_TRY(const auto tokens, ReadSignableTokens(given.signed_token, 1));
  const auto bytes = std::span(reinterpret_cast<const std::uint8_t*>(key.data()), key.size());
  HSMCORE_CHECK(session->RegisterTokenKey(bytes, tokens.front()));
  return MessageReport("Registered the public key with which " + session->user() + " signs tokens",
                       {{"username", session->user()}, {"role", NameOf(session->role())}});
}

void AddService(CLI::App& app, std::string& service, bool of_admins) {
  using enum QuorumService;
  std::vector<std::string> names;
  for (const QuorumService each : {kUser, kQuorum, kCluster, kKeyManagement, kKeyUsage}) {
    if (!of_admins || !hsmcore::IsOfKeys(each)) names.emplace_back(NameOf(each));
  }
  if (!of_admins) names.emplace_back("registration");
  app.add_option("--service", service, "What it is for")
      ->required()
      ->check(CLI::IsMember(names))
      ->type_name("SERVICE");
}

void AddGenerate(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<GenerateOptions>(
      group, selected,
      {.name = "generate",
       .description = "Makes a token to be signed; takes an admin, for a key's services a crypto "
                      "user, for registration any user",
       .example = "hsmctl --user admin quorum token-sign generate --service user --token t.json"},
      Generate);
  AddService(*app, options->service, false);
  AddKeyFilter(*app, options->filter);
  app->add_option("--token", options->token, "The file; it must not exist")
      ->required()
      ->type_name("FILE");
}

void AddApprove(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<ApproveOptions>(
      group, selected,
      {.name = "approve",
       .description = "Approves a token by logging in, and hands over what a reset of a password "
                      "needs; takes an admin, for a key one of its users",
       .example = "hsmctl --user bob quorum token-sign approve --token t.json"},
      Approve);
  app->add_option("--token", options->token, "The file; the approval is written into it")
      ->required()
      ->type_name("FILE");
}

void AddSetValue(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<SetValueOptions>(
      group, selected,
      {.name = "set-quorum-value",
       .description = "Sets how many admins must approve what a service guards; takes an admin",
       .example =
           "hsmctl --user admin quorum token-sign set-quorum-value --service user --value 2"},
      SetValue);
  AddService(*app, options->service, true);
  app->add_option("--value", options->value, "How many; 1: no quorum")
      ->required()
      ->check(CLI::Range(hsmcore::kNoQuorum, hsmcore::kMaxQuorum))
      ->type_name("N");
  AddApprovalOption(*app, options->approval);
}

}  // namespace

void AddQuorumCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "quorum",
                                      .description = "Have admins approve what others do",
                                      .example = "hsmctl quorum token-sign list-quorum-values"});
  CLI::App* tokens = AddGroup(*group, {.name = "token-sign",
                                       .description = "Approval by signing a token",
                                       .example = "hsmctl quorum token-sign list-quorum-values"});
  AddGenerate(*tokens, selected);
  AddApprove(*tokens, selected);
  AddPlainCommand(*tokens, selected,
                  {.name = "list",
                   .description = "Lists the tokens that can be used still; needs no login",
                   .example = "hsmctl quorum token-sign list"},
                  List);
  AddPlainCommand(*tokens, selected,
                  {.name = "list-quorum-values",
                   .description = "Shows how many approvals each service takes; needs no login",
                   .example = "hsmctl quorum token-sign list-quorum-values"},
                  ListValues);
  AddSetValue(*tokens, selected);
  const auto [app, options] = AddCommand<DeleteOptions>(
      *tokens, selected,
      {.name = "delete",
       .description = "Deletes the tokens that can be used still; takes an admin",
       .example = "hsmctl --user admin quorum token-sign delete --scope all"},
      Delete);
  app->add_option("--scope", options->scope, "One's own, or those of all admins (user)")
      ->check(CLI::IsMember({"user", "all"}))
      ->type_name("SCOPE");
}

void AddChangeQuorumCommand(CLI::App& user_group, SelectedCommand& selected) {
  CLI::App* group =
      AddGroup(user_group, {.name = "change-quorum",
                            .description = "How the user who logs in approves for a quorum",
                            .example = "hsmctl user change-quorum token-sign register --help"});
  CLI::App* tokens =
      AddGroup(*group, {.name = "token-sign",
                        .description = "Approval by signing a token",
                        .example = "hsmctl user change-quorum token-sign register --help"});
  const auto [app, options] = AddCommand<RegisterOptions>(
      *tokens, selected,
      {.name = "register",
       .description = "Registers the public key of the user who logs in",
       .example = "hsmctl --user alice user change-quorum token-sign register "
                  "--public-key alice.pem --signed-token t.json"},
      Register);
  app->add_option("--public-key", options->public_key, "RSA-2048 or Ed25519, PEM")
      ->required()
      ->type_name("FILE");
  app->add_option("--signed-token", options->signed_token,
                  "A token for registration, with its signature")
      ->required()
      ->type_name("FILE");
}

}  // namespace hsmctl
