// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "command.h"
#include "files.h"
#include "hsmcore/key_reference.h"
#include "hsmcore/session.h"
#include "key_options.h"
#include "key_view.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::KeyClass;
using hsmcore::KeyHandle;
using hsmcore::KeyInfo;
using hsmcore::KeyPtr;
using hsmcore::KeyQuery;
using hsmcore::Result;
using hsmcore::Role;
using hsmcore::Session;

using SessionPtr = std::shared_ptr<Session>;

struct ListOptions {
  std::vector<std::string> filter;
  std::size_t max_items = 10;
  std::string starting_token;
  bool verbose = false;
  bool deleted = false;
};

struct OneKeyOptions {
  std::vector<std::string> filter;
};

struct DeleteOptions {
  std::vector<std::string> filter;
  unsigned recovery_days = 0;  // 0: final
};

struct SetAttributeOptions {
  std::vector<std::string> filter;
  std::string name;
  std::string value;
  std::vector<std::string> approval;
};

struct GenerateFileOptions {
  std::vector<std::string> filter;
  std::string encoding;
  std::string path;
  bool force = false;
};

// A session, and the objects of the one key that the filter names.
struct OneKey {
  std::optional<std::string> cluster;  // that the URI or the command line names
  SessionPtr session;
  std::vector<KeyInfo> halves;
};

Result<OneKey> LoginAndFindOneKey(const Context& context, const std::vector<std::string>& terms,
                                  Versions versions = Versions::kEach) {
  HSMCORE_TRY(const KeyFilter filter, ParseFilter(terms));
  HSMCORE_TRY(SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_TRY(std::vector<KeyInfo> halves, FindOneKey(*session, filter.query, versions));
  return OneKey{.cluster = filter.cluster ? filter.cluster : context.cluster(),
                .session = std::move(session),
                .halves = std::move(halves)};
}

// A piece of the whole list. The token is the last handle of the piece before: keys that come and
// go in between neither repeat nor hide others.
struct Page {
  std::vector<KeyInfo> keys;
  std::size_t total = 0;
  std::string next_token;  // empty: nothing follows
};

Result<Page> TakePage(std::vector<KeyInfo> all, const ListOptions& given) {
  Page page;
  page.total = all.size();
  if (!given.starting_token.empty()) {
    HSMCORE_TRY(const KeyHandle last, KeyHandle::Parse(given.starting_token));
    std::erase_if(all, [&](const KeyInfo& info) { return info.handle <= last; });
  }
  const std::size_t count = std::min(all.size(), given.max_items);
  if (count < all.size()) page.next_token = all[count - 1].handle.ToString();
  all.erase(all.begin() + static_cast<std::ptrdiff_t>(count), all.end());
  page.keys = std::move(all);
  return page;
}

Json PageJson(const Page& page, bool verbose) {
  Json keys = Json::array();
  for (const KeyInfo& info : page.keys) {
    keys.push_back(verbose ? KeyJson(info) : ShortKeyJson(info));
  }
  Json data = {{"matched_keys", std::move(keys)},
               {"total_key_count", page.total},
               {"returned_key_count", page.keys.size()}};
  if (!page.next_token.empty()) data["next_token"] = page.next_token;
  return data;
}

std::string PageText(const Page& page, bool verbose, bool admin) {
  std::string text;
  if (admin) {
    text = HandlesAndLabelsText(page.keys);
  } else {
    text = verbose ? KeysText(page.keys) : ShortKeysText(page.keys);
  }
  text += std::to_string(page.keys.size()) + " of " + std::to_string(page.total) + " keys";
  if (!page.next_token.empty()) text += "; go on with --starting-token " + page.next_token;
  return text + "\n";
}

Result<Report> List(const Context& context, const ListOptions& given) {
  HSMCORE_TRY(KeyFilter filter, ParseFilter(given.filter));
  filter.query.deleted = given.deleted;
  HSMCORE_TRY(const SessionPtr session, LoginForKeys(context, filter));
  HSMCORE_TRY(std::vector<KeyInfo> all, session->Find(filter.query));
  HSMCORE_TRY(const Page page, TakePage(std::move(all), given));
  const bool admin = session->role() == Role::kAdmin;
  const bool verbose = given.verbose && !admin;
  return Report{
      .data = PageJson(page, verbose), .text = PageText(page, verbose, admin), .note = {}};
}

Result<Report> Show(const Context& context, const OneKeyOptions& given) {
  HSMCORE_TRY(const OneKey key, LoginAndFindOneKey(context, given.filter));
  if (key.session->role() == Role::kAdmin) {
    return Fail(ErrorCode::kRoleForbids, "an admin sees references and labels: key list");
  }
  Json keys = Json::array();
  for (const KeyInfo& info : key.halves) keys.push_back(KeyJson(info));
  return Report{
      .data = {{"matched_keys", std::move(keys)}}, .text = KeysText(key.halves), .note = {}};
}

Json HandlesJson(const std::vector<KeyInfo>& keys) {
  Json handles = Json::array();
  for (const KeyInfo& info : keys) handles.push_back(info.handle.ToString());
  return {{"key-references", std::move(handles)}};
}

Result<Report> DeleteForNow(const OneKey& key, unsigned days) {
  const KeyInfo& found = key.halves.front();
  if (found.pair && key.halves.size() != 2) {
    return Fail(ErrorCode::kInvalidArgument,
                "--recovery-days is for a whole pair, and the filter fits one half only");
  }
  HSMCORE_TRY(const KeyInfo info, key.session->ScheduleDeletion(found.handle, days));
  Json data = HandlesJson(key.halves);
  data["deletion-timestamp"] = *info.life.purge;
  return MessageReport(
      "Key deleted; until " + TimeText(*info.life.purge) + " 'hsmctl key restore' brings it back",
      std::move(data));
}

Result<Report> Delete(const Context& context, const DeleteOptions& given) {
  HSMCORE_TRY(const OneKey key, LoginAndFindOneKey(context, given.filter));
  if (given.recovery_days != 0) return DeleteForNow(key, given.recovery_days);
  const bool whole_pair = key.halves.size() == 2;
  HSMCORE_CHECK(key.session->Delete(key.halves.front().handle, whole_pair));
  return MessageReport("Key deleted successfully", HandlesJson(key.halves));
}

// Which half of a pair an attribute means something to; nothing when it is both.
std::optional<KeyClass> HalfOf(Attribute attribute) {
  switch (attribute) {
    case Attribute::kSign:
    case Attribute::kDecrypt:
    case Attribute::kUnwrap:
    case Attribute::kDerive:
    case Attribute::kSensitive:
    case Attribute::kExtractable:
    case Attribute::kWrapWithTrusted:
    case Attribute::kUnwrapTemplate:
      return KeyClass::kPrivateKey;
    case Attribute::kVerify:
    case Attribute::kEncrypt:
    case Attribute::kWrap:
    case Attribute::kTrusted:
    case Attribute::kWrapTemplate:
      return KeyClass::kPublicKey;
    default:
      return std::nullopt;
  }
}

Result<Report> SetAttribute(const Context& context, const SetAttributeOptions& given) {
  const std::optional<Attribute> attribute = hsmcore::AttributeByName(given.name);
  if (!attribute) return Fail(ErrorCode::kAttributeUnknown, given.name);
  HSMCORE_TRY(OneKey key, LoginAndFindOneKey(context, given.filter));
  HSMCORE_CHECK(PresentApproval(*key.session, given.approval));
  const std::optional<KeyClass> half = HalfOf(*attribute);
  const bool of_both = *attribute == Attribute::kStartDate || *attribute == Attribute::kEndDate ||
                       *attribute == Attribute::kUseLimit;
  if (of_both) key.halves.resize(1);
  if (half && key.halves.size() == 2) {
    std::erase_if(key.halves, [&](const KeyInfo& info) { return info.klass != *half; });
  }
  for (const KeyInfo& info : key.halves) {
    HSMCORE_CHECK(key.session->SetAttribute(info.handle, given.name, given.value));
  }
  return MessageReport("Attribute set successfully", HandlesJson(key.halves));
}

Result<std::string> PublicPem(const KeyInfo& info) {
  HSMCORE_TRY(const hsmcore::Bytes spki, EncodeSpki(info.public_part));
  return hsmcore::EncodePublicKeyPem(spki);
}

Result<std::string> ReferencePem(const OneKey& found, const std::optional<std::string>& cluster) {
  const KeyInfo& info = found.halves.front();
  if (info.klass != KeyClass::kPrivateKey && !info.pair) {
    return Fail(ErrorCode::kPublicKeyOnly,
                info.handle.ToString() + " has no private half; use --encoding pem");
  }
  KeyQuery query;
  query.handle = info.handle.PrivateHalf();
  HSMCORE_TRY(const KeyPtr key, found.session->Load(query, true));
  HSMCORE_TRY(hsmcore::KeyUri uri, found.session->ReferenceUri(*key));
  uri.cluster = cluster;
  return hsmcore::KeyReference{.uri = uri.ToString(), .spki = key->spki()}.ToPem();
}

Result<Report> GenerateFile(const Context& context, const GenerateFileOptions& given) {
  HSMCORE_TRY(const OneKey key, LoginAndFindOneKey(context, given.filter, Versions::kNewest));
  const KeyInfo& info = key.halves.front();
  if (info.klass == KeyClass::kSecretKey) {
    return Fail(ErrorCode::kKeyTypeMismatch,
                info.handle.ToString() +
                    " is a secret key, which no file stands for; programs name it by its URI, "
                    "hsm:LABEL;type=secret-key, and 'key wrap' takes it out encrypted");
  }
  HSMCORE_TRY(const std::string pem,
              given.encoding == "pem" ? PublicPem(info) : ReferencePem(key, key.cluster));
  HSMCORE_CHECK(WriteNewFile(
      given.path, given.force ? NewFile::IfExists::kReplace : NewFile::IfExists::kFail, pem));
  return MessageReport("Successfully generated key file", {{"path", given.path}});
}

void AddList(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] =
      AddCommand<ListOptions>(group, selected,
                              {.name = "list",
                               .description = "Lists the keys that one may see",
                               .example = "hsmctl --user app key list --filter attr.key-type=rsa "
                                          "attr.class=private-key"},
                              List);
  AddKeyFilter(*app, options->filter);
  app->add_option("--max-items", options->max_items, "How many at most, 10 unless told")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1'000'000}))
      ->type_name("N");
  app->add_option("--starting-token", options->starting_token,
                  "Where to go on: the next_token of the list before")
      ->type_name("TOKEN");
  app->add_flag("--verbose", options->verbose, "All attributes of each key");
  app->add_flag("--deleted", options->deleted, "Deleted keys that 'key restore' brings back");
}

void AddOneKeyCommands(CLI::App& group, SelectedCommand& selected) {
  const auto show = AddCommand<OneKeyOptions>(
      group, selected,
      {.name = "show",
       .description = "Shows all attributes of one key",
       .example = "hsmctl --user app key show --filter attr.label=tls-2026"},
      Show);
  AddKeyFilter(*show.app, show.options->filter)->required();
  const auto remove = AddCommand<DeleteOptions>(
      group, selected,
      {.name = "delete",
       .description = "Deletes one key, for good unless --recovery-days is given; a pair when the "
                      "filter fits both halves",
       .example = "hsmctl --user app key delete --filter key-reference=0x0000000000000102"},
      Delete);
  AddKeyFilter(*remove.app, remove.options->filter)->required();
  remove.app
      ->add_option("--recovery-days", remove.options->recovery_days,
                   "So long 'key restore' brings it back, 7 to 30; without, the deletion is final")
      ->check(CLI::Range(hsmcore::kMinRecoveryDays, hsmcore::kMaxRecoveryDays))
      ->type_name("N");
}

void AddSetAttribute(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<SetAttributeOptions>(
      group, selected,
      {.name = "set-attribute",
       .description = "Changes one attribute of one key",
       .example = "hsmctl --user app key set-attribute --filter attr.label=tls-2026 --name sign "
                  "--value true"},
      SetAttribute);
  AddKeyFilter(*app, options->filter)->required();
  app->add_option("--name", options->name, "The attribute")->required()->type_name("NAME");
  app->add_option("--value", options->value, "Its new value")->required()->type_name("VALUE");
  AddApprovalOption(*app, options->approval);
}

void AddGenerateFile(CLI::App& group, SelectedCommand& selected) {
  const auto [app, options] = AddCommand<GenerateFileOptions>(
      group, selected,
      {.name = "generate-file",
       .description = "Writes a reference to a private key for programs that take a file, or the "
                      "public key",
       .example = "hsmctl --user app key generate-file --encoding reference-pem "
                  "--path /etc/nginx/tls.pem --filter attr.label=tls-2026"},
      GenerateFile);
  AddKeyFilter(*app, options->filter)->required();
  app->add_option("--encoding", options->encoding,
                  "reference-pem (stands for the private key, holds no secret) or pem (public key)")
      ->required()
      ->check(CLI::IsMember({"reference-pem", "pem"}))
      ->type_name("ENCODING");
  app->add_option("--path", options->path, "The file, mode 0600")->required()->type_name("FILE");
  app->add_flag("--force", options->force, "Replace the file when it exists");
}

}  // namespace

void AddKeyCommands(CLI::App& parent, SelectedCommand& selected) {
  CLI::App* group = AddGroup(parent, {.name = "key",
                                      .description = "Make, find, change, import and delete keys",
                                      .example = "hsmctl --user app key list"});
  AddKeyCreateCommands(*group, selected);
  AddList(*group, selected);
  AddOneKeyCommands(*group, selected);
  AddSetAttribute(*group, selected);
  AddGenerateFile(*group, selected);
  AddKeyWrapCommands(*group, selected);
  AddKeyReplicateCommand(*group, selected);
  AddKeyDeriveCommands(*group, selected);
  AddKeyShareCommands(*group, selected);
  AddKeyLifeCommands(*group, selected);
}

}  // namespace hsmctl
