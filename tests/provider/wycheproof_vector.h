// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_WYCHEPROOF_VECTOR_H_
#define TESTS_PROVIDER_WYCHEPROOF_VECTOR_H_

#include <cstddef>
#include <initializer_list>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <set>
#include <string>
#include <vector>

#include "hsmcore/types.h"

namespace provider::test::wycheproof {

using hsmcore::Bytes;
using hsmcore::ByteView;

// One object of a vector file, which must outlive it. Every read marks its field; Unread() names
// those that nobody asked for, so that no part of a vector is passed over. A field that is missing
// or of another type is a failure of the running test.
class Fields {
 public:
  explicit Fields(const nlohmann::json& object) : object_(object) {}

  bool Has(const std::string& name) const;
  std::string Text(const std::string& name) const;
  std::size_t Number(const std::string& name) const;
  Bytes Hex(const std::string& name) const;
  Bytes Base64Url(const std::string& name) const;
  std::vector<std::string> Texts(const std::string& name) const;  // none: the field is missing
  // Empty when the field is missing or null.
  Bytes OptionalHex(const std::string& name) const;
  const Fields& Object(const std::string& name) const;
  // Fields that say nothing about what is to be computed.
  void Skip(std::initializer_list<const char*> names) const;

  std::vector<std::string> Unread() const;

 private:
  const nlohmann::json* Find(const std::string& name) const;

  const nlohmann::json& object_;
  mutable std::set<std::string> read_;
  mutable std::map<std::string, std::unique_ptr<Fields>> objects_;
};

enum class Expected : std::uint8_t { kValid, kInvalid, kAcceptable };

// One test vector, with what its file and its group say.
struct Vector {
  const std::string& algorithm;
  const Fields& group;
  const Fields& test;
  std::size_t id;
  std::string comment;
  std::vector<std::string> flags;
  Expected expected;

  bool Has(const std::string& flag) const;
};

// Empty when the text is not hex.
Bytes FromHex(const std::string& text);
std::string ToHex(ByteView bytes);
// What PEM text holds; empty when it is none.
Bytes FromPem(const std::string& text);
Bytes WithoutLeadingZeros(Bytes number);
bool EndsWith(ByteView whole, ByteView end);

}  // namespace provider::test::wycheproof

#endif  // TESTS_PROVIDER_WYCHEPROOF_VECTOR_H_
