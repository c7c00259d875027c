// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "encoding.h"
#include "files.h"
#include "hsmcore/session.h"
#include "hsmcore/wrap.h"
#include "key_options.h"
#include "key_view.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::Bytes;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KeyInfo;
using hsmcore::KeyPtr;
using hsmcore::KeyType;
using hsmcore::Result;
using hsmcore::Session;
using hsmcore::WrapMechanism;
using Kind = WrapMechanism::Kind;

using SessionPtr = std::shared_ptr<Session>;

constexpr std::string_view kMgfPrefix = "mgf1-";
constexpr unsigned kBitsPerByte = 8;

// What wrapping and unwrapping must agree on.
struct MechanismOptions {
  std::string iv;
  std::string aad;
  unsigned tag_bits = 128;
  std::string hash = "sha256";
  std::string mgf;  // empty: MGF1 with the hash
};

struct WrapOptions {
  MechanismOptions mechanism;
  std::vector<std::string> payload;
  std::vector<std::string> wrapping;
  std::vector<std::string> payload_approval;
  std::vector<std::string> wrapping_approval;
  std::string path;
};

struct UnwrapOptions {
  MechanismOptions mechanism;
  NewKeyOptions names;
  std::vector<std::string> filter;
  std::string data;
  std::string data_path;
  std::string key_type_class;
  std::vector<std::string> approval;
};

Result<WrapMechanism> MechanismOf(Kind kind, const MechanismOptions& given) {
  WrapMechanism mechanism;
  mechanism.kind = kind;
  HSMCORE_TRY(mechanism.iv, HexOption("--iv", given.iv));
  HSMCORE_TRY(mechanism.aad, HexOption("--aad", given.aad));
  if (given.tag_bits % kBitsPerByte != 0) {
    return Fail(ErrorCode::kInvalidArgument,
                "--tag-length-bits takes 64, 96, 104, 112, 120 or 128");
  }
  mechanism.tag_length = given.tag_bits / kBitsPerByte;
  HSMCORE_TRY(mechanism.digest, DigestOption("--hash-function", given.hash));
  std::string_view mgf = given.mgf.empty() ? std::string_view(given.hash) : given.mgf;
  if (mgf.starts_with(kMgfPrefix)) mgf.remove_prefix(kMgfPrefix.size());
  HSMCORE_TRY(mechanism.mgf_digest, DigestOption("--mgf", mgf));
  return mechanism;
}

// Where the wrapped key goes; nothing: it is printed. Made before anything is wrapped, so that no
// approval is spent for what finds no place.
Result<std::optional<NewFile>> PlaceFor(const WrapOptions& given) {
  constexpr std::size_t kRoom = 32768;  // more than any wrapped key takes
  if (given.path.empty()) return std::nullopt;
  HSMCORE_TRY(NewFile file, NewFile::Create(given.path, NewFile::IfExists::kFail, kRoom));
  return std::optional(std::move(file));
}

Result<Report> WrapReport(const hsmcore::WrappedKey& wrapped, std::optional<NewFile> file,
                          const std::string& path) {
  Report report;
  if (!wrapped.iv.empty()) {
    report.data["iv"] = Hex(wrapped.iv);
    report.text = "iv: " + Hex(wrapped.iv) + "\n";
  }
  if (!file) {
    report.data["wrapped_key_data"] = Base64(wrapped.data);
    report.text += Base64(wrapped.data) + "\n";
    return report;
  }
  HSMCORE_CHECK(
      file->Write({reinterpret_cast<const char*>(wrapped.data.data()), wrapped.data.size()}));
  HSMCORE_CHECK(file->Finish());
  report.data["path"] = path;
  report.text += "Wrapped key written to " + path + "\n";
  return report;
}

struct KeysToWrap {
  SessionPtr session;
  KeyPtr payload;
  KeyPtr wrapping;
};

Result<KeysToWrap> LoadBoth(const Context& context, const WrapOptions& given) {
  HSMCORE_TRY(const KeyFilter payload, ParseFilter(given.payload));
  HSMCORE_TRY(const KeyFilter wrapping, ParseFilter(given.wrapping));
  KeysToWrap keys;
  HSMCORE_TRY(keys.session, LoginForKeys(context, payload));
  HSMCORE_CHECK(PresentApproval(*keys.session, given.payload_approval));
  HSMCORE_CHECK(PresentApproval(*keys.session, given.wrapping_approval));
  HSMCORE_TRY(keys.payload, LoadOneKey(*keys.session, payload.query, true));
  HSMCORE_TRY(keys.wrapping, LoadOneKey(*keys.session, wrapping.query, false));
  return keys;
}

Result<Report> Wrap(const Context& context, Kind kind, const WrapOptions& given) {
  HSMCORE_TRY(const WrapMechanism mechanism, MechanismOf(kind, given.mechanism));
  HSMCORE_TRY(const KeysToWrap keys, LoadBoth(context, given));
  HSMCORE_TRY(auto file, PlaceFor(given));
  HSMCORE_TRY(const hsmcore::WrappedKey wrapped,
              keys.session->Wrap(*keys.wrapping, *keys.payload, mechanism));
  HSMCORE_TRY(Report report, WrapReport(wrapped, std::move(file), given.path));
  const hsmcore::Key& by = *keys.wrapping;
  const KeyInfo& by_info = by.is_secret() ? *by.private_info() : *by.public_info();
  report.data["payload_key_reference"] = keys.payload->private_info()->handle.ToString();
  report.data["wrapping_key_reference"] = by_info.handle.ToString();
  return report;
}

// "aes", "rsa-private", "ml-dsa-65-private"
Result<KeyType> TypeOfClass(std::string_view key_type_class) {
  constexpr std::string_view kPrivate = "-private";
  const bool is_private = key_type_class.ends_with(kPrivate);
  const auto type = hsmcore::KeyTypeByName(
      key_type_class.substr(0, key_type_class.size() - (is_private ? kPrivate.size() : 0)));
  if (type && hsmcore::IsSecret(*type) != is_private) return *type;
  return Fail(ErrorCode::kInvalidArgument,
              "--key-type-class takes aes, des3, generic-secret, rsa-private, ec-private, "
              "ed25519-private, ml-dsa-65-private, ..., not '" +
                  std::string(key_type_class) + "'");
}

Result<Report> Unwrap(const Context& context, Kind kind, const UnwrapOptions& given) {
  HSMCORE_TRY(const WrapMechanism mechanism, MechanismOf(kind, given.mechanism));
  hsmcore::UnwrapForm form;
  HSMCORE_TRY(form.type, TypeOfClass(given.key_type_class));
  HSMCORE_TRY(form.attributes, Assignments(given.names));
  form.share_with = given.names.share_with;
  form.quorum = given.names.quorum;
  HSMCORE_TRY(const Bytes wrapped, ReadData(given.data, given.data_path, "the wrapped key"));
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_CHECK(PresentApproval(*session, given.approval));
  HSMCORE_TRY(const KeyPtr unwrapping, LoadOneKey(*session, filter.query, true));
  HSMCORE_TRY(const KeyPtr key, session->Unwrap(*unwrapping, mechanism, wrapped, form));
  std::vector<KeyInfo> halves = {*key->private_info()};
  if (key->public_info() != nullptr) halves.push_back(*key->public_info());
  Report report = {
      .data = {{"key", KeyJson(halves.front())}}, .text = ShortKeysText(halves), .note = {}};
  if (!key->is_token()) {
    report.note = "note: a session key ends with the command that made it; this one is gone";
  }
  return report;
}

template <Kind kind>
Result<Report> WrapBy(const Context& context, const WrapOptions& given) {
  return Wrap(context, kind, given);
}
template <Kind kind>
Result<Report> UnwrapBy(const Context& context, const UnwrapOptions& given) {
  return Unwrap(context, kind, given);
}

struct MethodRow {
  Kind kind;
  const char* description;
  const char* wrap_example;
  const char* unwrap_example;
  Result<Report> (*wrap)(const Context&, const WrapOptions&);
  Result<Report> (*unwrap)(const Context&, const UnwrapOptions&);
};

template <Kind kind>
constexpr MethodRow RowFor(const char* description, const char* wrap_example,
                           const char* unwrap_example) {
  return {kind, description, wrap_example, unwrap_example, WrapBy<kind>, UnwrapBy<kind>};
}

constexpr auto kMethods = std::to_array<MethodRow>({
    RowFor<Kind::kAesGcm>(
        "AES-GCM; the IV is made by the HSM and returned",
        "hsmctl --user app key wrap aes-gcm --payload-filter attr.label=backup --wrapping-filter "
        "attr.label=kek --path backup.wrapped",
        "hsmctl --user app key unwrap aes-gcm --filter attr.label=kek --data-path backup.wrapped "
        "--iv 0x0102030405060708090a0b0c --key-type-class aes --label backup"),
    RowFor<Kind::kCloudhsmAesGcm>(
        "AES-GCM; the IV stands in front of the wrapped key",
        "hsmctl --user app key wrap cloudhsm-aes-gcm --payload-filter attr.label=backup "
        "--wrapping-filter attr.label=kek --path backup.wrapped",
        "hsmctl --user app key unwrap cloudhsm-aes-gcm --filter attr.label=kek --data-path "
        "backup.wrapped --key-type-class aes --label backup"),
    RowFor<Kind::kAesNoPad>(
        "AES key wrap (RFC 3394), for keys of 8n bytes",
        "hsmctl --user app key wrap aes-no-pad --payload-filter attr.label=backup "
        "--wrapping-filter attr.label=kek --path backup.wrapped",
        "hsmctl --user app key unwrap aes-no-pad --filter attr.label=kek --data-path "
        "backup.wrapped --key-type-class aes --label backup"),
    RowFor<Kind::kAesZeroPad>(
        "AES key wrap with padding (RFC 5649), for every key",
        "hsmctl --user app key wrap aes-zero-pad --payload-filter attr.label=ca-root "
        "attr.class=private-key --wrapping-filter attr.label=kek --path ca-root.wrapped",
        "hsmctl --user app key unwrap aes-zero-pad --filter attr.label=kek --data-path "
        "ca-root.wrapped --key-type-class rsa-private --label ca-root --attributes sign=true"),
    RowFor<Kind::kAesPkcs5Pad>(
        "PKCS#5 padding, then AES key wrap (RFC 3394)",
        "hsmctl --user app key wrap aes-pkcs5-pad --payload-filter attr.label=backup "
        "--wrapping-filter attr.label=kek --path backup.wrapped",
        "hsmctl --user app key unwrap aes-pkcs5-pad --filter attr.label=kek --data-path "
        "backup.wrapped --key-type-class aes --label backup"),
    RowFor<Kind::kRsaAes>(
        "a fresh AES key by RSA-OAEP, and that wraps (CKM_RSA_AES_KEY_WRAP)",
        "hsmctl --user app key wrap rsa-aes --payload-filter attr.label=tls-2026 "
        "attr.class=private-key --wrapping-filter attr.label=partner --path tls.wrapped",
        "hsmctl --user app key unwrap rsa-aes --filter attr.label=intake --data-path tls.wrapped "
        "--key-type-class ec-private --label tls-2026 --attributes sign=true"),
    RowFor<Kind::kRsaOaep>(
        "RSA-OAEP, for secret keys",
        "hsmctl --user app key wrap rsa-oaep --payload-filter attr.label=backup --wrapping-filter "
        "attr.label=partner --path backup.wrapped",
        "hsmctl --user app key unwrap rsa-oaep --filter attr.label=intake --data-path "
        "backup.wrapped --key-type-class aes --label backup"),
    RowFor<Kind::kRsaPkcs>(
        "RSA PKCS#1 v1.5, for secret keys and those who know nothing newer",
        "hsmctl --user app key wrap rsa-pkcs --payload-filter attr.label=backup --wrapping-filter "
        "attr.label=partner --path backup.wrapped",
        "hsmctl --user app key unwrap rsa-pkcs --filter attr.label=intake --data-path "
        "backup.wrapped --key-type-class aes --label backup"),
});

void AddMechanismOptions(CLI::App& app, const hsmcore::WrapMethodRow& method, bool unwrap,
                         MechanismOptions& options) {
  if (method.gcm) {
    app.add_option("--aad", options.aad, "Additional authenticated data (none)")->type_name("HEX");
    app.add_option("--tag-length-bits", options.tag_bits, "64, 96, 104, 112, 120 or 128 (128)")
        ->type_name("N");
  }
  if (method.kind == Kind::kAesGcm && unwrap) {
    app.add_option("--iv", options.iv, "The IV that wrapping returned")
        ->required()
        ->type_name("HEX");
  }
  if (!method.oaep) return;
  app.add_option("--hash-function", options.hash, "sha1, sha224, sha256, sha384, sha512 (sha256)")
      ->type_name("HASH");
  app.add_option("--mgf", options.mgf, "mgf1-sha1, ..., mgf1-sha512 (with the hash function)")
      ->type_name("MGF");
}

void AddWrap(CLI::App& group, SelectedCommand& selected, const MethodRow& row) {
  const hsmcore::WrapMethodRow& method = hsmcore::RowOf(row.kind);
  const auto [app, options] = AddCommand<WrapOptions>(
      group, selected,
      {.name = method.name, .description = row.description, .example = row.wrap_example}, row.wrap);
  app->add_option("--payload-filter", options->payload, "The key that is taken out, one's own")
      ->required()
      ->type_name("FILTER");
  app->add_option("--wrapping-filter", options->wrapping, "The key that encrypts it; wrap=true")
      ->required()
      ->type_name("FILTER");
  AddMechanismOptions(*app, method, false, options->mechanism);
  app->add_option("--payload-approval", options->payload_approval,
                  "The signed token for the payload, where it has a quorum")
      ->type_name("FILE");
  app->add_option("--wrapping-approval", options->wrapping_approval,
                  "The signed token for the wrapping key, where it has a quorum")
      ->type_name("FILE");
  app->add_option("--path", options->path, "A new file for the wrapped key (print it, as base64)")
      ->type_name("FILE");
}

void AddUnwrap(CLI::App& group, SelectedCommand& selected, const MethodRow& row) {
  const hsmcore::WrapMethodRow& method = hsmcore::RowOf(row.kind);
  const auto [app, options] = AddCommand<UnwrapOptions>(
      group, selected,
      {.name = method.name, .description = row.description, .example = row.unwrap_example},
      row.unwrap);
  app->add_option("--filter,--unwrapping-filter", options->filter,
                  "The key that decrypts it; unwrap=true")
      ->required()
      ->type_name("FILTER");
  app->add_option("--data", options->data, "The wrapped key")->type_name("BASE64");
  app->add_option("--data-path", options->data_path, "The file that holds it, or /dev/stdin")
      ->type_name("FILE");
  app->add_option("--key-type-class", options->key_type_class,
                  "What it is: aes, des3, generic-secret, rsa-private, ec-private, ...")
      ->required()
      ->type_name("CLASS");
  AddMechanismOptions(*app, method, true, options->mechanism);
  AddNewSecretOptions(*app, options->names);
  AddTieOptions(*app, options->names);
  AddApprovalOption(*app, options->approval);
  app->add_flag("--session", options->names.session, "Keep nothing: a trial of the wrapped key");
}

}  // namespace

void AddKeyWrapCommands(CLI::App& key_group, SelectedCommand& selected) {
  CLI::App* wrap = AddGroup(key_group, {.name = "wrap",
                                        .description = "Takes a key out, encrypted by another key",
                                        .example = kMethods.front().wrap_example});
  CLI::App* unwrap = AddGroup(key_group, {.name = "unwrap",
                                          .description = "Takes in a key that was wrapped",
                                          .example = kMethods.front().unwrap_example});
  for (const MethodRow& row : kMethods) {
    AddWrap(*wrap, selected, row);
    AddUnwrap(*unwrap, selected, row);
  }
}

}  // namespace hsmctl
