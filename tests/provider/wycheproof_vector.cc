// SPDX-License-Identifier: Apache-2.0
#include "provider/wycheproof_vector.h"

#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <nlohmann/json.hpp>

#include "provider/provider_fixture.h"

namespace provider::test::wycheproof {

const nlohmann::json* Fields::Find(const std::string& name) const {
  read_.insert(name);
  const auto found = object_.find(name);
  if (found == object_.end()) {
    ADD_FAILURE() << "the vector has no field '" << name << "'";
    return nullptr;
  }
  return &*found;
}

bool Fields::Has(const std::string& name) const { return object_.contains(name); }

std::string Fields::Text(const std::string& name) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr || !value->is_string()) {
    ADD_FAILURE() << "'" << name << "' is no text";
    return {};
  }
  return value->get<std::string>();
}

std::size_t Fields::Number(const std::string& name) const {
  const nlohmann::json* value = Find(name);
  if (value == nullptr || !value->is_number_unsigned()) {
    ADD_FAILURE() << "'" << name << "' is no number";
    return 0;
  }
  return value->get<std::size_t>();
}

Bytes Fields::Hex(const std::string& name) const {
  const std::string text = Text(name);
  Bytes bytes = FromHex(text);
  if (bytes.empty() && !text.empty()) ADD_FAILURE() << "'" << name << "' is not hex";
  return bytes;
}

Bytes Fields::OptionalHex(const std::string& name) const {
  read_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? Bytes() : Hex(name);
}

// RFC 4648 section 5, without padding.
Bytes Fields::Base64Url(const std::string& name) const {
  std::string text = Text(name);
  std::ranges::replace(text, '-', '+');
  std::ranges::replace(text, '_', '/');
  const std::size_t padding = (4 - text.size() % 4) % 4;
  text.append(padding, '=');
  Bytes bytes(text.size());
  const ByteView view = BytesOf(text);
  const int size = EVP_DecodeBlock(bytes.data(), view.data(), static_cast<int>(view.size()));
  if (size < 0) return {};
  bytes.resize(static_cast<std::size_t>(size) - padding);
  return bytes;
}

std::vector<std::string> Fields::Texts(const std::string& name) const {
  read_.insert(name);
  const auto found = object_.find(name);
  return found == object_.end() ? std::vector<std::string>()
                                : found->get<std::vector<std::string>>();
}

const Fields& Fields::Object(const std::string& name) const {
  static const nlohmann::json kNothing = nlohmann::json::object();
  auto& object = objects_[name];
  if (object == nullptr) {
    const nlohmann::json* value = Find(name);
    if (value != nullptr && !value->is_object()) ADD_FAILURE() << "'" << name << "' is no object";
    object = std::make_unique<Fields>(value != nullptr && value->is_object() ? *value : kNothing);
  }
  return *object;
}

void Fields::Skip(std::initializer_list<const char*> names) const {
  read_.insert(names.begin(), names.end());
}

std::vector<std::string> Fields::Unread() const {
  std::vector<std::string> unread;
  for (const auto& item : object_.items()) {
    if (!read_.contains(item.key())) unread.push_back(item.key());
  }
  for (const auto& [name, object] : objects_) {
    for (const std::string& field : object->Unread()) unread.push_back(name + "." + field);
  }
  return unread;
}

bool Vector::Has(const std::string& flag) const {
  return std::ranges::find(flags, flag) != flags.end();
}

Bytes FromHex(const std::string& text) {
  if (text.size() % 2 != 0) return {};
  Bytes bytes(text.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const char* digits = text.data() + 2 * i;
    if (std::from_chars(digits, digits + 2, bytes[i], 16).ptr != digits + 2) return {};
  }
  return bytes;
}

std::string ToHex(ByteView bytes) {
  constexpr std::string_view kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

Bytes FromPem(const std::string& text) {
  const Ptr<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  if (PEM_read_bio(bio.get(), &name, &header, &data, &size) != 1) return {};
  Bytes der(data, data + size);
  OPENSSL_free(name);
  OPENSSL_free(header);
  OPENSSL_free(data);
  return der;
}

Bytes WithoutLeadingZeros(Bytes number) {
  number.erase(number.begin(), std::ranges::find_if(number, [](auto byte) { return byte != 0; }));
  return number;
}

bool EndsWith(ByteView whole, ByteView end) {
  return whole.size() >= end.size() && std::ranges::equal(whole.last(end.size()), end);
}

}  // namespace provider::test::wycheproof
