// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/key_uri.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "base/values.h"
#include "hsmcore/attributes.h"

namespace hsmcore {
namespace {

constexpr std::size_t kMaxUriBytes = 4096;

struct TypeName {
  const char* name;
  KeyClass klass;
};
constexpr auto kTypeNames = std::to_array<TypeName>({
    {"private", KeyClass::kPrivateKey},
    {"public", KeyClass::kPublicKey},
    {"secret-key", KeyClass::kSecretKey},
});

std::unexpected<Error> Malformed(std::string detail) {
  return Fail(ErrorCode::kUri, std::move(detail));
}

// Decodes into a wiped buffer, since the value may be a PIN.
Result<SecretBytes> PercentDecode(std::string_view name, std::string_view text) {
  SecretBytes decoded(text.size());
  const auto out = decoded.Write(SecretAccess{"percent-decode a URI value"});
  std::size_t length = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    auto byte = static_cast<std::uint8_t>(text[i]);
    if (text[i] == '%') {
      const auto escape = ParseHex(text.substr(i + 1, 2));
      if (!escape || escape->size() != 1 || text.size() < i + 3) {
        return Malformed(Cat("'", name, "' has a % that two hexadecimal digits do not follow"));
      }
      byte = escape->front();
      i += 2;
      if (byte == 0 && name != "id") return Malformed(Cat("'", name, "' holds a NUL byte"));
    } else if (byte <= 0x20 || byte == 0x7f) {
      return Malformed(Cat("'", name, "' has a space or control character; write it as %XX"));
    }
    out[length++] = byte;
  }
  decoded.Truncate(length);
  return decoded;
}

Status Once(bool set_already, std::string_view name) {
  if (set_already) return Malformed(Cat("'", name, "' is there twice"));
  return {};
}

Status SetText(std::optional<std::string>& field, std::string_view name, const SecretBytes& value) {
  HSMCORE_CHECK(Once(field.has_value(), name));
  field = std::string(value.ReadText(SecretAccess{"a URI attribute that is no secret"}));
  return {};
}

Status SetType(KeyUri& uri, std::string_view value) {
  HSMCORE_CHECK(Once(uri.klass.has_value() || uri.certificate, "type"));
  if (value == "cert") {
    uri.certificate = true;
    return {};
  }
  const auto* row = std::ranges::find_if(
      kTypeNames, [value](const TypeName& name) { return value == name.name; });
  if (row == kTypeNames.end()) {
    return Malformed("'type' is private, public, secret-key or cert");
  }
  uri.klass = row->klass;
  return {};
}

Status SetPathAttribute(KeyUri& uri, std::string_view name, const SecretBytes& value) {
  const std::string_view text = value.ReadText(SecretAccess{"a URI path attribute"});
  if (name == "object") {
    HSMCORE_CHECK(SetText(uri.object, name, value));
    return CheckNames({.label = *uri.object, .id = {}, .flags = {}});
  }
  if (name == "cluster") return SetText(uri.cluster, name, value);
  if (name == "user") return SetText(uri.user, name, value);
  if (name == "type") return SetType(uri, text);
  if (name == "id") {
    HSMCORE_CHECK(Once(uri.id.has_value(), name));
    const ByteView bytes = value.Read(SecretAccess{"the URI's key id"});
    uri.id.emplace(bytes.begin(), bytes.end());
    return CheckNames({.label = {}, .id = *uri.id, .flags = {}});
  }
  if (name == "handle") {
    HSMCORE_CHECK(Once(uri.handle.has_value(), name));
    auto handle = KeyHandle::Parse(text);
    if (!handle) return Malformed(Cat("'handle': ", handle.error().detail()));
    uri.handle = *handle;
    return {};
  }
  return Malformed(
      Cat("'", name.substr(0, 40),
          "' is no path attribute; there are object, id, handle, type, cluster, user"));
}

Status SetQueryAttribute(KeyUri& uri, std::string_view name, SecretBytes value) {
  if (name == "pin-source") return SetText(uri.pin_source, name, value);
  if (name == "pin-value") {
    HSMCORE_CHECK(Once(uri.pin_value.has_value(), name));
    uri.pin_value = std::move(value);
    return {};
  }
  return Malformed(
      Cat("'", name.substr(0, 40), "' is no query attribute; there are pin-source and pin-value"));
}

// Calls set(name, decoded value) for each name=value of a list.
template <class Set>
Status ForEachAttribute(std::string_view list, char separator, const Set& set) {
  while (!list.empty()) {
    const std::size_t end = list.find(separator);
    const std::string_view item = list.substr(0, end);
    const std::size_t equals = item.find('=');
    if (equals == std::string_view::npos || equals == 0) {
      return Malformed("every attribute is written name=value");
    }
    const std::string_view name = item.substr(0, equals);
    HSMCORE_TRY(SecretBytes value, PercentDecode(name, item.substr(equals + 1)));
    // Where a script's variable was not set, nothing must be used in place of what it stood for.
    if (value.empty()) return Malformed(Cat("'", name.substr(0, 40), "' is empty; leave it out"));
    HSMCORE_CHECK(set(name, std::move(value)));
    if (end == std::string_view::npos) break;
    list.remove_prefix(end + 1);
    if (list.empty()) return Malformed(Cat("ends with '", separator, "'"));
  }
  return {};
}

// RFC 7512 section 2.3: what may stand in a path value as it is.
void AppendEscaped(std::string& out, std::string_view value) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~:[]@!$'()*+,&/";
  for (const char c : value) {
    if (kPlain.contains(c)) {
      out += c;
    } else {
      const auto byte = static_cast<std::uint8_t>(c);
      out += '%' + ToHex({&byte, 1});
    }
  }
}

void AppendAttribute(std::string& out, char separator, std::string_view name,
                     const std::optional<std::string>& value) {
  if (!value) return;
  if (out.back() != ':') out += separator;
  out.append(name).append("=");
  AppendEscaped(out, *value);
}

}  // namespace

bool KeyUri::HasScheme(std::string_view text) {
  return text.size() >= kScheme.size() &&
         std::ranges::equal(text.substr(0, kScheme.size()), kScheme, {}, [](char c) {
           return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
         });
}

Result<KeyUri> KeyUri::Parse(std::string_view text) {
  if (text.size() > kMaxUriBytes) return Malformed(Cat("longer than ", kMaxUriBytes, " bytes"));
  if (!HasScheme(text)) return Malformed("does not begin with hsm:");
  text.remove_prefix(kScheme.size());
  const std::size_t question = text.find('?');
  const std::string_view path = text.substr(0, question);
  KeyUri uri;
  // A first part without '=' is the label.
  const std::string_view first = path.substr(0, path.find(';'));
  std::string_view rest = path;
  if (!first.empty() && !first.contains('=')) {
    HSMCORE_TRY(const SecretBytes label, PercentDecode("object", first));
    HSMCORE_CHECK(SetPathAttribute(uri, "object", label));
    rest.remove_prefix(std::min(path.size(), first.size() + 1));
    if (rest.empty() && path.size() > first.size()) return Malformed("ends with ';'");
  }
  HSMCORE_CHECK(ForEachAttribute(rest, ';', [&uri](std::string_view name, SecretBytes value) {
    return SetPathAttribute(uri, name, value);
  }));
  if (question != std::string_view::npos) {
    HSMCORE_CHECK(ForEachAttribute(text.substr(question + 1), '&',
                                   [&uri](std::string_view name, SecretBytes value) {
                                     return SetQueryAttribute(uri, name, std::move(value));
                                   }));
  }
  return uri;
}

std::string KeyUri::ToString() const {
  std::string text(kScheme);
  AppendAttribute(text, ';', "cluster", cluster);
  AppendAttribute(text, ';', "user", user);
  AppendAttribute(text, ';', "object", object);
  if (id) {
    if (text.back() != ':') text += ';';
    text += "id=";
    for (const std::uint8_t byte : *id) text += '%' + ToHex({&byte, 1});
  }
  if (handle) AppendAttribute(text, ';', "handle", handle->ToString());
  if (certificate) AppendAttribute(text, ';', "type", "cert");
  for (const TypeName& row : kTypeNames) {
    if (klass == row.klass) AppendAttribute(text, ';', "type", row.name);
  }
  if (pin_source) {
    text += "?pin-source=";
    AppendEscaped(text, *pin_source);
  }
  return text;
}

}  // namespace hsmcore
