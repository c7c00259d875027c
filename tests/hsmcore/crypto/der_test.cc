// SPDX-License-Identifier: Apache-2.0
#include "crypto/der.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

namespace hsmcore::crypto::der {
namespace {

TEST(DerTest, WritesWhatItReads) {
  for (const std::size_t size : {0U, 1U, 127U, 128U, 255U, 256U, 65535U, 65536U}) {
    const Bytes contents(size, 0x5a);
    const Bytes element = Element(kOctetString, {contents});
    Reader reader(element);
    const auto read = reader.Next(kOctetString);
    ASSERT_TRUE(read) << size;
    EXPECT_EQ(Bytes(read->begin(), read->end()), contents);
    EXPECT_TRUE(reader.empty());
  }
  EXPECT_EQ(Element(kContext + 1, {Bytes{5, 0}}), (Bytes{0xa1, 2, 5, 0}));
}

TEST(DerTest, NumbersAreMinimalAndUnsigned) {
  EXPECT_EQ(SmallNumber(0), (Bytes{2, 1, 0}));
  EXPECT_EQ(SmallNumber(127), (Bytes{2, 1, 127}));
  EXPECT_EQ(SmallNumber(128), (Bytes{2, 2, 0, 128}));
  for (const unsigned number : {0U, 1U, 127U, 128U, 255U, 256U, 65535U}) {
    const Bytes element = SmallNumber(number);
    Reader reader(element);
    EXPECT_EQ(reader.SmallNumber(), number);
  }
  for (const Bytes& bad :
       {Bytes{2, 0}, Bytes{2, 1, 0x80}, Bytes{2, 2, 0, 1}, Bytes{2, 2, 0xff, 1}}) {
    Reader reader(bad);
    EXPECT_FALSE(reader.Unsigned());
  }
  const Bytes large{2, 3, 1, 0, 0};
  Reader reader(large);
  EXPECT_FALSE(reader.SmallNumber());
}

TEST(DerTest, TakesNoBerAndNothingCutShort) {
  for (const Bytes& bad : {
           Bytes{},                  // nothing
           Bytes{4},                 // no length
           Bytes{4, 2, 1},           // cut short
           Bytes{4, 0x81, 1, 1},     // a longer length than needed
           Bytes{4, 0x82, 0, 1, 1},  // the same
           Bytes{4, 0x80, 1, 0, 0},  // indefinite
           Bytes{4, 0x84, 0xff, 0xff, 0xff, 0xff, 1},
           Bytes{4, 0x88, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
           Bytes{5, 1, 1},  // another type
       }) {
    Reader reader(bad);
    EXPECT_FALSE(reader.Next(kOctetString));
  }
  const Bytes indefinite{0x30, 0x80, 0, 0};
  Reader reader(indefinite);
  EXPECT_FALSE(reader.Enter(kSequence));
  EXPECT_EQ(ERR_peek_error(), 0UL);
}

TEST(DerTest, BitStringsHaveWholeBytes) {
  const Bytes good = BitString(Bytes{1, 2});
  Reader reader(good);
  const auto bits = reader.BitString();
  ASSERT_TRUE(bits);
  EXPECT_EQ(Bytes(bits->begin(), bits->end()), (Bytes{1, 2}));
  for (const Bytes& bad : {Bytes{3, 0}, Bytes{3, 2, 1, 2}}) {
    Reader other(bad);
    EXPECT_FALSE(other.BitString());
  }
}

TEST(DerTest, ObjectIdentifiers) {
  EXPECT_EQ(OidContents("1.2.840.113549"), (Bytes{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d}));
}

}  // namespace
}  // namespace hsmcore::crypto::der
