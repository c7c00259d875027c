// SPDX-License-Identifier: Apache-2.0
// One key in both providers: what one of them makes, the other one takes, and the same way back.
// Parameters and data are random, from a seed that a failing test prints.
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <optional>
#include <string>

#include "provider/forwarded_support.h"
#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::Digest;
using hsmcore::DigestRow;
using hsmcore::KeyForm;
using hsmcore::KeyPurpose;
using hsmcore::KeyType;
using hsmcore::KeyTypeRow;

// As `openssl pkeyutl -pkeyopt` takes them.
using Options = std::vector<std::pair<std::string, std::string>>;

std::string Hex(ByteView bytes) {
  constexpr const char* kDigits = "0123456789abcdef";
  std::string text;
  for (const std::uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

std::string Describe(const Options& options) {
  std::string text;
  for (const auto& [name, value] : options) text += " " + name + ":" + value;
  return text;
}

struct Twins {
  Pkey theirs;
  Pkey ours;
};

class CrossCheckTest : public ProviderTest {
 protected:
  CrossCheckTest() : trace_(__FILE__, __LINE__, random_.Trace()) {}

  // The default provider's key, and the same one as a session key in the HSM.
  Twins Twin(Pkey theirs) const {
    OSSL_PARAM* params = nullptr;
    EXPECT_EQ(EVP_PKEY_todata(theirs.get(), EVP_PKEY_KEYPAIR, &params), 1);
    const Ptr<OSSL_PARAM> owner(params);
    const Ptr<EVP_PKEY_CTX> context(
        EVP_PKEY_CTX_new_from_name(library_.get(), EVP_PKEY_get0_type_name(theirs.get()), kHsm));
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_fromdata_init(context.get()), 1);
    EXPECT_EQ(EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_KEYPAIR, params), 1)
        << ErrorDetails();
    EXPECT_EQ(ProviderOf(key), "hsm");
    return {std::move(theirs), Pkey(key)};
  }
  Pkey Generated(const char* type, std::size_t bits = 0) const {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(library_.get(), type, kDefault));
    EVP_PKEY* key = nullptr;
    EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
    if (bits != 0) {
      EXPECT_EQ(EVP_PKEY_CTX_set_rsa_keygen_bits(context.get(), static_cast<int>(bits)), 1);
    }
    EXPECT_EQ(EVP_PKEY_generate(context.get(), &key), 1) << type;
    return Pkey(key);
  }
  Twins Ec(const char* group) const {
    return Twin(Pkey(EVP_PKEY_Q_keygen(library_.get(), kDefault, "EC", group)));
  }
  Twins Rsa(std::size_t bits) const { return Twin(Generated("RSA", bits)); }
  Twins Raw(const KeyTypeRow& row) const { return Twin(Generated(row.openssl)); }

  std::optional<Bytes> Sign(EVP_PKEY* key, const char* digest, const Options& options,
                            const Bytes& message) const {
    const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* operation = nullptr;
    std::size_t size = static_cast<std::size_t>(EVP_PKEY_get_size(key));
    Bytes signature(size);
    const bool made =
        EVP_DigestSignInit_ex(context.get(), &operation, digest, library_.get(), nullptr, key,
                              nullptr) == 1 &&
        Set(operation, options) &&
        EVP_DigestSign(context.get(), signature.data(), &size, message.data(), message.size()) == 1;
    if (!made) return std::nullopt;
    signature.resize(size);
    return signature;
  }
  bool Verify(EVP_PKEY* key, const char* digest, const Options& options, const Bytes& message,
              const Bytes& signature) const {
    const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
    EVP_PKEY_CTX* operation = nullptr;
    return EVP_DigestVerifyInit_ex(context.get(), &operation, digest, library_.get(), nullptr, key,
                                   nullptr) == 1 &&
           Set(operation, options) &&
           EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                            message.size()) == 1;
  }
  static bool Set(EVP_PKEY_CTX* context, const Options& options) {
    return std::ranges::all_of(options, [context](const auto& option) {
      return EVP_PKEY_CTX_ctrl_str(context, option.first.c_str(), option.second.c_str()) == 1;
    });
  }

  // Both sign or neither does; each takes the other's signature, and none over another message.
  void ExpectSameSignatures(const Twins& key, const char* digest, const Options& options) {
    SCOPED_TRACE(std::string(digest == nullptr ? "" : digest) + Describe(options));
    Bytes message = random_(1 + random_.Below(500));
    const auto ours = Sign(key.ours.get(), digest, options, message);
    const std::string details = ErrorDetails();
    const auto theirs = Sign(key.theirs.get(), digest, options, message);
    ASSERT_EQ(ours.has_value(), theirs.has_value()) << details;
    ERR_clear_error();
    if (!ours) return;
    ++compared_;
    if (!options.empty() && options.back().first == "deterministic") {
      EXPECT_EQ(*ours, *theirs);
    }
    EXPECT_TRUE(Verify(key.theirs.get(), digest, options, message, *ours));
    EXPECT_TRUE(Verify(key.ours.get(), digest, options, message, *theirs)) << ErrorDetails();
    message[random_.Below(message.size())] ^= 1;
    EXPECT_FALSE(Verify(key.ours.get(), digest, options, message, *theirs));
    EXPECT_FALSE(Verify(key.ours.get(), digest, options, message, *ours));
    ERR_clear_error();
  }

  Options Context(std::size_t longest = 255) {
    const Bytes context = random_(1 + random_.Below(longest));
    return {{"hexcontext-string", Hex(context)}};
  }

  const char* AnyDigest() {
    constexpr std::array kDigests = {"SHA1",     "SHA2-224", "SHA2-256",    "SHA2-384",
                                     "SHA2-512", "SHA3-256", "SHA2-512/256"};
    return kDigests[random_.Below(kDigests.size())];
  }

  const Library library_;
  Random random_;
  const testing::ScopedTrace trace_;
  std::size_t compared_ = 0;
};

// ---- Signatures ---------------------------------------------------------------------------------

TEST_F(CrossCheckTest, RsaSignaturesOfEveryPaddingAndDigest) {
  const Twins keys[] = {Rsa(2048), Rsa(2304)};
  for (const Twins& key : keys) {
    for (const DigestRow& row : hsmcore::AllDigests()) {
      if (row.digest == Digest::kNone) continue;
      for (const char* padding : {"pkcs1", "x931"}) {
        ExpectSameSignatures(key, row.name, {{"rsa_padding_mode", padding}});
      }
      for (const char* salt : {"digest", "max", "auto", "0", "17"}) {
        ExpectSameSignatures(
            key, row.name,
            {{"rsa_padding_mode", "pss"}, {"rsa_pss_saltlen", salt}, {"rsa_mgf1_md", AnyDigest()}});
      }
    }
  }
  EXPECT_GT(compared_, 100U);
}

TEST_F(CrossCheckTest, RsaPssKeysWithEveryDigest) {
  const Twins key = Twin(Generated("RSA-PSS", 2048));
  for (const DigestRow& row : hsmcore::AllDigests()) {
    if (row.digest == Digest::kNone) continue;
    ExpectSameSignatures(key, row.name,
                         {{"rsa_pss_saltlen", "digest"}, {"rsa_mgf1_md", AnyDigest()}});
  }
  EXPECT_GT(compared_, 8U);
}

TEST_F(CrossCheckTest, EcdsaOnEveryCurveWithEveryDigest) {
  for (const hsmcore::CurveRow& curve : hsmcore::AllCurves()) {
    SCOPED_TRACE(curve.name);
    const Twins key = Ec(curve.name);
    for (const DigestRow& row : hsmcore::AllDigests()) {
      if (row.digest != Digest::kNone) ExpectSameSignatures(key, row.name, {});
    }
  }
  EXPECT_GT(compared_, 50U);
}

// The keys whose signatures are over whole messages, in every parameter set.
TEST_F(CrossCheckTest, WholeMessagesOfEveryParameterSet) {
  for (const KeyTypeRow& row : hsmcore::AllKeyTypes()) {
    if (row.form != KeyForm::kRaw || row.purpose != KeyPurpose::kSign) continue;
    if (!hsmcore::IsAvailable(row.type)) continue;
    SCOPED_TRACE(row.openssl);
    const Twins key = Raw(row);
    const bool small = std::string_view(row.openssl).ends_with('s');  // SLH-DSA: slow to sign
    if (!small) ExpectSameSignatures(key, nullptr, {});
    if (row.type < KeyType::kMlDsa44) continue;  // EdDSA's contexts follow
    Options options = Context();
    options.emplace_back("deterministic", "1");
    ExpectSameSignatures(key, nullptr, options);
  }
  EXPECT_GE(compared_, 2U);
}

TEST_F(CrossCheckTest, EveryInstanceOfEddsa) {
  if (!hsmcore::HasEddsaInstances()) GTEST_SKIP() << "OpenSSL before 3.2 has only PureEdDSA";
  for (const KeyType type : {KeyType::kEd25519, KeyType::kEd448}) {
    const Twins key = Raw(hsmcore::RowOf(type));
    for (const hsmcore::EddsaRow& row : hsmcore::AllEddsaInstances()) {
      // Of the other key type, or without the context string that it needs: both refuse.
      Options options = {{"instance", row.name}};
      if (row.type == type) ExpectSameSignatures(key, nullptr, options);
      for (const auto& context : Context()) options.push_back(context);
      if (row.type == type) ExpectSameSignatures(key, nullptr, options);
    }
  }
  EXPECT_EQ(compared_, 8U);
}

// FIPS 204 algorithm 7: mu = SHAKE256(SHAKE256(pk, 64) || M', 64) with M' = 0 || |ctx| || ctx || M.
Bytes Shake256(const Bytes& data, std::size_t size) {
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  Bytes out(size);
  EXPECT_EQ(EVP_DigestInit_ex(context.get(), EVP_shake256(), nullptr), 1);
  EXPECT_EQ(EVP_DigestUpdate(context.get(), data.data(), data.size()), 1);
  EXPECT_EQ(EVP_DigestFinalXOF(context.get(), out.data(), out.size()), 1);
  return out;
}
Bytes Encoded(const Bytes& context, const Bytes& message) {
  Bytes encoded = {0, static_cast<std::uint8_t>(context.size())};
  encoded.insert(encoded.end(), context.begin(), context.end());
  encoded.insert(encoded.end(), message.begin(), message.end());
  return encoded;
}
Bytes RawPublicKey(EVP_PKEY* key) {
  std::size_t size = 0;
  EXPECT_EQ(EVP_PKEY_get_raw_public_key(key, nullptr, &size), 1);
  Bytes bytes(size);
  EXPECT_EQ(EVP_PKEY_get_raw_public_key(key, bytes.data(), &size), 1);
  return bytes;
}

// What the caller has encoded, or hashed to mu, has the signature of the message itself.
TEST_F(CrossCheckTest, EncodedMessagesAndExternalMu) {
  for (const KeyTypeRow& row : hsmcore::AllKeyTypes()) {
    const bool ml_dsa = row.type >= KeyType::kMlDsa44 && row.type <= KeyType::kMlDsa87;
    const bool fast_slh =
        row.type == KeyType::kSlhDsaSha2_128f || row.type == KeyType::kSlhDsaShake_128f;
    if ((!ml_dsa && !fast_slh) || !hsmcore::IsAvailable(row.type)) continue;
    SCOPED_TRACE(row.openssl);
    const Twins key = Raw(row);
    const Bytes context = random_(1 + random_.Below(255));
    const Bytes message = random_(random_.Below(300));
    const Bytes encoded = Encoded(context, message);
    const Options plain = {{"hexcontext-string", Hex(context)}, {"deterministic", "1"}};
    const Options by_caller = {{"message-encoding", "0"}, {"deterministic", "1"}};
    const auto expected = Sign(key.theirs.get(), nullptr, plain, message);
    ASSERT_TRUE(expected);
    EXPECT_EQ(Sign(key.ours.get(), nullptr, by_caller, encoded), expected) << ErrorDetails();
    EXPECT_TRUE(Verify(key.ours.get(), nullptr, by_caller, encoded, *expected));
    EXPECT_FALSE(Verify(key.ours.get(), nullptr, by_caller, message, *expected));
    ERR_clear_error();
    const Options by_mu = {{"mu", "1"}, {"deterministic", "1"}};
    Bytes hashed = Shake256(RawPublicKey(key.theirs.get()), 64);
    hashed.insert(hashed.end(), encoded.begin(), encoded.end());
    Bytes mu = Shake256(hashed, 64);
    if (!ml_dsa) {
      EXPECT_FALSE(Sign(key.ours.get(), nullptr, by_mu, mu));
      EXPECT_EQ(HsmReasons(), std::vector{Reason(hsmcore::ErrorCode::kMechanism)});
      continue;
    }
    EXPECT_EQ(Sign(key.ours.get(), nullptr, by_mu, mu), expected) << ErrorDetails();
    EXPECT_TRUE(Verify(key.ours.get(), nullptr, by_mu, mu, *expected));
    mu.pop_back();
    EXPECT_FALSE(Sign(key.ours.get(), nullptr, by_mu, mu));
    EXPECT_EQ(HsmReasons(), std::vector{Reason(hsmcore::ErrorCode::kDataLength)});
  }
}

// ---- RSA encryption -----------------------------------------------------------------------------

using PkeyCrypt = int (*)(EVP_PKEY_CTX*, unsigned char*, std::size_t*, const unsigned char*,
                          std::size_t);

class RsaCrossCheckTest : public CrossCheckTest {
 protected:
  std::optional<Bytes> Crypt(EVP_PKEY* key, bool encrypt, const Options& options,
                             const Bytes& in) const {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key, nullptr));
    const auto init = encrypt ? EVP_PKEY_encrypt_init : EVP_PKEY_decrypt_init;
    const PkeyCrypt run = encrypt ? EVP_PKEY_encrypt : EVP_PKEY_decrypt;
    Bytes out(static_cast<std::size_t>(EVP_PKEY_get_size(key)));
    std::size_t size = out.size();
    if (init(context.get()) != 1 || !Set(context.get(), options) ||
        run(context.get(), out.data(), &size, in.data(), in.size()) != 1) {
      return std::nullopt;
    }
    out.resize(size);
    return out;
  }

  void ExpectSame(const Twins& key, const Options& options, const Bytes& plain) {
    SCOPED_TRACE(Describe(options));
    const auto ours = Crypt(key.ours.get(), true, options, plain);
    const std::string details = ErrorDetails();
    const auto theirs = Crypt(key.theirs.get(), true, options, plain);
    ASSERT_EQ(ours.has_value(), theirs.has_value()) << details;
    ERR_clear_error();
    if (!ours) return;
    ++compared_;
    EXPECT_EQ(Crypt(key.theirs.get(), false, options, *ours), plain);
    EXPECT_EQ(Crypt(key.ours.get(), false, options, *theirs), plain) << ErrorDetails();
  }
};

TEST_F(RsaCrossCheckTest, EncryptionOfEveryPaddingAndDigest) {
  const Twins keys[] = {Rsa(2048), Rsa(2560)};
  for (const Twins& key : keys) {
    const auto bytes = static_cast<std::size_t>(EVP_PKEY_get_size(key.ours.get()));
    for (const DigestRow& row : hsmcore::AllDigests()) {
      if (row.digest == Digest::kNone) continue;
      Options oaep = {
          {"rsa_padding_mode", "oaep"}, {"rsa_oaep_md", row.name}, {"rsa_mgf1_md", AnyDigest()}};
      if (random_.Below(2) == 0) oaep.emplace_back("rsa_oaep_label", Hex(random_(13)));
      ExpectSame(key, oaep, random_(random_.Below(bytes - 2 * row.size - 1)));
    }
    ExpectSame(key, {{"rsa_padding_mode", "pkcs1"}}, random_(random_.Below(bytes - 10)));
    Bytes raw = random_(bytes);
    raw.front() = 0;
    ExpectSame(key, {{"rsa_padding_mode", "none"}}, raw);
  }
  EXPECT_GT(compared_, 24U);
}

// ---- Agreement and KEMs -------------------------------------------------------------------------

class SecretCrossCheckTest : public CrossCheckTest {
 protected:
  struct Kdf {
    std::string digest;
    Bytes info;
    int length;
  };

  std::optional<Bytes> Derive(EVP_PKEY* own, EVP_PKEY* peer, const Kdf* kdf) const {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), own, nullptr));
    if (EVP_PKEY_derive_init(context.get()) != 1) return std::nullopt;
    if (kdf != nullptr) {
      const Method<EVP_MD> digest = Fetch<EVP_MD>(library_, kdf->digest, kDefault);
      void* info = OPENSSL_memdup(kdf->info.data(), kdf->info.size());
      EXPECT_EQ(EVP_PKEY_CTX_set_ecdh_kdf_type(context.get(), EVP_PKEY_ECDH_KDF_X9_63), 1);
      EXPECT_EQ(EVP_PKEY_CTX_set_ecdh_kdf_md(context.get(), digest.get()), 1);
      EXPECT_EQ(EVP_PKEY_CTX_set_ecdh_kdf_outlen(context.get(), kdf->length), 1);
      EXPECT_EQ(EVP_PKEY_CTX_set0_ecdh_kdf_ukm(context.get(), static_cast<unsigned char*>(info),
                                               static_cast<int>(kdf->info.size())),
                1);
    }
    std::size_t size = 0;
    if (EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
        EVP_PKEY_derive(context.get(), nullptr, &size) != 1) {
      return std::nullopt;
    }
    Bytes secret(size);
    if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) return std::nullopt;
    secret.resize(size);
    return secret;
  }

  void ExpectSameSecrets(const Twins& key, const Twins& peer, const Kdf* kdf) {
    const auto expected = Derive(key.theirs.get(), peer.theirs.get(), kdf);
    ASSERT_TRUE(expected) << ErrorDetails();
    EXPECT_EQ(Derive(key.ours.get(), peer.theirs.get(), kdf), expected) << ErrorDetails();
    EXPECT_EQ(Derive(key.ours.get(), peer.ours.get(), kdf), expected) << ErrorDetails();
    EXPECT_EQ(Derive(peer.ours.get(), key.theirs.get(), kdf), expected) << ErrorDetails();
  }

  void ExpectSameKem(const Twins& key, const char* operation) {
    for (const auto& [sender, receiver] : {std::pair(key.ours.get(), key.theirs.get()),
                                           std::pair(key.theirs.get(), key.ours.get())}) {
      const Ptr<EVP_PKEY_CTX> to(EVP_PKEY_CTX_new_from_pkey(library_.get(), sender, nullptr));
      const Ptr<EVP_PKEY_CTX> from(EVP_PKEY_CTX_new_from_pkey(library_.get(), receiver, nullptr));
      ASSERT_EQ(EVP_PKEY_encapsulate_init(to.get(), nullptr), 1) << ErrorDetails();
      ASSERT_EQ(EVP_PKEY_decapsulate_init(from.get(), nullptr), 1) << ErrorDetails();
      if (operation != nullptr) {
        ASSERT_EQ(EVP_PKEY_CTX_set_kem_op(to.get(), operation), 1);
        ASSERT_EQ(EVP_PKEY_CTX_set_kem_op(from.get(), operation), 1);
      }
      std::size_t size = 0;
      std::size_t secret_size = 0;
      ASSERT_EQ(EVP_PKEY_encapsulate(to.get(), nullptr, &size, nullptr, &secret_size), 1);
      Bytes ciphertext(size);
      Bytes secret(secret_size);
      ASSERT_EQ(
          EVP_PKEY_encapsulate(to.get(), ciphertext.data(), &size, secret.data(), &secret_size), 1)
          << ErrorDetails();
      Bytes opened(secret_size);
      ASSERT_EQ(EVP_PKEY_decapsulate(from.get(), opened.data(), &secret_size, ciphertext.data(),
                                     ciphertext.size()),
                1)
          << ErrorDetails();
      EXPECT_EQ(opened, secret);
    }
  }
};

TEST_F(SecretCrossCheckTest, EcdhOnEveryCurvePlainAndWithX963) {
  for (const hsmcore::CurveRow& curve : hsmcore::AllCurves()) {
    SCOPED_TRACE(curve.name);
    const Twins key = Ec(curve.name);
    const Twins peer = Ec(curve.name);
    ExpectSameSecrets(key, peer, nullptr);
    for (const DigestRow& row : hsmcore::AllDigests()) {
      if (row.size < 20 || row.digest == Digest::kMd5Sha1) continue;
      SCOPED_TRACE(row.name);
      const Kdf kdf{row.name, random_(1 + random_.Below(40)),
                    static_cast<int>(1 + random_.Below(150))};
      ExpectSameSecrets(key, peer, &kdf);
    }
  }
}

TEST_F(SecretCrossCheckTest, X25519AndX448) {
  for (const KeyType type : {KeyType::kX25519, KeyType::kX448}) {
    SCOPED_TRACE(NameOf(type));
    for (int round = 0; round < 5; ++round) {
      ExpectSameSecrets(Raw(hsmcore::RowOf(type)), Raw(hsmcore::RowOf(type)), nullptr);
    }
  }
}

TEST_F(SecretCrossCheckTest, RsasveAndMlKem) {
  ExpectSameKem(Rsa(2048), "RSASVE");
  ExpectSameKem(Rsa(3072), "RSASVE");
  for (const KeyTypeRow& row : hsmcore::AllKeyTypes()) {
    if (row.purpose != KeyPurpose::kEncapsulate || !hsmcore::IsAvailable(row.type)) continue;
    SCOPED_TRACE(row.openssl);
    for (int round = 0; round < 3; ++round) ExpectSameKem(Raw(row), nullptr);
  }
}

}  // namespace
}  // namespace provider::test
