// SPDX-License-Identifier: Apache-2.0
#include "key_view.h"

#include <charconv>
#include <cstdint>
#include <optional>

#include "hsmcore/attributes.h"

namespace hsmctl {
namespace {

using hsmcore::Attribute;
using hsmcore::AttributeKind;
using hsmcore::AttributeRow;
using hsmcore::KeyInfo;

const char* CoverageOf(const KeyInfo& info) { return info.handle.IsSession() ? "session" : "full"; }

Json UsersJson(const std::vector<std::string>& users, const char* coverage) {
  Json list = Json::array();
  for (const std::string& user : users) {
    list.push_back({{"username", user}, {"key-coverage", coverage}});
  }
  return list;
}

std::vector<std::string> OwnersOf(const KeyInfo& info) {
  if (info.owner.empty()) return {};
  return {info.owner};
}

Json TemplateJson(const hsmcore::AttributeTemplate& attributes) {
  Json list = Json::object();
  for (const auto& [attribute, value] : attributes) {
    const AttributeRow& row = RowOf(attribute);
    list[row.name] = row.kind == AttributeKind::kFlag ? Json(value == "true") : Json(value);
  }
  return list;
}

// Nothing for an attribute that this kind of key does not have.
std::optional<Json> AttributeJson(const KeyInfo& info, const AttributeRow& row) {
  std::string text = AttributeText(info, row.attribute);
  const bool may_be_empty = row.attribute == Attribute::kLabel || row.attribute == Attribute::kId;
  if (text.empty() && !may_be_empty) return std::nullopt;
  if (row.kind == AttributeKind::kFlag) return text == "true";
  if (row.kind == AttributeKind::kTemplate) {
    return std::make_optional(TemplateJson(row.attribute == Attribute::kWrapTemplate
                                               ? info.attributes.wrap_template
                                               : info.attributes.unwrap_template));
  }
  if (row.kind == AttributeKind::kNumber) {
    std::uint64_t number = 0;
    const char* end = text.data() + text.size();
    if (std::from_chars(text.data(), end, number).ptr == end) return number;
  }
  return text;
}

std::string JoinedNames(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : " ") + name;
  return text;
}

std::string GroupText(const hsmcore::SharedGroup& group) {
  std::string text = group.name;
  if (!group.missing.empty()) text += "; not yet: " + JoinedNames(group.missing);
  if (!group.former.empty()) text += "; no longer: " + JoinedNames(group.former);
  const bool complete = group.missing.empty() && group.former.empty();
  return complete ? text : text + "; run 'hsmctl key share --group " + group.name + "' again";
}

std::string KeyText(const KeyInfo& info) {
  Table table({"key-reference", info.handle.ToString()});
  table.AddRow({"owner", info.owner});
  table.AddRow({"shared with", JoinedNames(info.shared_users)});
  for (const hsmcore::SharedGroup& group : info.groups) {
    table.AddRow({"shared with group", GroupText(group)});
  }
  table.AddRow({"coverage", CoverageOf(info)});
  table.AddRow({"created", TimeText(info.created)});
  if (info.life.purge) table.AddRow({"gone after", TimeText(*info.life.purge)});
  if (info.life.first.value != 0) {
    table.AddRow({"first version", info.life.first.ToString()});
  }
  if (info.life.next.value != 0) table.AddRow({"next version", info.life.next.ToString()});
  for (const AttributeRow& row : hsmcore::AllAttributes()) {
    const std::string text = AttributeText(info, row.attribute);
    if (!text.empty()) table.AddRow({row.name, text});
  }
  return table.ToString();
}

// What is there only for some keys.
void AddRare(Json& key_info, const KeyInfo& info) {
  if (!info.groups.empty()) key_info["shared-groups"] = SharedGroupsJson(info);
  const hsmcore::KeyLife& life = info.life;
  if (life.first.value != 0) key_info["first-version"] = life.first.ToString();
  if (life.next.value != 0) key_info["next-version"] = life.next.ToString();
  if (life.purge) key_info["deletion-timestamp"] = *life.purge;
}

}  // namespace

Json SharedGroupsJson(const KeyInfo& info) {
  Json groups = Json::array();
  for (const hsmcore::SharedGroup& group : info.groups) {
    const bool complete = group.missing.empty() && group.former.empty();
    groups.push_back({{"group", group.name},
                      {"group-coverage", complete ? "full" : "inconsistent"},
                      {"not-yet", group.missing},
                      {"no-longer", group.former}});
  }
  return groups;
}

Json KeyJson(const KeyInfo& info) {
  const char* coverage = CoverageOf(info);
  Json attributes = Json::object();
  for (const AttributeRow& row : hsmcore::AllAttributes()) {
    if (auto value = AttributeJson(info, row)) attributes[row.name] = *std::move(value);
  }
  Json key_info = {{"key-owners", UsersJson(OwnersOf(info), coverage)},
                   {"shared-users", UsersJson(info.shared_users, coverage)},
                   {"key-quorum-values",
                    {{"manage-key-quorum-value", info.quorum.manage},
                     {"use-key-quorum-value", info.quorum.use}}},
                   {"cluster-coverage", coverage},
                   {"create-timestamp", info.created}};
  AddRare(key_info, info);
  return {{"key-reference", info.handle.ToString()},
          {"key-info", std::move(key_info)},
          {"attributes", std::move(attributes)}};
}

Json ShortKeyJson(const KeyInfo& info) {
  return {{"key-reference", info.handle.ToString()},
          {"attributes", {{"label", info.attributes.label}}}};
}

std::string KeysText(const std::vector<KeyInfo>& keys) {
  std::string text;
  for (const KeyInfo& info : keys) text += (text.empty() ? "" : "\n") + KeyText(info);
  return text;
}

std::string ShortKeysText(const std::vector<KeyInfo>& keys) {
  Table table({"KEY REFERENCE", "CLASS", "TYPE", "OWNER", "LABEL", "ID", "VERSION", "STATE"});
  for (const KeyInfo& info : keys) {
    table.AddRow({info.handle.ToString(), NameOf(info.klass), NameOf(info.type()), info.owner,
                  info.attributes.label, AttributeText(info, Attribute::kId),
                  AttributeText(info, Attribute::kKeyVersion),
                  AttributeText(info, Attribute::kKeyState)});
  }
  return table.ToString();
}

std::string HandlesAndLabelsText(const std::vector<KeyInfo>& keys) {
  Table table({"KEY REFERENCE", "LABEL"});
  for (const KeyInfo& info : keys) table.AddRow({info.handle.ToString(), info.attributes.label});
  return table.ToString();
}

Report SecretReport(const hsmcore::Key& key) {
  const KeyInfo& info = *key.private_info();
  Report report = {.data = {{"key", KeyJson(info)}}, .text = ShortKeysText({info}), .note = {}};
  if (!key.is_token()) {
    report.note = "note: a session key ends with the command that made it; this one is gone";
  }
  return report;
}

}  // namespace hsmctl
