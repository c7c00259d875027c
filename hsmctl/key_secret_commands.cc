// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <cstddef>
#include <string>

#include "command.h"
#include "files.h"
#include "hsmcore/session.h"
#include "key_options.h"
#include "key_view.h"

namespace hsmctl {
namespace {

using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KeyPtr;
using hsmcore::KeySpec;
using hsmcore::KeyTemplate;
using hsmcore::KeyType;
using hsmcore::Result;
using hsmcore::SecretBytes;
using hsmcore::Session;

using SessionPtr = std::shared_ptr<Session>;

struct GenerateOptions {
  NewKeyOptions names;
  std::size_t length = 0;  // 0: as long as is usual for the type
};

struct ImportRawOptions {
  NewKeyOptions names;
  std::string path;
  std::string key_type;
};

Result<Report> Generate(const Context& context, KeyType type, const GenerateOptions& given) {
  HSMCORE_TRY(const KeyTemplate form, MakeSecretTemplate(given.names));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, {}));
  KeySpec spec;
  spec.type = type;
  spec.secret_bytes = given.length;
  HSMCORE_TRY(const KeyPtr key, session->Generate(spec, form));
  return SecretReport(*key);
}

template <KeyType type>
Result<Report> GenerateOf(const Context& context, const GenerateOptions& given) {
  return Generate(context, type, given);
}

Result<Report> ImportRaw(const Context& context, const ImportRawOptions& given) {
  const auto type = hsmcore::KeyTypeByName(given.key_type);
  if (!type || !hsmcore::IsSecret(*type)) {
    return Fail(ErrorCode::kInvalidArgument, "'" + given.key_type + "' is no type of secret keys");
  }
  HSMCORE_TRY(const KeyTemplate form, MakeSecretTemplate(given.names));
  HSMCORE_TRY(const SecretBytes value, ReadKeyFile(given.path));
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, {}));
  HSMCORE_TRY(const KeyPtr key, session->ImportSecret(*type, value, form));
  Report report = SecretReport(*key);
  report.data["message"] = "Successfully imported key";
  return report;
}

struct SymmetricRow {
  CommandText text;
  const char* lengths;  // nullptr: there is one only
  Result<Report> (*run)(const Context&, const GenerateOptions&);
};
constexpr auto kSymmetric = std::to_array<SymmetricRow>({
    {{.name = "aes",
      .description = "Makes an AES key",
      .example =
          "hsmctl --user app key generate-symmetric aes --label backup --key-length-bytes 32 "
          "--attributes encrypt=true decrypt=true"},
     "16, 24 or 32 (32)",
     GenerateOf<KeyType::kAes>},
    {{.name = "aes-xts",
      .description = "Makes an AES-XTS key, which is two AES keys in one",
      .example = "hsmctl --user app key generate-symmetric aes-xts --label disk "
                 "--attributes encrypt=true decrypt=true"},
     "32 or 64 (64)",
     GenerateOf<KeyType::kAesXts>},
    {{.name = "generic-secret",
      .description = "Makes a secret for HMAC and key derivation",
      .example = "hsmctl --user app key generate-symmetric generic-secret --label tokens "
                 "--key-length-bytes 64"},
     "1 to 16384 (32)",
     GenerateOf<KeyType::kGenericSecret>},
    {{.name = "des3",
      .description = "Makes a three-key 3DES key, for what cannot do without",
      .example = "hsmctl --user app key generate-symmetric des3 --label old-terminal "
                 "--attributes decrypt=true"},
     nullptr,
     GenerateOf<KeyType::kDes3>},
    {{.name = "chacha20",
      .description = "Makes a ChaCha20 key",
      .example = "hsmctl --user app key generate-symmetric chacha20 --label stream "
                 "--attributes encrypt=true decrypt=true"},
     nullptr,
     GenerateOf<KeyType::kChaCha20>},
});

void AddGenerate(CLI::App& key_group, SelectedCommand& selected) {
  CLI::App* group =
      AddGroup(key_group, {.name = "generate-symmetric",
                           .description = "Makes a secret key in the HSM",
                           .example = "hsmctl --user app key generate-symmetric aes --label backup "
                                      "--attributes encrypt=true decrypt=true"});
  for (const SymmetricRow& row : kSymmetric) {
    const auto [app, options] = AddCommand<GenerateOptions>(*group, selected, row.text, row.run);
    if (row.lengths != nullptr) {
      app->add_option("--key-length-bytes", options->length, row.lengths)
          ->check(CLI::PositiveNumber)
          ->type_name("N");
    }
    AddNewSecretOptions(*app, options->names);
    AddTieOptions(*app, options->names);
    app->add_flag("--session", options->names.session,
                  "Keep nothing: a trial of options and login");
  }
}

void AddImportRaw(CLI::App& import_group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<ImportRawOptions>(
      import_group, selected,
      {.name = "raw",
       .description = "Takes in a secret key: a file that holds its bytes and nothing else",
       .example =
           "hsmctl --user app key import raw --path key.bin --key-type aes --label old-backup "
           "--attributes decrypt=true"},
      ImportRaw);
  app->add_option("--path", options->path, "The file; /dev/stdin for a pipe")
      ->required()
      ->type_name("FILE");
  app->add_option("--key-type", options->key_type, "aes, aes-xts, generic-secret, des3, chacha20")
      ->required()
      ->type_name("TYPE");
  AddNewSecretOptions(*app, options->names);
  AddTieOptions(*app, options->names);
}

}  // namespace

void AddKeySecretCommands(CLI::App& key_group, CLI::App& import_group, SelectedCommand& selected) {
  AddGenerate(key_group, selected);
  AddImportRaw(import_group, selected);
}

}  // namespace hsmctl
