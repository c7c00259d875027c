// SPDX-License-Identifier: Apache-2.0
#include "session/key_query.h"

#include <algorithm>

#include "base/text.h"
#include "base/values.h"
#include "hsmcore/key_uri.h"

namespace hsmcore {

KeyQuery KeyQuery::ByHandle(KeyHandle handle) {
  KeyQuery query;
  query.handle = handle;
  return query;
}

KeyQuery KeyQuery::FromUri(const KeyUri& uri) {
  return {uri.handle, uri.object, uri.id, uri.klass, {}, false};
}

std::string KeyQuery::ToString() const {
  std::string text;
  const auto add = [&text](std::string_view name, std::string_view value) {
    text += Cat(text.empty() ? "" : " ", name, "=", value);
  };
  if (handle) add("key-reference", handle->ToString());
  if (label) add("label", Cat("'", *label, "'"));
  if (id) add("id", Cat("0x", ToHex(*id)));
  if (klass) add("class", NameOf(*klass));
  for (const auto& [attribute, value] : attributes) add(RowOf(attribute).name, value);
  return text.empty() ? "any key" : text;
}

namespace session {
namespace {

bool SameText(const KeyInfo& info, Attribute attribute, const std::string& wanted) {
  const std::string text = AttributeText(info, attribute);
  if (text == wanted) return true;
  const AttributeKind kind = RowOf(attribute).kind;
  if (kind == AttributeKind::kHex) return ParseHex(text) == ParseHex(wanted);
  if (kind == AttributeKind::kFlag) return ParseBool(text) == ParseBool(wanted);
  return attribute == Attribute::kCurve && CurveByName(text) &&
         CurveByName(text) == CurveByName(wanted);
}

}  // namespace

bool Matches(const KeyQuery& query, const KeyInfo& info) {
  if (query.deleted != info.life.purge.has_value()) return false;
  if (query.handle && *query.handle != info.handle) return false;
  if (query.label && *query.label != info.attributes.label) return false;
  if (query.id && *query.id != info.attributes.id) return false;
  if (query.klass && *query.klass != info.klass) return false;
  return std::ranges::all_of(query.attributes, [&info](const auto& wanted) {
    return SameText(info, wanted.first, wanted.second);
  });
}

}  // namespace session
}  // namespace hsmcore
