// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/key_reference.h"
#include "hsmcore/session.h"
#include "key_options.h"
#include "key_view.h"

namespace hsmctl {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KeyInfo;
using hsmcore::KeyPairMaterial;
using hsmcore::KeyPtr;
using hsmcore::KeySpec;
using hsmcore::KeyTemplate;
using hsmcore::KeyType;
using hsmcore::PublicMaterial;
using hsmcore::Result;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;
using hsmcore::Session;

using SessionPtr = std::shared_ptr<Session>;

struct RsaOptions {
  NewKeyOptions names;
  unsigned modulus_bits = KeySpec{}.modulus_bits;
  std::uint64_t public_exponent = KeySpec{}.public_exponent;
};

struct EcOptions {
  NewKeyOptions names;
  std::string curve;
};

struct ParameterSetOptions {
  NewKeyOptions names;
  std::string set;
};

struct ImportOptions {
  NewKeyOptions names;
  std::string path;
  std::string key_type_class;
  std::vector<std::string> attributes;  // of the one half of a public key
};

// Fresh keys are made to CloudHSM's defaults, which let RSA and EC keys do nothing.
std::string UsageHint(const KeyInfo& info) {
  struct Use {
    const char* name;
    Attribute attribute;
    bool rsa_only;
  };
  constexpr Use kUses[] = {{"sign", Attribute::kSign, false},
                           {"decrypt", Attribute::kDecrypt, true},
                           {"derive", Attribute::kDerive, false},
                           {"unwrap", Attribute::kUnwrap, true}};
  const hsmcore::KeyPurpose purpose = RowOf(info.type()).purpose;
  const bool one_use = purpose != hsmcore::KeyPurpose::kSeveral;
  const std::string first = !one_use || purpose == hsmcore::KeyPurpose::kSign ? "sign" : "derive";
  std::string names;
  for (const Use& use : kUses) {
    if (info.attributes.flags.Has(use.attribute)) return {};
    const bool fits = one_use ? use.name == first : !use.rsa_only || info.type() == KeyType::kRsa;
    if (fits) names += std::string(" ") + use.name;
  }
  return "hint: this key may not be used yet. Allow what it is for (one or more of" + names +
         "):\n  hsmctl key set-attribute --filter key-reference=" + info.handle.ToString() +
         " --name " + first + " --value true\nor give --private-attributes " + first +
         "=true when making a key";
}

Report PairReport(const KeyPtr& key) {
  const KeyInfo& public_half = *key->public_info();
  const KeyInfo& private_half = *key->private_info();
  Report report = {
      .data = {{"public_key", KeyJson(public_half)}, {"private_key", KeyJson(private_half)}},
      .text = ShortKeysText({private_half, public_half}),
      .note = UsageHint(private_half)};
  if (!key->is_token()) {
    report.note = "note: a session key ends with the command that made it; this one is gone";
  }
  return report;
}

Result<Report> Generate(const Context& context, const KeySpec& spec, const NewKeyOptions& names) {
  HSMCORE_TRY(const KeyTemplate form, MakeTemplate(names));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, {}));
  HSMCORE_TRY(const KeyPtr key, session->Generate(spec, form));
  return PairReport(key);
}

Result<Report> GenerateRsa(const Context& context, const RsaOptions& given) {
  KeySpec spec;
  spec.modulus_bits = given.modulus_bits;
  spec.public_exponent = given.public_exponent;
  return Generate(context, spec, given.names);
}

Result<Report> GenerateEd25519(const Context& context, const NewKeyOptions& names) {
  KeySpec spec;
  spec.type = KeyType::kEd25519;
  return Generate(context, spec, names);
}

std::string CurveNames() {
  std::string names;
  for (const hsmcore::CurveRow& row : hsmcore::AllCurves()) names += std::string(row.cli) + ", ";
  return names + "ed25519, ed448, x25519, x448";
}

// The key type that `name` names, when it is one of first..last.
std::optional<KeyType> TypeWithin(KeyType first, KeyType last, const std::string& name) {
  const std::optional<KeyType> type = hsmcore::KeyTypeByName(name);
  return type && *type >= first && *type <= last ? type : std::nullopt;
}

Result<Report> GenerateEc(const Context& context, const EcOptions& given) {
  KeySpec spec;
  if (const auto raw = TypeWithin(KeyType::kEd25519, KeyType::kX448, given.curve)) {
    spec.type = *raw;
    return Generate(context, spec, given.names);
  }
  const std::optional<hsmcore::Curve> curve = hsmcore::CurveByName(given.curve);
  if (!curve) {
    return Fail(ErrorCode::kKeySize, "curve '" + given.curve + "'; there are " + CurveNames());
  }
  spec.type = KeyType::kEc;
  spec.curve = *curve;
  return Generate(context, spec, given.names);
}

std::string SetNames(KeyType first, KeyType last) {
  std::string names;
  for (const hsmcore::KeyTypeRow& row : hsmcore::AllKeyTypes()) {
    if (row.type < first || row.type > last) continue;
    names += (names.empty() ? "" : ", ") + std::string(row.openssl);
  }
  return names;
}

template <KeyType kFirst, KeyType kLast>
Result<Report> GenerateSet(const Context& context, const ParameterSetOptions& given) {
  const std::optional<KeyType> type = TypeWithin(kFirst, kLast, given.set);
  if (!type) {
    return Fail(ErrorCode::kKeySize,
                "parameter set '" + given.set + "'; there are " + SetNames(kFirst, kLast));
  }
  KeySpec spec;
  spec.type = *type;
  return Generate(context, spec, given.names);
}

// "rsa-private" and the like, as --key-type-class has it.
hsmcore::Status CheckTypeClass(const ImportOptions& given, const PublicMaterial& material,
                               const char* half) {
  const std::string found = std::string(NameOf(TypeOf(material))) + "-" + half;
  if (given.key_type_class.empty() || given.key_type_class == found) return {};
  return Fail(ErrorCode::kKeyImport, given.path + " holds " + found + ", not " +
                                         given.key_type_class + " as --key-type-class says");
}

Report ImportReport(Report report) {
  report.data["message"] = "Successfully imported key";
  return report;
}

Result<Report> ImportPair(const Context& context, const ImportOptions& given,
                          const SecretBytes& file) {
  if (!given.attributes.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                given.path +
                    " holds a private key: --private-attributes and --public-attributes "
                    "say for which half attributes are");
  }
  HSMCORE_TRY(const KeyTemplate form, MakeTemplate(given.names));
  HSMCORE_TRY(const KeyPairMaterial material, hsmcore::DecodePkcs8(file));
  HSMCORE_CHECK(CheckTypeClass(given, material.public_part, "private"));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, {}));
  HSMCORE_TRY(const KeyPtr key, session->ImportPair(material, form));
  return ImportReport(PairReport(key));
}

Result<Report> ImportPublic(const Context& context, const ImportOptions& given,
                            const SecretBytes& file) {
  const NewKeyOptions& wanted = given.names;
  if (!wanted.private_attributes.empty() || !wanted.private_label.empty() ||
      !wanted.share_with.empty() || wanted.quorum.any()) {
    return Fail(ErrorCode::kInvalidArgument,
                given.path +
                    " holds a public key, which everybody sees: it takes no private label "
                    "or attributes, and nobody to share it with or to approve its use");
  }
  NewKeyOptions names = given.names;
  names.public_attributes.insert(names.public_attributes.end(), given.attributes.begin(),
                                 given.attributes.end());
  HSMCORE_TRY(const hsmcore::ObjectAttributes form, MakePublicTemplate(names));
  HSMCORE_TRY(const PublicMaterial material,
              hsmcore::DecodePublicKeyFile(file.Read(SecretAccess("decoding a public key"))));
  HSMCORE_CHECK(CheckTypeClass(given, material, "public"));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, {}));
  HSMCORE_TRY(const KeyInfo info, session->ImportPublic(material, form));
  return ImportReport(
      {.data = {{"key", KeyJson(info)}}, .text = ShortKeysText({info}), .note = {}});
}

Result<Report> Import(const Context& context, const ImportOptions& given) {
  HSMCORE_TRY(const SecretBytes file, ReadKeyFile(given.path));
  const std::string_view text = file.ReadText(SecretAccess("telling private from public keys"));
  const bool is_private = text.find("PRIVATE KEY-----") != std::string_view::npos;
  return is_private ? ImportPair(context, given, file) : ImportPublic(context, given, file);
}

void AddGenerateOptions(CLI::App& app, NewKeyOptions& names) {
  AddNewKeyOptions(app, names);
  AddTieOptions(app, names);
  app.add_flag("--session", names.session, "Keep nothing: a trial of options and login");
}

template <KeyType kFirst, KeyType kLast>
void AddParameterSets(CLI::App& group, SelectedCommand& selected, const CommandText& text,
                      const char* options) {
  const auto added =
      AddCommand<ParameterSetOptions>(group, selected, text, GenerateSet<kFirst, kLast>);
  added.app->add_option(options, added.options->set, SetNames(kFirst, kLast))
      ->required()
      ->type_name("SET");
  AddGenerateOptions(*added.app, added.options->names);
}

void AddPostQuantum(CLI::App& group, SelectedCommand& selected) {
  AddParameterSets<KeyType::kMlDsa44, KeyType::kMlDsa87>(
      group, selected,
      {.name = "ml-dsa",
       .description = "Makes an ML-DSA pair; needs OpenSSL 3.5",
       .example = "hsmctl --user app key generate-asymmetric-pair ml-dsa --mldsa-algorithm "
                  "ML-DSA-65 --label ca-2030 --private-attributes sign=true"},
      "--mldsa-algorithm,--parameter-set");
  AddParameterSets<KeyType::kSlhDsaSha2_128s, KeyType::kSlhDsaShake_256f>(
      group, selected,
      {.name = "slh-dsa",
       .description = "Makes an SLH-DSA pair; needs OpenSSL 3.5",
       .example = "hsmctl --user app key generate-asymmetric-pair slh-dsa --parameter-set "
                  "SLH-DSA-SHA2-128s --label firmware --private-attributes sign=true"},
      "--parameter-set");
  AddParameterSets<KeyType::kMlKem512, KeyType::kMlKem1024>(
      group, selected,
      {.name = "ml-kem",
       .description = "Makes an ML-KEM pair; needs OpenSSL 3.5",
       .example = "hsmctl --user app key generate-asymmetric-pair ml-kem --parameter-set "
                  "ML-KEM-768 --label mail --private-attributes derive=true"},
      "--parameter-set");
}

void AddGenerate(CLI::App& key_group, SelectedCommand& selected) {
  CLI::App* group = AddGroup(
      key_group, {.name = "generate-asymmetric-pair",
                  .description = "Makes a key pair in the HSM",
                  .example = "hsmctl --user app key generate-asymmetric-pair ec --curve secp256r1 "
                             "--label tls-2026 --private-attributes sign=true"});
  const auto rsa = AddCommand<RsaOptions>(
      *group, selected,
      {.name = "rsa",
       .description = "Makes an RSA pair",
       .example = "hsmctl --user app key generate-asymmetric-pair rsa --modulus-size-bits 3072 "
                  "--label ca-root --private-attributes sign=true extractable=false"},
      GenerateRsa);
  rsa.app
      ->add_option("--modulus-size-bits", rsa.options->modulus_bits,
                   "2048 to 4096 in steps of 256 (2048)")
      ->type_name("BITS");
  rsa.app
      ->add_option("--public-exponent", rsa.options->public_exponent,
                   "An odd number, 65537 or more (65537)")
      ->type_name("N");
  AddGenerateOptions(*rsa.app, rsa.options->names);
  const auto ec = AddCommand<EcOptions>(
      *group, selected,
      {.name = "ec",
       .description = "Makes an EC pair",
       .example = "hsmctl --user app key generate-asymmetric-pair ec --curve secp256r1 "
                  "--label tls-2026 --private-attributes sign=true"},
      GenerateEc);
  ec.app->add_option("--curve", ec.options->curve, CurveNames())->required()->type_name("CURVE");
  AddGenerateOptions(*ec.app, ec.options->names);
  const auto ed25519 = AddCommand<NewKeyOptions>(
      *group, selected,
      {.name = "ed25519",
       .description = "Makes an Ed25519 pair",
       .example = "hsmctl --user app key generate-asymmetric-pair ed25519 --label release "
                  "--private-attributes sign=true"},
      GenerateEd25519);
  AddGenerateOptions(*ed25519.app, *ed25519.options);
  AddPostQuantum(*group, selected);
}

CLI::App* AddImport(CLI::App& key_group, SelectedCommand& selected) {
  CLI::App* group = AddGroup(key_group, {.name = "import",
                                         .description = "Takes in a key from outside",
                                         .example = "hsmctl --user app key import pem --path "
                                                    "key.pem --label old-ca"});
  const auto [app, options] = AddCommand<ImportOptions>(
      *group, selected,
      {.name = "pem",
       .description = "Takes in a private key (PKCS#8, unencrypted) or a public key",
       .example = "hsmctl --user app key import pem --path key.pem --label old-ca "
                  "--private-attributes sign=true"},
      Import);
  app->add_option("--path", options->path, "The PEM file; /dev/stdin for a pipe")
      ->required()
      ->type_name("FILE");
  app->add_option("--key-type-class", options->key_type_class,
                  "What the file must hold: rsa-private, ec-public, ... (anything)")
      ->type_name("CLASS");
  AddNewKeyOptions(*app, options->names);
  AddTieOptions(*app, options->names);
  app->add_option("--attributes", options->attributes, "What a public key may do: verify=true, ...")
      ->type_name("NAME=VALUE");
  return group;
}

}  // namespace

void AddKeyCreateCommands(CLI::App& key_group, SelectedCommand& selected) {
  AddGenerate(key_group, selected);
  AddKeySecretCommands(key_group, *AddImport(key_group, selected), selected);
}

}  // namespace hsmctl
