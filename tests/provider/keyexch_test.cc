// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>

#include <array>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;

class KeyexchTest : public ProviderTest {
 protected:
  Pkey DefaultKey(const char* group) const {
    return Pkey(EVP_PKEY_Q_keygen(library_.get(), "provider=default", "EC", group));
  }

  Bytes Derive(EVP_PKEY* own, EVP_PKEY* peer, std::size_t room, bool with_kdf) const {
    const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), own, nullptr));
    EXPECT_EQ(EVP_PKEY_derive_init(context.get()), 1) << ErrorDetails();
    if (with_kdf) {
      EXPECT_EQ(EVP_PKEY_CTX_set_ecdh_kdf_type(context.get(), EVP_PKEY_ECDH_KDF_X9_63), 1);
      EXPECT_EQ(EVP_PKEY_CTX_set_ecdh_kdf_md(context.get(), EVP_sha256()), 1);
      EXPECT_EQ(EVP_PKEY_CTX_set_ecdh_kdf_outlen(context.get(), 50), 1);
      auto* info = static_cast<unsigned char*>(OPENSSL_zalloc(3));
      EXPECT_EQ(EVP_PKEY_CTX_set0_ecdh_kdf_ukm(context.get(), info, 3), 1);
    }
    if (EVP_PKEY_derive_set_peer_ex(context.get(), peer, 0) != 1) return {};
    const Ptr<EVP_PKEY_CTX> copy(EVP_PKEY_CTX_dup(context.get()));
    std::size_t size = 0;
    if (EVP_PKEY_derive(copy.get(), nullptr, &size) != 1) return {};
    Bytes secret(room == 0 ? size : room);
    size = secret.size();
    if (EVP_PKEY_derive(copy.get(), secret.data(), &size) != 1) return {};
    secret.resize(size);
    return secret;
  }

  const Library library_;
};

TEST_F(KeyexchTest, AgreesWithTheDefaultProviderOnEveryCurve) {
  for (const char* label : {"p224", "p256", "p384", "p521", "secp256k1"}) {
    const Pkey own = Held(library_, label);
    ASSERT_NE(own, nullptr) << ErrorDetails();
    std::array<char, 64> group{};
    ASSERT_EQ(EVP_PKEY_get_group_name(own.get(), group.data(), group.size(), nullptr), 1);
    const Pkey peer = DefaultKey(group.data());
    const Pkey own_public = library_.InDefault(own.get());
    for (const bool with_kdf : {false, true}) {
      const Bytes ours = Derive(own.get(), peer.get(), 0, with_kdf);
      EXPECT_FALSE(ours.empty()) << ErrorDetails();
      EXPECT_EQ(ours, Derive(peer.get(), own_public.get(), 0, with_kdf)) << label;
    }
  }
}

TEST_F(KeyexchTest, TellsTheTrueLengthInALargerBuffer) {
  const Pkey own = Held(library_, "p256");
  const Pkey peer = DefaultKey("P-256");
  EXPECT_EQ(Derive(own.get(), peer.get(), 200, false).size(), 32U) << ErrorDetails();
  EXPECT_EQ(Derive(own.get(), peer.get(), 200, true).size(), 50U) << ErrorDetails();
  EXPECT_TRUE(Derive(own.get(), peer.get(), 31, false).empty());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kBufferTooSmall)});
}

TEST_F(KeyexchTest, TakesAHeldKeyAsPeer) {
  const Pkey own = Held(library_, "p256");
  const Pkey other = library_.Generate("EC", {"group=P-256"});
  ASSERT_NE(other, nullptr);
  EXPECT_EQ(Derive(own.get(), other.get(), 0, false), Derive(other.get(), own.get(), 0, false));
}

TEST_F(KeyexchTest, RefusesAPeerOnAnotherCurve) {
  const Pkey own = Held(library_, "p256");
  const Pkey other = library_.Generate("EC", {"group=P-384"});
  EXPECT_TRUE(Derive(own.get(), other.get(), 0, false).empty());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kKeyTypeMismatch)});
}

TEST_F(KeyexchTest, CallsInTheWrongOrderFail) {
  const Pkey own = Held(library_, "p256");
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), own.get(), nullptr));
  std::size_t size = 0;
  EXPECT_NE(EVP_PKEY_derive(context.get(), nullptr, &size), 1);
  ASSERT_EQ(EVP_PKEY_derive_init(context.get()), 1);
  Bytes secret(32);
  size = secret.size();
  ERR_clear_error();
  EXPECT_NE(EVP_PKEY_derive(context.get(), secret.data(), &size), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kOperationState)});
}

TEST_F(KeyexchTest, TheGateIsAskedAtInit) {
  const Pkey key = library_.Generate("EC", {"group=P-256", "hsm-derive=0"});
  ASSERT_NE(key, nullptr) << ErrorDetails();
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), key.get(), nullptr));
  EXPECT_NE(EVP_PKEY_derive_init(context.get()), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kAttributeForbids)});
}

}  // namespace
}  // namespace provider::test
