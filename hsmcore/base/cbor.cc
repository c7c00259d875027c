// SPDX-License-Identifier: Apache-2.0
#include "base/cbor.h"

#include "base/text.h"

namespace hsmcore::cbor {
namespace {

// The parser recurses, so depth is checked first: nothing of ours is nested deeper.
class DepthCheck final : public nlohmann::json_sax<Value> {
 public:
  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool key(string_t&) override { return true; }
  bool start_object(std::size_t) override { return ++depth_ <= kMaxDepth; }
  bool end_object() override { return --depth_ >= 0; }
  bool start_array(std::size_t) override { return ++depth_ <= kMaxDepth; }
  bool end_array() override { return --depth_ >= 0; }
  bool parse_error(std::size_t, const std::string&, const nlohmann::detail::exception&) override {
    return false;
  }

 private:
  static constexpr int kMaxDepth = 8;
  int depth_ = 0;
};

}  // namespace

Value Blob(ByteView bytes) { return Value::binary(Bytes(bytes.begin(), bytes.end())); }

Bytes Encode(const Value& value) { return Value::to_cbor(value); }

Result<Value> Decode(ByteView bytes, std::string_view what) {
  DepthCheck depth;
  if (Value::sax_parse(bytes.begin(), bytes.end(), &depth, Value::input_format_t::cbor)) {
    Value value = Value::from_cbor(bytes.begin(), bytes.end(), /*strict=*/true,
                                   /*allow_exceptions=*/false);
    if (value.is_object()) return value;
  }
  return Fail(ErrorCode::kRecordDamaged, Cat(what, " cannot be decoded"));
}

const Value* Reader::Field(const char* name, bool (Value::*is)() const) {
  if (map_.is_object()) {
    const auto field = map_.find(name);
    if (field != map_.end() && ((*field).*is)()) return &*field;
  }
  Refuse(name);
  return nullptr;
}

void Reader::Refuse(std::string_view name) {
  if (!bad_field_) bad_field_ = name;
}

std::string Reader::Text(const char* name) {
  const Value* field = Field(name, &Value::is_string);
  return field == nullptr ? std::string() : *field->get_ptr<const Value::string_t*>();
}

Bytes Reader::Blob(const char* name) {
  const Value* field = Field(name, &Value::is_binary);
  if (field == nullptr) return {};
  const Value::binary_t& blob = *field->get_ptr<const Value::binary_t*>();
  return {blob.begin(), blob.end()};
}

std::uint64_t Reader::Number(const char* name) {
  const Value* field = Field(name, &Value::is_number_unsigned);
  return field == nullptr ? 0 : *field->get_ptr<const Value::number_unsigned_t*>();
}

std::int64_t Reader::Signed(const char* name) {
  const Value* field = Field(name, &Value::is_number_integer);
  return field == nullptr ? 0 : field->get<std::int64_t>();
}

bool Reader::Flag(const char* name) {
  const Value* field = Field(name, &Value::is_boolean);
  return field != nullptr && field->get<bool>();
}

const Value& Reader::Map(const char* name) {
  const Value* field = Field(name, &Value::is_object);
  return field == nullptr ? empty_ : *field;
}

const Value& Reader::List(const char* name) {
  const Value* field = Field(name, &Value::is_array);
  return field == nullptr ? empty_ : *field;
}

Status Reader::CheckVersion(std::uint64_t known) {
  const std::uint64_t version = Number("v");
  if (version > known) {
    return Fail(ErrorCode::kHomeNewer, Cat(what_, " has format ", version, ", this program knows ",
                                           known, "; use the newer hsm-provider"));
  }
  if (version == 0) Refuse("v");
  return {};
}

Status Reader::Finish() const {
  if (!bad_field_) return {};
  return Fail(ErrorCode::kRecordDamaged, Cat(what_, ": field '", *bad_field_, "' is not right"));
}

}  // namespace hsmcore::cbor
