// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "command.h"
#include "hsmcore/session.h"
#include "key_options.h"
#include "key_view.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::KeyHandle;
using hsmcore::KeyInfo;
using hsmcore::KeyPtr;
using hsmcore::Result;
using hsmcore::Session;

struct OneKeyOptions {
  std::vector<std::string> filter;
  std::vector<std::string> approval;
};

struct RotateOptions {
  std::vector<std::string> filter;
  std::vector<std::string> approval;
  std::int64_t overlap_hours = 0;
};

struct Found {
  std::shared_ptr<Session> session;
  KeyHandle handle;
};

template <class Options>
Result<Found> LoginAndFind(const Context& context, const Options& given, Versions versions,
                           bool deleted = false) {
  HSMCORE_TRY(KeyFilter filter, ParseFilter(given.filter));
  filter.query.deleted = deleted;
  HSMCORE_TRY(auto session, LoginForKeys(context, filter));
  HSMCORE_CHECK(PresentApproval(*session, given.approval));
  HSMCORE_TRY(const std::vector<KeyInfo> halves, FindOneKey(*session, filter.query, versions));
  return Found{.session = std::move(session), .handle = halves.front().handle};
}

Report StateReport(const std::string& message, const KeyInfo& info) {
  return MessageReport(message, {{"key-reference", info.handle.ToString()},
                                 {"key-state", NameOf(StateOf(info.life))}});
}

Result<Report> Disable(const Context& context, const OneKeyOptions& given) {
  HSMCORE_TRY(const Found found, LoginAndFind(context, given, Versions::kEach));
  HSMCORE_TRY(const KeyInfo info, found.session->SetKeyEnabled(found.handle, false));
  return StateReport("Key disabled successfully", info);
}

Result<Report> Enable(const Context& context, const OneKeyOptions& given) {
  HSMCORE_TRY(const Found found, LoginAndFind(context, given, Versions::kEach));
  HSMCORE_TRY(const KeyInfo info, found.session->SetKeyEnabled(found.handle, true));
  return StateReport("Key enabled successfully", info);
}

Result<Report> Restore(const Context& context, const OneKeyOptions& given) {
  HSMCORE_TRY(const Found found, LoginAndFind(context, given, Versions::kEach, true));
  HSMCORE_TRY(const KeyInfo info, found.session->CancelDeletion(found.handle));
  return StateReport("Key restored successfully", info);
}

Result<Report> Rotate(const Context& context, const RotateOptions& given) {
  constexpr std::int64_t kHour = std::int64_t{60} * 60;
  HSMCORE_TRY(const Found found, LoginAndFind(context, given, Versions::kNewest));
  HSMCORE_TRY(const KeyPtr key,
              found.session->RotateKey(found.handle, given.overlap_hours * kHour));
  const KeyInfo& info = *key->private_info();
  return MessageReport("Key rotated successfully",
                       {{"key-reference", info.handle.ToString()},
                        {"key-version", info.life.version},
                        {"previous-key-reference", found.handle.PrivateHalf().ToString()}});
}

using RunOneKey = Result<Report> (*)(const Context&, const OneKeyOptions&);

// What changes a key may take an approval; to take a deletion back does not.
enum class WithApproval : std::uint8_t { kNo, kYes };

void AddOneKey(CLI::App& group, SelectedCommand& selected, const CommandText& text, RunOneKey run,
               WithApproval approval) {
  const auto [app, options] = AddCommand<OneKeyOptions>(group, selected, text, run);
  AddKeyFilter(*app, options->filter)->required();
  if (approval == WithApproval::kYes) AddApprovalOption(*app, options->approval);
}

void AddRotate(CLI::App& group, SelectedCommand& selected) {
  constexpr std::int64_t kMostHours = std::int64_t{366} * 24;
  const auto [app, options] = AddCommand<RotateOptions>(
      group, selected,
      {.name = "rotate",
       .description = "Makes a new version of a key, which its label stands for from now on",
       .example = "hsmctl --user app key rotate --filter attr.label=tls-2026 --overlap-hours 24"},
      Rotate);
  AddKeyFilter(*app, options->filter)->required();
  app->add_option("--overlap-hours", options->overlap_hours,
                  "How long the old version still signs and encrypts; 0 unless told")
      ->check(CLI::Range(std::int64_t{0}, kMostHours))
      ->type_name("N");
  AddApprovalOption(*app, options->approval);
}

}  // namespace

void AddKeyLifeCommands(CLI::App& key_group, SelectedCommand& selected) {
  AddOneKey(key_group, selected,
            {.name = "disable",
             .description = "Ends every use of a key until it is enabled again",
             .example = "hsmctl --user app key disable --filter attr.label=tls-2026"},
            Disable, WithApproval::kYes);
  AddOneKey(key_group, selected,
            {.name = "enable",
             .description = "Lets a disabled key be used again",
             .example = "hsmctl --user app key enable --filter attr.label=tls-2026"},
            Enable, WithApproval::kYes);
  AddOneKey(key_group, selected,
            {.name = "restore",
             .description = "Brings back a key that was deleted with --recovery-days",
             .example = "hsmctl --user app key restore --filter attr.label=tls-2026"},
            Restore, WithApproval::kNo);
  AddRotate(key_group, selected);
}

}  // namespace hsmctl
