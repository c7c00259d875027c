// SPDX-License-Identifier: Apache-2.0
#include "key_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <ctime>
#include <string_view>
#include <utility>

#include "encoding.h"
#include "files.h"
#include "hsmcore/key_uri.h"
#include "hsmcore/quorum.h"

namespace hsmctl {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KeyClass;
using hsmcore::KeyHandle;
using hsmcore::KeyInfo;
using hsmcore::KeyQuery;
using hsmcore::KeyTemplate;
using hsmcore::KeyUri;
using hsmcore::ObjectAttributes;
using hsmcore::Result;
using hsmcore::Session;
using hsmcore::Status;

constexpr std::string_view kAttributePrefix = "attr.";
constexpr std::size_t kMaxHandlesShown = 16;

// "name=value"
Result<std::pair<std::string, std::string>> SplitAssignment(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return Fail(ErrorCode::kInvalidArgument, "'" + text + "' is not of the form NAME=VALUE");
  }
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Status AddUri(KeyFilter& filter, const std::string& text) {
  HSMCORE_TRY(const KeyUri uri, KeyUri::Parse(text));
  if (uri.pin_value) {
    return Fail(ErrorCode::kUri,
                "pin-value on the command line can be read by everybody on this machine; use "
                "pin-source");
  }
  if (uri.certificate) return Fail(ErrorCode::kUri, "type=cert: the HSM holds keys only");
  filter.query = KeyQuery::FromUri(uri);
  filter.login = {.user = uri.user, .pin_source = uri.pin_source, .mfa_token = {}};
  filter.cluster = uri.cluster;
  return {};
}

Status AddTerm(KeyFilter& filter, const std::string& term) {
  HSMCORE_TRY(const auto assignment, SplitAssignment(term));
  const auto& [name, value] = assignment;
  if (name == "key-reference") {
    HSMCORE_TRY(filter.query.handle, KeyHandle::Parse(value));
    return {};
  }
  if (!name.starts_with(kAttributePrefix)) {
    return Fail(ErrorCode::kInvalidArgument,
                "'" + term + "': a filter is key-reference=0x…, attr.NAME=VALUE or a hsm: URI");
  }
  const std::string attribute_name = name.substr(kAttributePrefix.size());
  const std::optional<Attribute> attribute = hsmcore::AttributeByName(attribute_name);
  if (!attribute) return Fail(ErrorCode::kAttributeUnknown, attribute_name);
  filter.query.attributes.emplace_back(*attribute, value);
  return {};
}

std::string MatchedText(std::size_t count) {
  return "Key selection criteria matched " + std::to_string(count) + " keys.";
}

std::unexpected<hsmcore::Error> AmbiguousFailure(const std::vector<KeyHandle>& keys) {
  std::string detail =
      MatchedText(keys.size()) + " Refine selection criteria to select a single key. They are:";
  for (std::size_t i = 0; i < std::min(keys.size(), kMaxHandlesShown); ++i) {
    detail += " " + keys[i].ToString();
  }
  if (keys.size() > kMaxHandlesShown) detail += " …";
  return Fail(ErrorCode::kKeyAmbiguous, std::move(detail));
}

// `Form` is a KeyTemplate, or ObjectAttributes for what has one half and no life of its own.
template <class Form>
Status Fill(Form& half, KeyClass klass, const std::string& label, const NewKeyOptions& options,
            const std::vector<std::string>& assignments) {
  HSMCORE_CHECK(ApplyAtCreation(half, klass, "label", label));
  if (!options.id.empty()) HSMCORE_CHECK(ApplyAtCreation(half, klass, "id", options.id));
  if (options.session) HSMCORE_CHECK(ApplyAtCreation(half, klass, "token", "false"));
  for (const std::string& assignment : assignments) {
    HSMCORE_TRY(const auto parts, SplitAssignment(assignment));
    HSMCORE_CHECK(ApplyAtCreation(half, klass, parts.first, parts.second));
  }
  return {};
}

Status CheckLabel(const NewKeyOptions& options) {
  if (!options.label.empty()) return {};
  return Fail(ErrorCode::kInvalidArgument, "a new key needs a label: --label");
}

Result<std::string> LabelOf(const std::string& own, const NewKeyOptions& options) {
  const std::string& label = own.empty() ? options.label : own;
  if (label.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "a new key needs a label: --label, or --private-label and --public-label");
  }
  return label;
}

}  // namespace

CLI::Option* AddKeyFilter(CLI::App& app, std::vector<std::string>& filter) {
  return app
      .add_option("--filter", filter,
                  "key-reference=0x..., attr.NAME=VALUE or a hsm: URI; all must match")
      ->type_name("FILTER");
}

Result<KeyFilter> ParseFilter(const std::vector<std::string>& terms) {
  KeyFilter filter;
  // The URI first: it sets the whole query, the other terms add to it.
  const auto is_uri = [](const std::string& term) { return KeyUri::HasScheme(term); };
  if (std::ranges::count_if(terms, is_uri) > 1) {
    return Fail(ErrorCode::kInvalidArgument, "a filter takes one hsm: URI");
  }
  for (const std::string& term : terms) {
    if (is_uri(term)) HSMCORE_CHECK(AddUri(filter, term));
  }
  for (const std::string& term : terms) {
    if (!is_uri(term)) HSMCORE_CHECK(AddTerm(filter, term));
  }
  return filter;
}

Result<std::shared_ptr<Session>> LoginForKeys(const Context& context, const KeyFilter& filter) {
  HSMCORE_TRY(const hsmcore::ClusterPtr cluster, context.OpenCluster(filter.cluster));
  LoginNames names = context.login();
  if (!names.user) names.user = filter.login.user;
  if (!names.pin_source) names.pin_source = filter.login.pin_source;
  return context.Login(*cluster, names, hsmcore::Role::kCryptoUser);
}

Result<std::vector<KeyInfo>> FindOneKey(Session& session, const KeyQuery& query,
                                        Versions versions) {
  HSMCORE_TRY(std::vector<KeyInfo> found, session.Find(query));
  if (versions == Versions::kNewest) KeepNewest(found, std::time(nullptr));
  std::vector<KeyHandle> keys;  // found is ordered by handle: the halves of a pair are neighbours
  for (const KeyInfo& info : found) {
    if (keys.empty() || keys.back().PrivateHalf() != info.handle.PrivateHalf()) {
      keys.push_back(info.handle);
    }
  }
  if (keys.empty()) {
    return Fail(ErrorCode::kKeyNotFound, MatchedText(0) + " Filter: " + query.ToString());
  }
  if (keys.size() > 1) return AmbiguousFailure(keys);
  return found;
}

Result<hsmcore::KeyPtr> LoadOneKey(Session& session, const KeyQuery& query, bool want_private) {
  HSMCORE_TRY(const std::vector<KeyInfo> halves, FindOneKey(session, query, Versions::kNewest));
  const KeyInfo& found = halves.front();
  KeyQuery exact;
  exact.handle = found.handle;
  if (found.klass == KeyClass::kSecretKey) return session.LoadSecret(exact);
  if (want_private && found.klass == KeyClass::kPublicKey) {
    return Fail(ErrorCode::kKeyTypeMismatch,
                found.handle.ToString() + " is a public key; this takes a private or secret key");
  }
  exact.handle = want_private ? found.handle.PrivateHalf() : found.handle.PublicHalf();
  return session.Load(exact, want_private);
}

Result<hsmcore::Bytes> HexOption(const char* option, const std::string& text) {
  if (auto bytes = FromHex(text)) return *std::move(bytes);
  return Fail(ErrorCode::kInvalidArgument,
              std::string(option) + " takes hexadecimal digits, two for each byte");
}

Result<hsmcore::Digest> DigestOption(const char* option, std::string_view name) {
  const std::optional<hsmcore::Digest> digest = hsmcore::DigestByName(name);
  if (digest) return *digest;
  return Fail(ErrorCode::kInvalidArgument,
              std::string(option) + ": there is no digest '" + std::string(name) + "'");
}

Result<hsmcore::Bytes> ReadData(const std::string& base64, const std::string& path,
                                const char* what) {
  if (base64.empty() == path.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                std::string("give ") + what + " as --data or as --data-path");
  }
  if (path.empty()) {
    if (auto bytes = FromBase64(base64)) return *std::move(bytes);
    return Fail(ErrorCode::kInvalidArgument, "--data takes base64");
  }
  HSMCORE_TRY(const hsmcore::SecretBytes file, ReadKeyFile(path));
  const hsmcore::ByteView view = file.Read(hsmcore::SecretAccess{"reading a file of data"});
  return hsmcore::Bytes(view.begin(), view.end());
}

void AddNewKeyOptions(CLI::App& app, NewKeyOptions& options) {
  app.add_option("--label", options.label, "Label of both halves")->type_name("TEXT");
  app.add_option("--private-label", options.private_label, "Label of the private half")
      ->type_name("TEXT");
  app.add_option("--public-label", options.public_label, "Label of the public half")
      ->type_name("TEXT");
  app.add_option("--id", options.id, "Id of both halves")->type_name("HEX");
  app.add_option("--private-attributes", options.private_attributes,
                 "What the private half may do: sign=true, decrypt=true, extractable=false, ...")
      ->type_name("NAME=VALUE");
  app.add_option("--public-attributes", options.public_attributes,
                 "What the public half may do: verify=true, encrypt=true, ...")
      ->type_name("NAME=VALUE");
}

void AddNewSecretOptions(CLI::App& app, NewKeyOptions& options) {
  app.add_option("--label", options.label, "Label of the key")->type_name("TEXT");
  app.add_option("--id", options.id, "Id of the key")->type_name("HEX");
  app.add_option("--attributes", options.private_attributes,
                 "What the key may do: encrypt=true, wrap=true, extractable=false, ...")
      ->type_name("NAME=VALUE");
}

void AddTieOptions(CLI::App& app, NewKeyOptions& options) {
  const CLI::Range values(0U, hsmcore::kMaxQuorum);
  app.add_option("--share-crypto-users", options.share_with,
                 "Crypto users who may use the key besides the one who makes it")
      ->delimiter(',')
      ->type_name("NAME");
  app.add_option("--manage-key-quorum-value,--manage-private-key-quorum-value",
                 options.quorum.manage,
                 "How many of its users must approve a change, a share, a wrap; for good (0)")
      ->check(values)
      ->type_name("N");
  app.add_option("--use-key-quorum-value,--use-private-key-quorum-value", options.quorum.use,
                 "How many of its users must approve a signature; for good (0)")
      ->check(values)
      ->type_name("N");
}

Result<KeyTemplate> MakeTemplate(const NewKeyOptions& options) {
  HSMCORE_TRY(const std::string private_label, LabelOf(options.private_label, options));
  HSMCORE_TRY(const std::string public_label, LabelOf(options.public_label, options));
  KeyTemplate form;
  form.share_with = options.share_with;
  form.quorum = options.quorum;
  HSMCORE_CHECK(
      Fill(form, KeyClass::kPrivateKey, private_label, options, options.private_attributes));
  HSMCORE_CHECK(Fill(form, KeyClass::kPublicKey, public_label, options, options.public_attributes));
  return form;
}

Result<ObjectAttributes> MakePublicTemplate(const NewKeyOptions& options) {
  HSMCORE_TRY(const std::string label, LabelOf(options.public_label, options));
  ObjectAttributes half = hsmcore::DefaultAttributes(KeyClass::kPublicKey);
  HSMCORE_CHECK(Fill(half, KeyClass::kPublicKey, label, options, options.public_attributes));
  return half;
}

Result<std::vector<std::pair<std::string, std::string>>> Assignments(const NewKeyOptions& options) {
  HSMCORE_CHECK(CheckLabel(options));
  std::vector<std::pair<std::string, std::string>> assignments = {{"label", options.label}};
  if (!options.id.empty()) assignments.emplace_back("id", options.id);
  if (options.session) assignments.emplace_back("token", "false");
  for (const std::string& assignment : options.private_attributes) {
    HSMCORE_TRY(assignments.emplace_back(), SplitAssignment(assignment));
  }
  return assignments;
}

Result<KeyTemplate> MakeSecretTemplate(const NewKeyOptions& options) {
  HSMCORE_CHECK(CheckLabel(options));
  KeyTemplate form = KeyTemplate::Secret();
  form.share_with = options.share_with;
  form.quorum = options.quorum;
  HSMCORE_CHECK(
      Fill(form, KeyClass::kSecretKey, options.label, options, options.private_attributes));
  return form;
}

Result<ObjectAttributes> MakeDerivedTemplate(const NewKeyOptions& options) {
  HSMCORE_CHECK(CheckLabel(options));
  ObjectAttributes half = hsmcore::DefaultAttributes(KeyClass::kSecretKey);
  HSMCORE_CHECK(
      Fill(half, KeyClass::kSecretKey, options.label, options, options.private_attributes));
  return half;
}

}  // namespace hsmctl
