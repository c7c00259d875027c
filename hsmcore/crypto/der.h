// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_DER_H_
#define HSMCORE_CRYPTO_DER_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string_view>

#include "hsmcore/types.h"

// The little DER (X.690) that keys and key references need. Reading copies nothing, so that private
// keys leave no trace; OpenSSL parses and writes the headers.
namespace hsmcore::crypto::der {

// Identifier octets.
constexpr std::uint8_t kInteger = 0x02;
constexpr std::uint8_t kBitString = 0x03;
constexpr std::uint8_t kOctetString = 0x04;
constexpr std::uint8_t kNull = 0x05;
constexpr std::uint8_t kOid = 0x06;
constexpr std::uint8_t kUtf8String = 0x0c;
constexpr std::uint8_t kSequence = 0x30;
constexpr std::uint8_t kContext = 0xa0;  // + number: explicit or constructed
constexpr std::uint8_t kContextPrimitive = 0x80;

// Reads elements one after the other. Nothing: the next element is not of that type, or not DER.
class Reader {
 public:
  explicit Reader(ByteView data) : rest_(data) {}

  bool empty() const { return rest_.empty(); }
  bool NextIs(std::uint8_t identifier) const;
  ByteView rest() const { return rest_; }

  std::optional<ByteView> Next(std::uint8_t identifier);  // the contents
  std::optional<Reader> Enter(std::uint8_t identifier);
  std::optional<ByteView> Unsigned();     // an INTEGER >= 0, without leading zeros: 0 is empty
  std::optional<unsigned> SmallNumber();  // an INTEGER of 0..65535
  std::optional<ByteView> BitString();    // whole bytes only

 private:
  ByteView rest_;
};

Bytes Element(std::uint8_t identifier, std::initializer_list<ByteView> contents);
Bytes Unsigned(ByteView big_endian);
Bytes SmallNumber(unsigned value);
Bytes BitString(ByteView bytes);
// The contents of an OBJECT IDENTIFIER from its dotted text.
Bytes OidContents(std::string_view dotted);
// SEQUENCE { algorithm OBJECT IDENTIFIER, parameters }; `parameters` is a whole element or empty.
Bytes AlgorithmIdentifier(std::string_view dotted, ByteView parameters);

}  // namespace hsmcore::crypto::der

#endif  // HSMCORE_CRYPTO_DER_H_
