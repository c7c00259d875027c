// SPDX-License-Identifier: Apache-2.0
// The files that tokens travel in, which people edit by hand and with sed.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "base/files.h"
#include "base/text.h"
#include "hsmcore/base64.h"
#include "hsmcore/quorum.h"
#include "hsmcore/settings.h"

namespace hsmcore {
namespace {

// In the order in which they are written.
using Json = nlohmann::ordered_json;

constexpr const char* kVersion = "2.0";
// Ours beside CloudHSM's fields: how somebody has approved who has not signed by openssl.
constexpr const char* kLoginMethod = "login";

// The fields of an object. The first one that is not right decides Finish().
class Fields {
 public:
  Fields(const Json& json, std::string_view what) : json_(json), what_(what) {}

  bool Has(const char* name) const {
    return json_.is_object() && json_.contains(name) && !json_[name].is_null();
  }
  std::string Text(const char* name) {
    if (Has(name) && json_[name].is_string()) return json_[name].get<std::string>();
    Refuse(name);
    return {};
  }
  Bytes Blob(const char* name) {
    auto bytes = FromBase64(Text(name));
    if (!bytes) Refuse(name);
    return bytes.value_or(Bytes());
  }
  const Json& List(const char* name) {
    if (Has(name) && json_[name].is_array()) return json_[name];
    Refuse(name);
    return none_;
  }
  void Refuse(const char* name) {
    if (bad_.empty()) bad_ = name;
  }
  Status Finish() const {
    if (bad_.empty()) return {};
    return Fail(ErrorCode::kInvalidArgument,
                Cat(what_, " is no token file of this kind, or was damaged: see its '", bad_, "'"));
  }

 private:
  const Json& json_;
  const Json none_ = Json::array();
  std::string_view what_;
  std::string bad_;
};

Result<Json> Parse(std::string_view text, std::string_view what) {
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Fields fields(json, what);
  if (json.is_discarded() || fields.Text("version") != kVersion) fields.Refuse("version");
  HSMCORE_CHECK(fields.Finish());
  return json;
}

std::string FileText(const Json& json) { return json.dump(2) + "\n"; }

Result<QuorumApproval> ReadApproval(const Json& json, std::string_view what) {
  Fields fields(json, what);
  QuorumApproval approval;
  approval.username = fields.Text("username");
  std::ranges::transform(approval.username, approval.username.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const auto role = RoleByName(fields.Text("role"));
  if (!role) fields.Refuse("role");
  approval.role = role.value_or(Role::kCryptoUser);
  approval.signature = fields.Blob("signature");
  if (fields.Has("method")) {
    approval.by_login = true;
    if (fields.Text("method") != kLoginMethod) fields.Refuse("method");
    approval.share = fields.Blob("share");
  }
  HSMCORE_CHECK(fields.Finish());
  return approval;
}

void ReadKey(Fields& fields, QuorumToken& token) {
  constexpr const char* kName = "key_reference";
  if (fields.Has(kName) != IsOfKeys(token.service)) fields.Refuse(kName);
  if (!fields.Has(kName)) return;
  const auto key = KeyHandle::Parse(fields.Text(kName));
  if (key) {
    token.key = *key;
  } else {
    fields.Refuse(kName);
  }
}

}  // namespace

std::string QuorumToken::ToJson() const {
  Json list = Json::array();
  for (const QuorumApproval& approval : signatures) {
    Json item = {{"username", approval.username},
                 {"role", NameOf(approval.role)},
                 {"signature", Base64(approval.signature)}};
    if (approval.by_login) {
      item["method"] = kLoginMethod;
      item["share"] = Base64(approval.share);
    }
    list.push_back(std::move(item));
  }
  const Json json = {{"version", kVersion},
                     {"service", NameOf(service)},
                     {"key_reference", key ? Json(key->ToString()) : Json(nullptr)},
                     {"approval_data", Base64(approval_data)},
                     {"token", Base64(token())},
                     {"signatures", std::move(list)}};
  return FileText(json);
}

Result<QuorumToken> QuorumToken::FromJson(std::string_view text, std::string_view what) {
  HSMCORE_TRY(const Json json, Parse(text, what));
  Fields fields(json, what);
  QuorumToken token;
  const auto service = QuorumServiceByName(fields.Text("service"));
  if (!service) fields.Refuse("service");
  token.service = service.value_or(QuorumService::kUser);
  ReadKey(fields, token);
  token.approval_data = fields.Blob("approval_data");
  if (fields.Blob("token") != token.token()) fields.Refuse("token");
  for (const Json& item : fields.List("signatures")) {
    HSMCORE_TRY(token.signatures.emplace_back(), ReadApproval(item, what));
  }
  HSMCORE_CHECK(fields.Finish());
  return token;
}

Status QuorumToken::Merge(QuorumToken copy, std::string_view what) {
  if (copy.approval_data != approval_data) {
    return Fail(ErrorCode::kInvalidArgument,
                Cat(what, " has another token than the file before it: they approve two things"));
  }
  for (QuorumApproval& signature : copy.signatures) signatures.push_back(std::move(signature));
  return {};
}

std::string ToJson(const std::vector<SignableToken>& tokens) {
  Json list = Json::array();
  for (const SignableToken& token : tokens) {
    list.push_back({{"approval_data", Base64(token.data)},
                    {"unsigned", Base64(token.token)},
                    {"signed", Base64(token.signature)}});
  }
  return FileText({{"version", kVersion}, {"tokens", std::move(list)}});
}

Result<std::vector<SignableToken>> SignableTokensFromJson(std::string_view text,
                                                          std::string_view what,
                                                          std::size_t count) {
  HSMCORE_TRY(const Json json, Parse(text, what));
  Fields fields(json, what);
  std::vector<SignableToken> tokens;
  for (const Json& item : fields.List("tokens")) {
    Fields token(item, what);
    tokens.push_back({.data = token.Blob("approval_data"),
                      .token = token.Blob("unsigned"),
                      .signature = token.Blob("signed")});
    if (tokens.back().signature.empty()) token.Refuse("signed");
    HSMCORE_CHECK(token.Finish());
  }
  if (tokens.size() != count) fields.Refuse("tokens");
  HSMCORE_CHECK(fields.Finish());
  return tokens;
}

Result<std::vector<QuorumToken>> ApprovalsFromEnvironment() {
  constexpr const char* kName = "HSM_APPROVAL";
  constexpr std::size_t kLongest = std::size_t{1} << 20;
  std::vector<QuorumToken> tokens;
  const std::string paths = Environment(kName).value_or(std::string());
  for (std::string_view rest = paths; !rest.empty();) {
    const std::string path(rest.substr(0, rest.find(':')));
    rest.remove_prefix(std::min(rest.size(), path.size() + 1));
    if (path.empty()) continue;
    const auto content = ReadFile(path, kLongest);
    if (!content) {
      return Fail(content.error().code(), Cat(kName, ": ", content.error().detail()));
    }
    const std::string_view text(reinterpret_cast<const char*>(content->data()), content->size());
    HSMCORE_TRY(QuorumToken token, QuorumToken::FromJson(text, Cat(kName, ": ", path)));
    const auto same = std::ranges::find(tokens, token.approval_data, &QuorumToken::approval_data);
    if (same == tokens.end()) {
      tokens.push_back(std::move(token));
    } else {
      HSMCORE_CHECK(same->Merge(std::move(token), path));
    }
  }
  return tokens;
}

}  // namespace hsmcore
