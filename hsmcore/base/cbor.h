// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_CBOR_H_
#define HSMCORE_BASE_CBOR_H_

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "hsmcore/types.h"

// CBOR records (RFC 8949). Only public or sealed bytes pass through here: the library's buffers are
// not wiped.
namespace hsmcore::cbor {

// Maps are ordered by name, so that equal values have equal bytes.
using Value = nlohmann::json;

Value Blob(ByteView bytes);
Bytes Encode(const Value& value);

// Reads hostile bytes: bounded depth, no trailing bytes. `what` names the record in the error,
// which is kRecordDamaged.
Result<Value> Decode(ByteView bytes, std::string_view what);

// Reads the fields of a map. The first field that is missing or of another type decides Finish();
// until then reading goes on with empty values, so that a decoder is a plain list of fields.
class Reader {
 public:
  Reader(const Value& map, std::string_view what) : map_(map), what_(what) {}

  std::string Text(const char* name);
  Bytes Blob(const char* name);
  std::uint64_t Number(const char* name);
  std::int64_t Signed(const char* name);
  bool Flag(const char* name);
  const Value& Map(const char* name);
  const Value& List(const char* name);
  // The field "v", which every record has: kHomeNewer above `known`.
  Status CheckVersion(std::uint64_t known);
  bool Has(const char* name) const { return map_.is_object() && map_.contains(name); }
  // For values that have the right type and still are not right.
  void Refuse(std::string_view name);

  Status Finish() const;

 private:
  const Value* Field(const char* name, bool (Value::*is)() const);
  const Value& map_;
  std::string what_;
  std::optional<std::string> bad_field_;
  const Value empty_;
};

}  // namespace hsmcore::cbor

#endif  // HSMCORE_BASE_CBOR_H_
