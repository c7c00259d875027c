// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_KEY_OPTIONS_H_
#define HSMCTL_KEY_OPTIONS_H_

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "context.h"
#include "hsmcore/attributes.h"
#include "hsmcore/session.h"

namespace CLI {  // NOLINT(readability-identifier-naming): CLI11's own
class App;
class Option;
}  // namespace CLI

namespace hsmctl {

// What --filter names: key-reference=0x…, attr.NAME=VALUE and hsm: URIs; all must match.
struct KeyFilter {
  hsmcore::KeyQuery query;
  // From a URI; a password source that the command line names comes first.
  LoginNames login;
  std::optional<std::string> cluster;
};

// --filter, for a command about keys.
CLI::Option* AddKeyFilter(CLI::App& app, std::vector<std::string>& filter);

// Errors: kInvalidArgument, kAttributeUnknown, kUri.
hsmcore::Result<KeyFilter> ParseFilter(const std::vector<std::string>& terms);

// A session for the keys that `filter` names, as a crypto user unless HSM_ROLE says otherwise.
hsmcore::Result<std::shared_ptr<hsmcore::Session>> LoginForKeys(const Context& context,
                                                                const KeyFilter& filter);

// Does the newest active version of a key stand for the others, or is each a key of its own?
enum class Versions : std::uint8_t { kNewest, kEach };

// The one key that matches: one object, or both halves of a pair. kKeyNotFound, kKeyAmbiguous.
hsmcore::Result<std::vector<hsmcore::KeyInfo>> FindOneKey(hsmcore::Session& session,
                                                          const hsmcore::KeyQuery& query,
                                                          Versions versions);

// The same, ready to be used: its private half or its public one. kKeyTypeMismatch: it has not got
// the half that is wanted.
hsmcore::Result<hsmcore::KeyPtr> LoadOneKey(hsmcore::Session& session,
                                            const hsmcore::KeyQuery& query, bool want_private);

// What an option's text stands for. kInvalidArgument: the detail names the option.
hsmcore::Result<hsmcore::Bytes> HexOption(const char* option, const std::string& text);
hsmcore::Result<hsmcore::Digest> DigestOption(const char* option, std::string_view name);
// --data or --data-path, one of the two; `what` is for the error.
hsmcore::Result<hsmcore::Bytes> ReadData(const std::string& base64, const std::string& path,
                                         const char* what);

// The options that name a new key and say what it may do.
struct NewKeyOptions {
  std::string label;
  std::string public_label;
  std::string private_label;
  std::string id;
  bool session = false;
  std::vector<std::string> public_attributes;
  std::vector<std::string> private_attributes;
  std::vector<std::string> share_with;
  hsmcore::KeyQuorum quorum;
};
void AddNewKeyOptions(CLI::App& app, NewKeyOptions& options);
// For a key that is one object: --attributes are kept as private_attributes.
void AddNewSecretOptions(CLI::App& app, NewKeyOptions& options);
// Who else may use it, and how many of them must approve; for a key that is generated, imported or
// unwrapped.
void AddTieOptions(CLI::App& app, NewKeyOptions& options);

// Errors: kInvalidArgument and ApplyAtCreation's.
hsmcore::Result<hsmcore::KeyTemplate> MakeTemplate(const NewKeyOptions& options);
hsmcore::Result<hsmcore::ObjectAttributes> MakePublicTemplate(const NewKeyOptions& options);
hsmcore::Result<hsmcore::KeyTemplate> MakeSecretTemplate(const NewKeyOptions& options);
// For a key that is derived.
hsmcore::Result<hsmcore::ObjectAttributes> MakeDerivedTemplate(const NewKeyOptions& options);
// The same as names and values, and nothing that the options do not say.
hsmcore::Result<std::vector<std::pair<std::string, std::string>>> Assignments(
    const NewKeyOptions& options);

}  // namespace hsmctl

#endif  // HSMCTL_KEY_OPTIONS_H_
