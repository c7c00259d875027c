// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/key_uri.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace hsmcore {
namespace {

TEST(KeyUriTest, ShortForm) {
  const auto uri = KeyUri::Parse("hsm:tls-2026");
  ASSERT_TRUE(uri.has_value());
  EXPECT_EQ(uri->object, "tls-2026");
  EXPECT_EQ(uri->ToString(), "hsm:object=tls-2026");
}

TEST(KeyUriTest, ShortFormBeforeOtherAttributes) {
  const auto uri = KeyUri::Parse("hsm:tls;type=public");
  ASSERT_TRUE(uri.has_value()) << uri.error().Message();
  EXPECT_EQ(uri->object, "tls");
  EXPECT_EQ(uri->klass, KeyClass::kPublicKey);
  for (const char* text : {"hsm:tls;", "hsm:tls;object=b", "hsm:type=public;tls", ""}) {
    EXPECT_FALSE(KeyUri::Parse(text).has_value()) << text;
  }
}

TEST(KeyUriTest, EveryAttribute) {
  const auto uri = KeyUri::Parse(
      "hsm:cluster=c1;user=web;object=my%20key;id=%00%ff;handle=0x40000;type=private"
      "?pin-source=file:/etc/hsm/pin&pin-value=p%3aw");
  ASSERT_TRUE(uri.has_value()) << uri.error().Message();
  EXPECT_EQ(uri->cluster, "c1");
  EXPECT_EQ(uri->user, "web");
  EXPECT_EQ(uri->object, "my key");
  EXPECT_EQ(uri->id, (Bytes{0, 0xff}));
  EXPECT_EQ(uri->handle, KeyHandle{0x40000});
  EXPECT_EQ(uri->klass, KeyClass::kPrivateKey);
  EXPECT_EQ(uri->pin_source, "file:/etc/hsm/pin");
  ASSERT_TRUE(uri->pin_value.has_value());
  EXPECT_EQ(uri->pin_value->ReadText(SecretAccess{"test"}), "p:w");
}

TEST(KeyUriTest, WritesWhatItReadsButNeverAPin) {
  for (const char* text :
       {"hsm:", "hsm:object=a", "hsm:cluster=c;object=a%3bb;id=%01%02;type=public",
        "hsm:handle=0x0000000000040000;type=private", "hsm:type=cert", "hsm:type=secret-key",
        "hsm:object=a?pin-source=file:/p"}) {
    const auto uri = KeyUri::Parse(text);
    ASSERT_TRUE(uri.has_value()) << text;
    EXPECT_EQ(uri->ToString(), text);
  }
  const auto secret = KeyUri::Parse("hsm:object=a?pin-value=hunter2hunter2");
  ASSERT_TRUE(secret.has_value());
  EXPECT_EQ(secret->ToString().find("hunter2"), std::string::npos);
}

TEST(KeyUriTest, SchemeIgnoresCase) {
  EXPECT_TRUE(KeyUri::HasScheme("HSM:x"));
  EXPECT_TRUE(KeyUri::Parse("Hsm:x").has_value());
  EXPECT_FALSE(KeyUri::HasScheme("hs"));
  EXPECT_FALSE(KeyUri::HasScheme("pkcs11:x"));
}

TEST(KeyUriTest, MalformedOnesAreNamed) {
  for (const char* text : {"",
                           "pkcs11:object=a",
                           "hsm:object=a;object=b",
                           "hsm:colour=red",
                           "hsm:object=%",
                           "hsm:object=%4",
                           "hsm:object=%zz",
                           "hsm:object=a%00b",
                           "hsm:object=a b",
                           "hsm:object=a;",
                           "hsm:;",
                           "hsm:=a",
                           "hsm:object",
                           "hsm:type=other",
                           "hsm:handle=17",
                           "hsm:handle=0xfffffffffffffffff",
                           "hsm:object=a?pin=1",
                           "hsm:object=a?pin-value=1&pin-value=2",
                           "hsm:a;b",
                           "hsm:type=cert;type=public",
                           "hsm:object=a?pin-source=x&",
                           "hsm:object=",
                           "hsm:id=",
                           "hsm:a;user=",
                           "hsm:a;cluster=",
                           "hsm:a?pin-source=",
                           "hsm:a?pin-value="}) {
    const auto uri = KeyUri::Parse(text);
    if (std::string_view(text) == "hsm:object") {
      EXPECT_TRUE(uri.has_value()) << "a label that looks like a name is a label";
      continue;
    }
    ASSERT_FALSE(uri.has_value()) << text;
    EXPECT_FALSE(uri.error().detail().empty());
  }
  EXPECT_FALSE(KeyUri::Parse("hsm:" + std::string(5000, 'a')).has_value());
  EXPECT_FALSE(KeyUri::Parse("hsm:" + std::string(128, 'a')).has_value());  // label too long
}

TEST(KeyUriTest, AnEmptyValueIsNamed) {
  const auto uri = KeyUri::Parse("hsm:web;user=");
  ASSERT_FALSE(uri.has_value());
  EXPECT_EQ(uri.error().code(), ErrorCode::kUri);
  EXPECT_NE(uri.error().detail().find("'user' is empty"), std::string::npos)
      << uri.error().detail();
}

TEST(KeyUriTest, ErrorsNeverHoldAPin) {
  const auto uri = KeyUri::Parse("hsm:object=a?pin-value=hunter2%");
  ASSERT_FALSE(uri.has_value());
  EXPECT_EQ(uri.error().Message().find("hunter2"), std::string::npos);
}

TEST(KeyUriTest, SurvivesRandomBytes) {
  std::mt19937 random(7);
  const std::string alphabet = "hsm:object=;type?&%0aZ-./";
  for (int i = 0; i < 20000; ++i) {
    std::string text = "hsm:";
    for (auto length = random() % 40; length > 0; --length) {
      text += alphabet[random() % alphabet.size()];
    }
    const auto uri = KeyUri::Parse(text);
    if (!uri) continue;
    const auto again = KeyUri::Parse(uri->ToString());
    ASSERT_TRUE(again.has_value()) << text << " -> " << uri->ToString();
    EXPECT_EQ(again->object, uri->object);
    EXPECT_EQ(again->id, uri->id);
  }
}

}  // namespace
}  // namespace hsmcore
