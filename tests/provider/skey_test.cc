// SPDX-License-Identifier: Apache-2.0
// EVP_SKEY: where keys come from, and what does not come out.
#include <algorithm>
#include <set>

#include "provider/skey_support.h"

namespace provider::test {
namespace {

using hsmcore::Attribute;
using hsmcore::ErrorCode;
using hsmcore::KeyType;

constexpr KeyType kTypes[] = {KeyType::kAes, KeyType::kAesXts, KeyType::kGenericSecret,
                              KeyType::kDes3, KeyType::kChaCha20};

TEST_F(SkeyTest, TheHsmManagesEveryTypeOfSecretKeys) {
  for (const KeyType type : kTypes) {
    SCOPED_TRACE(ManagerOf(type));
    const Skey key = Generate(ManagerOf(type), {});
    ASSERT_NE(key, nullptr) << ErrorDetails();
    EXPECT_STREQ(EVP_SKEY_get0_provider_name(key.get()), "hsm");
    EXPECT_TRUE(EVP_SKEY_is_a(key.get(), ManagerOf(type)));
    EXPECT_TRUE(std::string_view(EVP_SKEY_get0_key_id(key.get())).starts_with("hsm:handle=0x8"));
  }
}

TEST_F(SkeyTest, AnnouncesWhatItTakes) {
  EVP_SKEYMGMT* manager = EVP_SKEYMGMT_fetch(library_.get(), "AES", kHsm);
  ASSERT_NE(manager, nullptr) << ErrorDetails();
  std::set<std::string> expected = {"hsm-cluster", "key-length"};
  for (const auto& row : hsmcore::AllAttributes()) {
    if (row.at_creation != hsmcore::NewRule::kNo) expected.insert(std::string("hsm-") + row.name);
  }
  std::set<std::string> found;
  for (const OSSL_PARAM* param = EVP_SKEYMGMT_get0_gen_settable_params(manager);
       param->key != nullptr; ++param) {
    found.insert(param->key);
  }
  EXPECT_EQ(found, expected);
  const OSSL_PARAM* import = EVP_SKEYMGMT_get0_imp_settable_params(manager);
  EXPECT_NE(OSSL_PARAM_locate_const(import, "raw-bytes"), nullptr);
  EXPECT_NE(OSSL_PARAM_locate_const(import, "hsm-key"), nullptr);
  EVP_SKEYMGMT_free(manager);
}

TEST_F(SkeyTest, AKeyWithANameIsKept) {
  Skey key = Generate("AES", Params()
                                 .Number("key-length", 24)
                                 .Text("hsm-label", "kept")
                                 .Text("hsm-id", "c0ffee")
                                 .Text("hsm-extractable", "false")
                                 .Text("hsm-wrap", "true"));
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const std::string id = EVP_SKEY_get0_key_id(key.get());
  key = nullptr;
  const hsmcore::KeyInfo info = SecretInfo("kept");
  EXPECT_EQ(id, "hsm:handle=" + info.handle.ToString() + ";type=secret-key");
  EXPECT_EQ(info.type(), KeyType::kAes);
  EXPECT_EQ(std::get<hsmcore::SecretFacts>(info.public_part).length, 24U);
  EXPECT_EQ(info.attributes.id, (Bytes{0xc0, 0xff, 0xee}));
  const auto flags = info.attributes.flags;
  for (const Attribute on : {Attribute::kToken, Attribute::kLocal, Attribute::kNeverExtractable,
                             Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kWrap}) {
    EXPECT_TRUE(flags.Has(on)) << hsmcore::RowOf(on).name;
  }
  EXPECT_FALSE(flags.Has(Attribute::kUnwrap));
  // The id names it.
  EXPECT_NE(Held(KeyType::kAes, id), nullptr);
}

TEST_F(SkeyTest, AKeyWithoutANameEndsWithTheProgram) {
  ASSERT_NE(Generate("GENERIC-SECRET", Params().Number("key-length", 20)), nullptr);
  ASSERT_NE(Generate("AES", Params().Text("hsm-label", "x").Text("hsm-token", "false")), nullptr);
  EXPECT_EQ(CountKeys(), 0U);
}

TEST_F(SkeyTest, RefusesToGenerateWhatDoesNotFit) {
  const auto refuse = [&](const char* manager, Params params, ErrorCode code,
                          const std::string& text) {
    EXPECT_EQ(Generate(manager, std::move(params)), nullptr) << text;
    ExpectError(code, text);
  };
  refuse("AES", Params().Number("key-length", 33), ErrorCode::kKeySize, "not 33");
  refuse("AES", Params().Number("key-length", 0), ErrorCode::kKeySize, "'key-length'");
  refuse("AES", Params().Text("key-length", "32"), ErrorCode::kInvalidArgument, "'key-length'");
  refuse("3DES", Params().Number("key-length", 16), ErrorCode::kKeySize, "24 bytes, not 16");
  refuse("GENERIC-SECRET", Params().Number("key-length", ~std::uint64_t{0}), ErrorCode::kKeySize,
         "1 to 16384");
  refuse("AES", Params().Text("hsm-sign", "perhaps"), ErrorCode::kAttributeValue, "hsm-sign");
  refuse("AES", Params().Text("hsm-label", std::string(200, 'a')), ErrorCode::kAttributeValue,
         "label");
  EXPECT_EQ(CountKeys(), 0U);
}

TEST_F(SkeyTest, RefusesToImportWhatDoesNotFit) {
  const Bytes bytes = random_(32);
  const std::string uri = Secret("aes", KeyType::kAes, bytes);
  const auto refuse = [&](const char* manager, Params params, ErrorCode code,
                          const std::string& text) {
    EXPECT_EQ(Import(manager, std::move(params)), nullptr) << text;
    ExpectError(code, text);
  };
  refuse("AES", {}, ErrorCode::kInvalidArgument, "no key is given");
  refuse("AES", Params().Octets("raw-bytes", bytes).Text("hsm-key", uri),
         ErrorCode::kInvalidArgument, "key bytes and hsm-key");
  refuse("AES", Params().Text("raw-bytes", "text"), ErrorCode::kInvalidArgument, "'raw-bytes'");
  refuse("AES", Params().Octets("hsm-key", bytes), ErrorCode::kInvalidArgument, "'hsm-key'");
  refuse("AES", Params().Octets("raw-bytes", random_(31)), ErrorCode::kKeySize, "not 31");
  refuse("AES", Params().Octets("raw-bytes", {}), ErrorCode::kKeySize, "not 0");
  refuse("GENERIC-SECRET", Params().Octets("raw-bytes", {}), ErrorCode::kKeySize, "not 0");
  refuse("GENERIC-SECRET", Params().Octets("raw-bytes", Bytes(16385)), ErrorCode::kKeySize,
         "not 16385");
  refuse("3DES", Params().Octets("raw-bytes", Bytes(24, 7)), ErrorCode::kKeyImport, "equal");
  refuse("AES", Params().Text("hsm-key", "aes"), ErrorCode::kUri, "");
  refuse("AES", Params().Text("hsm-key", ""), ErrorCode::kUri, "");
  refuse("AES", Params().Text("hsm-key", "hsm:other"), ErrorCode::kKeyNotFound, "other");
  refuse("AES", Params().Text("hsm-key", "hsm:aes;type=private"), ErrorCode::kKeyTypeMismatch,
         "private");
  refuse("GENERIC-SECRET", Params().Text("hsm-key", uri), ErrorCode::kKeyTypeMismatch,
         "whose key management is AES, not GENERIC-SECRET");
  EXPECT_EQ(Import("AES", Params().Text("hsm-key", uri), OSSL_SKEYMGMT_SELECT_PARAMETERS), nullptr);
  ExpectError(ErrorCode::kInvalidArgument, "nothing to import but itself");
  // Bytes that are not there.
  const OSSL_PARAM none[] = {{"raw-bytes", OSSL_PARAM_OCTET_STRING, nullptr, 32, 0},
                             OSSL_PARAM_construct_end()};
  EXPECT_EQ(EVP_SKEY_import(library_.get(), "AES", kHsm, OSSL_SKEYMGMT_SELECT_ALL, none), nullptr);
  ExpectError(ErrorCode::kInvalidArgument, "'raw-bytes'");
}

TEST_F(SkeyTest, KeysInTheHsmNeedALogin) {
  const std::string uri = Secret("aes", KeyType::kAes, random_(32));
  unsetenv("HSM_PIN");
  EXPECT_EQ(Import("AES", Params().Text("hsm-key", uri)), nullptr);
  ExpectError(ErrorCode::kLoginRequired, "HSM_PIN");
  EXPECT_EQ(Generate("AES", Params().Text("hsm-label", "x")), nullptr);
  ExpectError(ErrorCode::kLoginRequired, "HSM_PIN");
  // Keys of the program need none.
  EXPECT_NE(Generate("AES", {}), nullptr) << ErrorDetails();
  EXPECT_NE(Given("AES", random_(32)), nullptr) << ErrorDetails();
}

// A name has one meaning in libcrypto, whatever the operation: names of ours that mean something
// else there would take algorithms of OpenSSL's away.
TEST_F(SkeyTest, ItsNamesTakeNothingAway) {
  for (const KeyType type : kTypes) ASSERT_NE(Generate(ManagerOf(type), {}), nullptr);
  const Library fresh;
  EXPECT_EQ(NamesOf<EVP_CIPHER>(library_, "default"), NamesOf<EVP_CIPHER>(fresh, "default"));
  for (const char* name : {"DES3", "DES-EDE3-CBC", "DES-EDE3-ECB", "ChaCha20", "AES-256-XTS"}) {
    EXPECT_NE(Ours(name), nullptr);
    EXPECT_NE(Theirs(name), nullptr);
  }
}

TEST_F(SkeyTest, GivenKeysComeOutAgain) {
  const Bytes bytes = random_(32);
  const Skey key = Given("AES", bytes);
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_EQ(RawKey(key.get()), bytes);
  const Skey moved = InDefault(key.get());
  ASSERT_NE(moved, nullptr) << ErrorDetails();
  EXPECT_STREQ(EVP_SKEY_get0_provider_name(moved.get()), "default");
  EXPECT_EQ(RawKey(moved.get()), bytes);
  // And in again.
  const Skey back(
      EVP_SKEY_to_provider(moved.get(), library_.get(), library_.Provider("hsm"), nullptr));
  ASSERT_NE(back, nullptr) << ErrorDetails();
  EXPECT_EQ(RawKey(back.get()), bytes);
  EXPECT_EQ(CountKeys(), 0U);
}

TEST_F(SkeyTest, NoOtherKeyComesOut) {
  const Skey keys[] = {HeldSecret("held", KeyType::kAes, random_(32)), Generate("AES", {}),
                       Generate("AES", Params().Text("hsm-label", "made"))};
  for (const Skey& key : keys) {
    ASSERT_NE(key, nullptr) << ErrorDetails();
    EXPECT_FALSE(RawKey(key.get()));
    ExpectError(ErrorCode::kSecretKeyHeld, "do not leave the HSM");
    EXPECT_EQ(InDefault(key.get()), nullptr);
    ExpectError(ErrorCode::kSecretKeyHeld, "do not leave the HSM");
  }
}

// The length is no secret.
TEST_F(SkeyTest, TellsTheLength) {
  const Skey key = Generate("AES", Params().Number("key-length", 24));
  std::size_t length = 0;
  const auto take = [](const OSSL_PARAM params[], void* argument) {
    EXPECT_EQ(OSSL_PARAM_locate_const(params, "raw-bytes"), nullptr);
    return OSSL_PARAM_get_size_t(OSSL_PARAM_locate_const(params, "key-length"),
                                 static_cast<std::size_t*>(argument));
  };
  EXPECT_EQ(EVP_SKEY_export(key.get(), OSSL_SKEYMGMT_SELECT_PARAMETERS, take, &length), 1)
      << ErrorDetails();
  EXPECT_EQ(length, 24U);
  const auto refuse = [](const OSSL_PARAM*, void*) { return 0; };
  EXPECT_EQ(EVP_SKEY_export(key.get(), OSSL_SKEYMGMT_SELECT_PARAMETERS, refuse, nullptr), 0);
  ExpectError(ErrorCode::kNotSupported, "did not take the key");
}

// OpenSSL asks for the bytes of a key where a cipher takes no EVP_SKEY.
TEST_F(SkeyTest, AHeldKeyStaysWithWhatTakesIt) {
  const Bytes bytes = random_(32);
  const Bytes nonce = random_(16);
  const Skey held = HeldSecret("held", KeyType::kAes, bytes);
  const CipherCtx context(EVP_CIPHER_CTX_new());
  EXPECT_FALSE(Begin(context.get(), Ours("AES-256-OFB").get(), held.get(), nonce));
  ExpectError(ErrorCode::kSecretKeyHeld, "that take held keys");
  EXPECT_FALSE(Begin(context.get(), Theirs("AES-256-CBC").get(), held.get(), nonce));
  EXPECT_NE(ERR_peek_error(), 0U);
  ERR_clear_error();
  // A program's own key goes on.
  EXPECT_TRUE(Begin(context.get(), Ours("AES-256-OFB").get(), Given("AES", bytes).get(), nonce))
      << ErrorDetails();
}

TEST_F(SkeyTest, TheLastReferenceEndsIt) {
  const Skey key = HeldSecret("held", KeyType::kAes, random_(32));
  ASSERT_EQ(EVP_SKEY_up_ref(key.get()), 1);
  const Skey second(key.get());
  EXPECT_STREQ(EVP_SKEY_get0_provider_name(second.get()), "hsm");
}

}  // namespace
}  // namespace provider::test
