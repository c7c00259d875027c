// SPDX-License-Identifier: Apache-2.0
// New secret keys out of keys that are there: derived, agreed on, encapsulated.
#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "command.h"
#include "encoding.h"
#include "files.h"
#include "hsmcore/key_reference.h"
#include "hsmcore/session.h"
#include "key_options.h"
#include "key_view.h"

namespace hsmctl {
namespace {

using hsmcore::AgreeMechanism;
using hsmcore::Bytes;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KdfMechanism;
using hsmcore::KemMechanism;
using hsmcore::Key;
using hsmcore::KeyPtr;
using hsmcore::KeySpec;
using hsmcore::ObjectAttributes;
using hsmcore::Result;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;
using hsmcore::Session;

using SessionPtr = std::shared_ptr<Session>;

constexpr const char* kKeyTypes = "aes, aes-xts, generic-secret, des3, chacha20";

// The key that is to come out.
struct TargetOptions {
  NewKeyOptions names;
  std::string key_type;
  std::size_t length = 0;  // 0: what is usual
};

struct DeriveOptions {
  TargetOptions target;
  std::vector<std::string> filter;
  std::string hash = "sha256";
  std::string salt;
  std::string info;
  std::string label;
  std::string context;
};

struct AgreeOptions {
  TargetOptions target;
  std::vector<std::string> filter;
  std::string peer;
  std::string kdf_hash;
  std::string info;
};

struct EncapsulateOptions {
  TargetOptions target;
  std::vector<std::string> filter;
  std::string peer;
  std::string path;
};

struct DecapsulateOptions {
  TargetOptions target;
  std::vector<std::string> filter;
  std::string data;
  std::string data_path;
};

struct Target {
  KeySpec spec;
  ObjectAttributes form;
};

Result<Target> TargetOf(const TargetOptions& given) {
  Target target;
  const auto type = hsmcore::KeyTypeByName(given.key_type);
  if (!type || !hsmcore::IsSecret(*type)) {
    return Fail(ErrorCode::kInvalidArgument,
                "--key-type takes " + std::string(kKeyTypes) + ", not '" + given.key_type + "'");
  }
  target.spec.type = *type;
  target.spec.secret_bytes = given.length;
  HSMCORE_TRY(target.form, MakeDerivedTemplate(given.names));
  return target;
}

Result<KeyPtr> ReadPublicKey(const std::string& path) {
  HSMCORE_TRY(const SecretBytes file, ReadKeyFile(path));
  HSMCORE_TRY(hsmcore::PublicMaterial material,
              hsmcore::DecodePublicKeyFile(file.Read(SecretAccess{"decoding a public key"})));
  return Key::FromPublic(std::move(material));
}

// ---- Derivations --------------------------------------------------------------------------------

Result<KdfMechanism> Hkdf(const DeriveOptions& given) {
  hsmcore::HkdfMechanism mechanism;
  HSMCORE_TRY(mechanism.digest, DigestOption("--hash-function", given.hash));
  HSMCORE_TRY(mechanism.salt, HexOption("--salt", given.salt));
  HSMCORE_TRY(mechanism.info, HexOption("--info", given.info));
  return mechanism;
}

Result<KdfMechanism> X963(const DeriveOptions& given) {
  hsmcore::X963Mechanism mechanism;
  HSMCORE_TRY(mechanism.digest, DigestOption("--hash-function", given.hash));
  HSMCORE_TRY(mechanism.info, HexOption("--info", given.info));
  return mechanism;
}

Result<KdfMechanism> Kbkdf(const DeriveOptions& given) {
  hsmcore::CounterKdfMechanism mechanism;
  mechanism.digest.reset();
  if (given.hash != "cmac") {
    HSMCORE_TRY(mechanism.digest, DigestOption("--hash-function", given.hash));
  }
  HSMCORE_TRY(mechanism.label, HexOption("--kdf-label", given.label));
  HSMCORE_TRY(mechanism.context, HexOption("--kdf-context", given.context));
  return mechanism;
}

using MakeKdf = Result<KdfMechanism>(const DeriveOptions&);

template <MakeKdf* make>
Result<Report> Derive(const Context& context, const DeriveOptions& given) {
  HSMCORE_TRY(const KdfMechanism mechanism, make(given));
  HSMCORE_TRY(const Target target, TargetOf(given.target));
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_TRY(const KeyPtr base, LoadOneKey(*session, filter.query, true));
  HSMCORE_TRY(const KeyPtr key, session->Derive(*base, mechanism, target.spec, target.form));
  return SecretReport(*key);
}

Result<Report> Agree(const Context& context, const AgreeOptions& given) {
  AgreeMechanism mechanism;
  if (!given.kdf_hash.empty()) {
    HSMCORE_TRY(mechanism.x963_digest, DigestOption("--x963-hash-function", given.kdf_hash));
  } else if (!given.info.empty()) {
    return Fail(ErrorCode::kInvalidArgument, "--info belongs to --x963-hash-function");
  }
  HSMCORE_TRY(mechanism.x963_info, HexOption("--info", given.info));
  HSMCORE_TRY(const Target target, TargetOf(given.target));
  HSMCORE_TRY(const KeyPtr peer, ReadPublicKey(given.peer));
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_TRY(const KeyPtr own, LoadOneKey(*session, filter.query, true));
  HSMCORE_TRY(const KeyPtr key, session->Agree(*own, mechanism, *peer, target.spec, target.form));
  return SecretReport(*key);
}

// ---- KEMs ---------------------------------------------------------------------------------------

// The one KEM that keys of a type have; a type without is refused by the HSM.
KemMechanism KemFor(const Key& key) {
  KemMechanism mechanism;
  const bool ml_kem = hsmcore::RowOf(key.type()).purpose == hsmcore::KeyPurpose::kEncapsulate;
  if (ml_kem) mechanism.kind = KemMechanism::Kind::kMlKem;
  return mechanism;
}

Result<KeyPtr> RecipientOf(Session& session, const EncapsulateOptions& given,
                           const KeyFilter& filter) {
  if (!given.peer.empty()) return ReadPublicKey(given.peer);
  return LoadOneKey(session, filter.query, false);
}

// A ciphertext that is lost leaves a key that nobody else can have.
Result<Report> EncapsulateToFile(Session& session, const Key& recipient, const Target& target,
                                 const std::string& path) {
  constexpr std::size_t kRoom = 4096;  // more than any ciphertext has
  HSMCORE_TRY(NewFile file, NewFile::Create(path, NewFile::IfExists::kFail, kRoom));
  HSMCORE_TRY(const hsmcore::EncapsulatedKey made,
              session.Encapsulate(recipient, KemFor(recipient), target.spec, target.form));
  const auto* text = reinterpret_cast<const char*>(made.ciphertext.data());
  hsmcore::Status written = file.Write({text, made.ciphertext.size()});
  if (written) written = file.Finish();
  if (!written) {
    HSMCORE_CHECK(session.Delete(made.key->private_info()->handle, false));
    return std::unexpected(written.error());
  }
  Report report = SecretReport(*made.key);
  report.data["path"] = path;
  report.text += "Ciphertext written to " + path + "\n";
  return report;
}

Result<Report> Encapsulate(const Context& context, const EncapsulateOptions& given) {
  if (given.filter.empty() == given.peer.empty()) {
    return Fail(ErrorCode::kInvalidArgument,
                "say for whom: --filter for a key in the HSM, --peer for a public key's file");
  }
  HSMCORE_TRY(const Target target, TargetOf(given.target));
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_TRY(const KeyPtr recipient, RecipientOf(*session, given, filter));
  if (!given.path.empty()) return EncapsulateToFile(*session, *recipient, target, given.path);
  HSMCORE_TRY(const hsmcore::EncapsulatedKey made,
              session->Encapsulate(*recipient, KemFor(*recipient), target.spec, target.form));
  Report report = SecretReport(*made.key);
  report.data["ciphertext"] = Base64(made.ciphertext);
  report.text += Base64(made.ciphertext) + "\n";
  return report;
}

Result<Report> Decapsulate(const Context& context, const DecapsulateOptions& given) {
  HSMCORE_TRY(const Target target, TargetOf(given.target));
  HSMCORE_TRY(const Bytes ciphertext, ReadData(given.data, given.data_path, "the ciphertext"));
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(given.filter));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_TRY(const KeyPtr own, LoadOneKey(*session, filter.query, true));
  HSMCORE_TRY(const KeyPtr key,
              session->Decapsulate(*own, KemFor(*own), ciphertext, target.spec, target.form));
  return SecretReport(*key);
}

// ---- The command line ---------------------------------------------------------------------------

CLI::Option* AddFilter(CLI::App& app, std::vector<std::string>& filter, const char* meaning) {
  return app.add_option("--filter", filter, meaning)->type_name("FILTER");
}

void AddTarget(CLI::App& app, TargetOptions& options) {
  app.add_option("--key-type", options.key_type, std::string("Of the new key: ") + kKeyTypes)
      ->required()
      ->type_name("TYPE");
  app.add_option("--key-length-bytes", options.length, "How long it is (what is usual)")
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  AddNewSecretOptions(app, options.names);
  app.add_flag("--session", options.names.session, "Keep nothing: a trial of options and login");
}

void AddHex(CLI::App& app, const char* name, std::string& value, const char* meaning) {
  app.add_option(name, value, meaning)->type_name("HEX");
}

CLI::App& AddDerivation(CLI::App& group, SelectedCommand& selected, const CommandText& text,
                        Result<Report> (*run)(const Context&, const DeriveOptions&),
                        DeriveOptions*& options) {
  const auto added = AddCommand<DeriveOptions>(group, selected, text, run);
  options = added.options;
  AddFilter(*added.app, options->filter, "The key to derive from; derive=true")->required();
  AddTarget(*added.app, options->target);
  return *added.app;
}

void AddKdfs(CLI::App& group, SelectedCommand& selected) {
  DeriveOptions* options = nullptr;
  const auto hash = [&options](CLI::App& app, const char* meaning) {
    app.add_option("--hash-function", options->hash, meaning)->type_name("HASH");
  };
  CLI::App& hkdf =
      AddDerivation(group, selected,
                    {.name = "hkdf",
                     .description = "HKDF (RFC 5869), from a generic-secret",
                     .example = "hsmctl --user app key derive hkdf --filter attr.label=root "
                                "--info 0x6d61696c --key-type aes --label mail "
                                "--attributes encrypt=true decrypt=true"},
                    Derive<Hkdf>, options);
  hash(hkdf, "sha256, sha384, sha512, ... (sha256)");
  AddHex(hkdf, "--salt", options->salt, "Salt (none)");
  AddHex(hkdf, "--info", options->info, "What the new key is for (none)");
  CLI::App& kbkdf = AddDerivation(
      group, selected,
      {.name = "kbkdf",
       .description = "SP 800-108 in counter mode, from an AES key or a generic-secret",
       .example =
           "hsmctl --user app key derive kbkdf --filter attr.label=root --hash-function cmac "
           "--kdf-label 0x6d61696c --key-type aes --label mail "
           "--attributes encrypt=true decrypt=true"},
      Derive<Kbkdf>, options);
  hash(kbkdf, "Of HMAC: sha256, sha384, ... (sha256); or cmac, with an AES key");
  AddHex(kbkdf, "--kdf-label", options->label, "SP 800-108's Label (none)");
  AddHex(kbkdf, "--kdf-context", options->context, "SP 800-108's Context (none)");
  CLI::App& x963 =
      AddDerivation(group, selected,
                    {.name = "x963",
                     .description = "The KDF of ANSI X9.63, from a generic-secret",
                     .example = "hsmctl --user app key derive x963 --filter attr.label=shared "
                                "--key-type aes --label mail --attributes decrypt=true"},
                    Derive<X963>, options);
  hash(x963, "sha256, sha384, sha512, ... (sha256)");
  AddHex(x963, "--info", options->info, "SharedInfo (none)");
}

void AddAgree(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<AgreeOptions>(
      group, selected,
      {.name = "ecdh",
       .description = "ECDH, X25519 or X448: a secret that is shared with the owner of another key",
       .example = "hsmctl --user app key derive ecdh --filter attr.label=own --peer theirs.pem "
                  "--x963-hash-function sha256 --key-type aes --label mail "
                  "--attributes decrypt=true"},
      Agree);
  AddFilter(*app, options->filter, "One's own private key; derive=true")->required();
  app->add_option("--peer", options->peer, "The other's public key, PEM or DER")
      ->required()
      ->type_name("FILE");
  app->add_option("--x963-hash-function", options->kdf_hash,
                  "The KDF of ANSI X9.63 with this hash; EC only (no KDF)")
      ->type_name("HASH");
  AddHex(*app, "--info", options->info, "SharedInfo of the KDF (none)");
  AddTarget(*app, options->target);
}

void AddEncapsulate(CLI::App& key_group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<EncapsulateOptions>(
      key_group, selected,
      {.name = "encapsulate",
       .description = "Makes a secret key that the owner of an ML-KEM or RSA key can have too",
       .example = "hsmctl --user app key encapsulate --peer theirs.pem --key-type aes "
                  "--label mail --attributes encrypt=true --path mail.ct"},
      Encapsulate);
  AddFilter(*app, options->filter, "A key pair in the HSM; its public half has derive=true");
  app->add_option("--peer", options->peer, "Or the file of a public key, PEM or DER")
      ->type_name("FILE");
  app->add_option("--path", options->path, "A new file for the ciphertext (print it, as base64)")
      ->type_name("FILE");
  AddTarget(*app, options->target);
}

void AddDecapsulate(CLI::App& key_group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<DecapsulateOptions>(
      key_group, selected,
      {.name = "decapsulate",
       .description = "Takes the secret key out of a ciphertext that was encapsulated",
       .example = "hsmctl --user app key decapsulate --filter attr.label=own --data-path mail.ct "
                  "--key-type aes --label mail --attributes decrypt=true"},
      Decapsulate);
  AddFilter(*app, options->filter, "One's own private key, ML-KEM or RSA; derive=true")->required();
  app->add_option("--data", options->data, "The ciphertext")->type_name("BASE64");
  app->add_option("--data-path", options->data_path, "The file that holds it, or /dev/stdin")
      ->type_name("FILE");
  AddTarget(*app, options->target);
}

}  // namespace

void AddKeyDeriveCommands(CLI::App& key_group, SelectedCommand& selected) {
  CLI::App* derive = AddGroup(
      key_group, {.name = "derive",
                  .description = "Makes a secret key out of another key; it stays in the HSM",
                  .example = "hsmctl --user app key derive hkdf --filter attr.label=root --info "
                             "0x6d61696c --key-type aes --label mail"});
  AddAgree(*derive, selected);
  AddKdfs(*derive, selected);
  AddEncapsulate(key_group, selected);
  AddDecapsulate(key_group, selected);
}

}  // namespace hsmctl
