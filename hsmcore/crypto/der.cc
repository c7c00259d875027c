// SPDX-License-Identifier: Apache-2.0
#include "crypto/der.h"

#include <openssl/asn1.h>

#include <array>
#include <string>

#include "crypto/library.h"

namespace hsmcore::crypto::der {
namespace {

constexpr std::uint8_t kConstructed = 0x20;
constexpr std::uint8_t kTagNumber = 0x1f;
constexpr std::uint8_t kClass = 0xc0;

}  // namespace

bool Reader::NextIs(std::uint8_t identifier) const {
  return !rest_.empty() && rest_.front() == identifier;
}

std::optional<ByteView> Reader::Next(std::uint8_t identifier) {
  if (!NextIs(identifier)) return std::nullopt;
  const ErrorMark errors;
  const unsigned char* contents = rest_.data();
  OpensslLong length = 0;
  int tag = 0;
  int klass = 0;
  const int form =
      ASN1_get_object(&contents, &length, &tag, &klass, static_cast<OpensslLong>(rest_.size()));
  const OpensslLong header = contents - rest_.data();
  constexpr int kError = 0x80;
  constexpr int kIndefinite = 0x01;
  // An indefinite length, or a longer header than needed, is BER.
  if ((form & (kError | kIndefinite)) != 0 ||
      ASN1_object_size(0, static_cast<int>(length), tag) != header + length) {
    return std::nullopt;
  }
  const ByteView value =
      rest_.subspan(static_cast<std::size_t>(header), static_cast<std::size_t>(length));
  rest_ = rest_.subspan(static_cast<std::size_t>(header + length));
  return value;
}

std::optional<Reader> Reader::Enter(std::uint8_t identifier) {
  const auto contents = Next(identifier);
  if (!contents) return std::nullopt;
  return Reader(*contents);
}

std::optional<ByteView> Reader::Unsigned() {
  const auto value = Next(kInteger);
  if (!value || value->empty() || (value->front() & 0x80) != 0) return std::nullopt;
  if (value->front() != 0) return value;
  if (value->size() > 1 && ((*value)[1] & 0x80) == 0) return std::nullopt;
  return value->subspan(1);
}

std::optional<unsigned> Reader::SmallNumber() {
  const auto value = Unsigned();
  if (!value || value->size() > 2) return std::nullopt;
  unsigned number = 0;
  for (const std::uint8_t byte : *value) number = (number << 8) | byte;
  return number;
}

std::optional<ByteView> Reader::BitString() {
  const auto value = Next(kBitString);
  if (!value || value->empty() || value->front() != 0) return std::nullopt;
  return value->subspan(1);
}

Bytes Element(std::uint8_t identifier, std::initializer_list<ByteView> contents) {
  std::size_t length = 0;
  for (const ByteView part : contents) length += part.size();
  const int constructed = (identifier & kConstructed) != 0 ? 1 : 0;
  const int tag = identifier & kTagNumber;
  const int total = ASN1_object_size(constructed, static_cast<int>(length), tag);
  Bytes element(static_cast<std::size_t>(total) - length);
  unsigned char* out = element.data();
  ASN1_put_object(&out, constructed, static_cast<int>(length), tag, identifier & kClass);
  for (const ByteView part : contents) element.insert(element.end(), part.begin(), part.end());
  return element;
}

Bytes Unsigned(ByteView big_endian) {
  static constexpr std::array<std::uint8_t, 1> kZero = {0};
  const bool needs_zero = big_endian.empty() || (big_endian.front() & 0x80) != 0;
  return Element(kInteger, {needs_zero ? ByteView(kZero) : ByteView{}, big_endian});
}

Bytes SmallNumber(unsigned value) {
  Bytes bytes;
  for (; value != 0; value >>= 8) bytes.insert(bytes.begin(), static_cast<std::uint8_t>(value));
  return Unsigned(bytes);
}

Bytes BitString(ByteView bytes) {
  static constexpr std::array<std::uint8_t, 1> kNoUnusedBits = {0};
  return Element(kBitString, {kNoUnusedBits, bytes});
}

Bytes OidContents(std::string_view dotted) {
  std::array<std::uint8_t, 32> buffer{};
  const int length = a2d_ASN1_OBJECT(buffer.data(), static_cast<int>(buffer.size()), dotted.data(),
                                     static_cast<int>(dotted.size()));
  return {buffer.begin(), buffer.begin() + length};
}

Bytes AlgorithmIdentifier(std::string_view dotted, ByteView parameters) {
  return Element(kSequence, {Element(kOid, {OidContents(dotted)}), parameters});
}

}  // namespace hsmcore::crypto::der
