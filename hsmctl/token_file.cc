// SPDX-License-Identifier: Apache-2.0
#include "token_file.h"

#include "encoding.h"
#include "files.h"

namespace hsmctl {
namespace {

using hsmcore::Bytes;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::QuorumToken;
using hsmcore::Result;
using hsmcore::SignableToken;

constexpr const char* kVersion = "2.0";

// The fields of a file that somebody may have edited by hand. The first one that is not right
// decides Finish().
class Fields {
 public:
  Fields(const Json& json, std::string path) : json_(json), path_(std::move(path)) {}

  std::string Text(const char* name) {
    const auto field = json_.is_object() ? json_.find(name) : json_.end();
    if (!json_.is_object() || field == json_.end() || !field->is_string()) {
      Refuse(name);
      return {};
    }
    return field->get<std::string>();
  }
  Bytes Base64(const char* name) {
    auto bytes = FromBase64(Text(name));
    if (!bytes) Refuse(name);
    return bytes.value_or(Bytes());
  }
  const Json& List(const char* name) {
    if (json_.is_object() && json_.contains(name) && json_[name].is_array()) return json_[name];
    Refuse(name);
    return none_;
  }
  void Refuse(const char* name) {
    if (bad_.empty()) bad_ = name;
  }
  hsmcore::Status Finish() const {
    if (bad_.empty()) return {};
    return Fail(ErrorCode::kInvalidArgument,
                path_ + " is no token file of this kind, or was damaged: see its '" + bad_ + "'");
  }

 private:
  const Json& json_;
  const Json none_ = Json::array();
  std::string path_;
  std::string bad_;
};

Result<Json> ReadJson(const std::string& path) {
  HSMCORE_TRY(const std::string text, ReadTextFile(AbsolutePath(path)));
  Json json = Json::parse(text, nullptr, /*allow_exceptions=*/false);
  Fields fields(json, path);
  if (json.is_discarded() || fields.Text("version") != kVersion) fields.Refuse("version");
  HSMCORE_CHECK(fields.Finish());
  return json;
}

}  // namespace

std::string FileText(const Json& json) { return json.dump(2) + "\n"; }

Result<QuorumToken> ReadQuorumToken(const std::string& path) {
  HSMCORE_TRY(const std::string text, ReadTextFile(AbsolutePath(path)));
  return QuorumToken::FromJson(text, path);
}

Json SignableTokensJson(const std::vector<SignableToken>& tokens) {
  Json list = Json::array();
  for (const SignableToken& token : tokens) {
    list.push_back({{"approval_data", Base64(token.data)},
                    {"unsigned", Base64(token.token)},
                    {"signed", Base64(token.signature)}});
  }
  return {{"version", kVersion}, {"tokens", std::move(list)}};
}

Result<std::vector<SignableToken>> ReadSignableTokens(const std::string& path, std::size_t count) {
  HSMCORE_TRY(const Json json, ReadJson(path));
  Fields fields(json, path);
  std::vector<SignableToken> tokens;
  for (const Json& item : fields.List("tokens")) {
    Fields token(item, path);
    tokens.push_back({.data = token.Base64("approval_data"),
                      .token = token.Base64("unsigned"),
                      .signature = token.Base64("signed")});
    if (tokens.back().signature.empty()) token.Refuse("signed");
    HSMCORE_CHECK(token.Finish());
  }
  if (tokens.size() != count) fields.Refuse("tokens");
  HSMCORE_CHECK(fields.Finish());
  return tokens;
}

Result<Approval> Approval::Read(const std::vector<std::string>& paths) {
  Approval approval;
  for (const std::string& path : paths) {
    HSMCORE_TRY(QuorumToken token, ReadQuorumToken(path));
    if (!approval.token_) {
      approval.token_ = std::move(token);
      continue;
    }
    HSMCORE_CHECK(approval.token_->Merge(std::move(token), path));
  }
  return approval;
}

hsmcore::Status PresentApproval(hsmcore::Session& session, const std::vector<std::string>& paths) {
  HSMCORE_TRY(const Approval approval, Approval::Read(paths));
  if (approval.token() != nullptr) session.PresentApproval(*approval.token());
  return {};
}

void AddApprovalOption(CLI::App& app, std::vector<std::string>& paths) {
  app.add_option("--approval", paths,
                 "The signed token of a quorum; more than once where each approver signed a copy")
      ->type_name("FILE");
}

}  // namespace hsmctl
