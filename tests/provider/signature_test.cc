// SPDX-License-Identifier: Apache-2.0
#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <array>
#include <map>

#include "provider/provider_fixture.h"

namespace provider::test {
namespace {

using hsmcore::ErrorCode;
using Params = std::vector<std::pair<const char*, const char*>>;

constexpr std::string_view kMessage = "what is signed";

// One digest-and-sign or digest-and-verify, with parameters as `openssl -sigopt` gives them.
class Operation {
 public:
  Operation(const Library& library, EVP_PKEY* key, const char* digest, bool verify,
            const Params& params)
      : context_(EVP_MD_CTX_new()) {
    const auto init = verify ? EVP_DigestVerifyInit_ex : EVP_DigestSignInit_ex;
    ok_ = init(context_.get(), &pkey_context_, digest, library.get(), nullptr, key, nullptr) == 1;
    for (const auto& [name, value] : params) {
      ok_ = ok_ && EVP_PKEY_CTX_ctrl_str(pkey_context_, name, value) == 1;
    }
  }

  bool ok() const { return ok_; }
  EVP_MD_CTX* get() const { return context_.get(); }
  EVP_PKEY_CTX* pkey_context() const { return pkey_context_; }

  Bytes Sign(std::string_view message) const {
    std::size_t size = 0;
    const ByteView data = BytesOf(message);
    if (!ok_ || EVP_DigestSign(get(), nullptr, &size, data.data(), data.size()) != 1) return {};
    Bytes signature(size);
    if (EVP_DigestSign(get(), signature.data(), &size, data.data(), data.size()) != 1) return {};
    signature.resize(size);
    return signature;
  }
  bool Verify(std::string_view message, const Bytes& signature) const {
    const ByteView data = BytesOf(message);
    return ok_ && EVP_DigestVerify(get(), signature.data(), signature.size(), data.data(),
                                   data.size()) == 1;
  }
  Bytes AlgorithmId() const {
    Bytes der(256);
    std::array<OSSL_PARAM, 2> params = {
        OSSL_PARAM_construct_octet_string(OSSL_SIGNATURE_PARAM_ALGORITHM_ID, der.data(),
                                          der.size()),
        OSSL_PARAM_construct_end()};
    if (!ok_ || EVP_PKEY_CTX_get_params(pkey_context_, params.data()) != 1) return {};
    der.resize(params[0].return_size);
    return der;
  }

 private:
  Ptr<EVP_MD_CTX> context_;
  EVP_PKEY_CTX* pkey_context_ = nullptr;
  bool ok_ = false;
};

struct Case {
  const char* label;
  const char* digest;
  Params params;
};

std::vector<Case> AllCases() {
  std::vector<Case> cases = {{"ed25519", nullptr, {}}};
  for (const char* digest :
       {"SHA1", "SHA224", "SHA256", "SHA384", "SHA512", "SHA512-256", "SHA3-256", "SHA3-512"}) {
    cases.push_back({"rsa", digest, {}});
    cases.push_back({"rsa", digest, {{"rsa_padding_mode", "pss"}}});
    cases.push_back({"p256", digest, {}});
  }
  for (const char* curve : {"p224", "p384", "p521", "secp256k1"}) {
    cases.push_back({curve, "SHA256", {}});
  }
  for (const char* salt : {"digest", "max", "auto", "0", "20"}) {
    cases.push_back({"rsa", "SHA256", {{"rsa_padding_mode", "pss"}, {"rsa_pss_saltlen", salt}}});
  }
  cases.push_back({"rsa", "SHA256", {{"rsa_padding_mode", "pss"}, {"rsa_mgf1_md", "SHA512"}}});
  cases.push_back({"rsa", "SHA256", {{"rsa_padding_mode", "x931"}}});
  cases.push_back({"rsa", "MD5", {}});
  cases.push_back({"rsa", "RIPEMD160", {}});
  cases.push_back({"pss", "SHA256", {}});
  cases.push_back({"pss", "SHA256", {{"rsa_pss_saltlen", "40"}}});
  cases.push_back({"pss-free", "SHA384", {}});
  return cases;
}

class SignatureTest : public ProviderTest {
 protected:
  // Each key is made once.
  EVP_PKEY* Held(const std::string& label) {
    auto& key = keys_[label];
    if (key == nullptr) key = ProviderTest::Held(library_, label);
    return key.get();
  }

  const Library library_;
  std::map<std::string, Pkey> keys_;
};

TEST_F(SignatureTest, TheDefaultProviderVerifiesEverySignature) {
  for (const Case& c : AllCases()) {
    SCOPED_TRACE(std::string(c.label) + " " + (c.digest == nullptr ? "" : c.digest) +
                 (c.params.empty() ? "" : std::string(" ") + c.params.back().second));
    const Bytes signature =
        Operation(library_, Held(c.label), c.digest, false, c.params).Sign(kMessage);
    ASSERT_FALSE(signature.empty()) << ErrorDetails();
    const Pkey other = library_.InDefault(Held(c.label));
    EXPECT_TRUE(
        Operation(library_, other.get(), c.digest, true, c.params).Verify(kMessage, signature));
    EXPECT_TRUE(
        Operation(library_, Held(c.label), c.digest, true, c.params).Verify(kMessage, signature))
        << ErrorDetails();
    EXPECT_FALSE(Operation(library_, Held(c.label), c.digest, true, c.params)
                     .Verify("something else", signature));
  }
}

TEST_F(SignatureTest, AlgorithmIdentifiersAreThoseOfTheDefaultProvider) {
  for (const Case& c : AllCases()) {
    SCOPED_TRACE(std::string(c.label) + " " + (c.digest == nullptr ? "" : c.digest) +
                 (c.params.empty() ? "" : std::string(" ") + c.params.back().second));
    const Pkey other = library_.InDefault(Held(c.label));
    const Bytes ours = Operation(library_, Held(c.label), c.digest, true, c.params).AlgorithmId();
    const Bytes theirs = Operation(library_, other.get(), c.digest, true, c.params).AlgorithmId();
    // OpenSSL has no PSS identifiers with SHA-512/256 and SHA-3; the HSM writes RFC 4055's form.
    if (!theirs.empty()) {
      EXPECT_EQ(ours, theirs);
    }
    ErrorDetails();
  }
}

TEST_F(SignatureTest, ASizeQueryDoesNoWork) {
  for (const char* label : {"rsa", "p256"}) {
    const Operation sign(library_, Held(label), "SHA256", false, {});
    ASSERT_EQ(EVP_DigestSignUpdate(sign.get(), kMessage.data(), kMessage.size()), 1);
    std::size_t size = 0;
    for (int i = 0; i < 3; ++i) ASSERT_EQ(EVP_DigestSignFinal(sign.get(), nullptr, &size), 1);
    EXPECT_EQ(size, static_cast<std::size_t>(EVP_PKEY_get_size(Held(label))));
    Bytes signature(size);
    ASSERT_EQ(EVP_DigestSignFinal(sign.get(), signature.data(), &size), 1) << ErrorDetails();
    signature.resize(size);
    EXPECT_TRUE(Operation(library_, Held(label), "SHA256", true, {}).Verify(kMessage, signature));
  }
}

TEST_F(SignatureTest, ACopiedContextGoesItsOwnWay) {
  const Operation first(library_, Held("p256"), "SHA256", false, {});
  ASSERT_EQ(EVP_DigestSignUpdate(first.get(), "ab", 2), 1);
  const Ptr<EVP_MD_CTX> second(EVP_MD_CTX_new());
  ASSERT_EQ(EVP_MD_CTX_copy_ex(second.get(), first.get()), 1) << ErrorDetails();
  ASSERT_EQ(EVP_DigestSignUpdate(first.get(), "c", 1), 1);
  ASSERT_EQ(EVP_DigestSignUpdate(second.get(), "d", 1), 1);
  for (const auto& [context, message] :
       {std::pair{first.get(), "abc"}, std::pair{second.get(), "abd"}}) {
    Bytes signature(128);
    std::size_t size = signature.size();
    ASSERT_EQ(EVP_DigestSignFinal(context, signature.data(), &size), 1) << ErrorDetails();
    signature.resize(size);
    EXPECT_TRUE(Operation(library_, Held("p256"), "SHA256", true, {}).Verify(message, signature));
  }
}

TEST_F(SignatureTest, SignsAndRecoversADigest) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), Held("rsa"), nullptr));
  ASSERT_EQ(EVP_PKEY_sign_init(context.get()), 1) << ErrorDetails();
  ASSERT_EQ(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()), 1);
  const Bytes digest(32, 7);
  Bytes signature(256);
  std::size_t size = signature.size();
  ASSERT_EQ(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), 32), 1);
  EXPECT_NE(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), 31), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kDataLength)});
  ASSERT_EQ(EVP_PKEY_verify_recover_init(context.get()), 1);
  ASSERT_EQ(EVP_PKEY_CTX_set_signature_md(context.get(), EVP_sha256()), 1);
  Bytes recovered(256);
  std::size_t recovered_size = recovered.size();
  ASSERT_EQ(EVP_PKEY_verify_recover(context.get(), recovered.data(), &recovered_size,
                                    signature.data(), size),
            1)
      << ErrorDetails();
  recovered.resize(recovered_size);
  EXPECT_EQ(recovered, digest);
}

TEST_F(SignatureTest, CallsInTheWrongOrderFail) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(library_.get(), Held("rsa"), nullptr));
  Bytes signature(256);
  std::size_t size = signature.size();
  const Bytes digest(32);
  EXPECT_NE(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), 32), 1);
  ASSERT_EQ(EVP_PKEY_verify_init(context.get()), 1);
  EXPECT_NE(EVP_PKEY_sign(context.get(), signature.data(), &size, digest.data(), 32), 1);
  const Operation sign(library_, Held("rsa"), "SHA256", false, {});
  ASSERT_EQ(EVP_DigestSignUpdate(sign.get(), "a", 1), 1);
  EXPECT_NE(EVP_PKEY_CTX_set_rsa_padding(sign.pkey_context(), RSA_PKCS1_PSS_PADDING), 1);
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kOperationState)});
  EVP_MD_CTX_set_flags(sign.get(), EVP_MD_CTX_FLAG_FINALISE);
  ASSERT_EQ(EVP_DigestSignFinal(sign.get(), signature.data(), &size), 1) << ErrorDetails();
  EXPECT_NE(EVP_DigestSignUpdate(sign.get(), "b", 1), 1);
}

TEST_F(SignatureTest, ARestrictedKeyKeepsItsRestrictions) {
  EXPECT_FALSE(Operation(library_, Held("pss"), "SHA384", false, {}).ok());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kDigest)});
  for (const Params& params : std::vector<Params>{{{"rsa_pss_saltlen", "16"}},
                                                  {{"rsa_padding_mode", "pkcs1"}},
                                                  {{"rsa_mgf1_md", "SHA1"}}}) {
    EXPECT_FALSE(Operation(library_, Held("pss"), "SHA256", false, params).ok());
    EXPECT_EQ(HsmReasons().size(), 1U) << params.front().second;
  }
  EXPECT_FALSE(
      Operation(library_, Held("pss"), "SHA256", true, {{"rsa_pss_saltlen", "auto"}}).ok());
}

TEST_F(SignatureTest, UnknownDigestsAreNamed) {
  EXPECT_FALSE(Operation(library_, Held("p256"), "SHAKE256", false, {}).ok());
  EXPECT_NE(ErrorDetails().find("SHAKE256"), std::string::npos);
  EXPECT_FALSE(Operation(library_, Held("ed25519"), "SHA256", false, {}).ok());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kDigest)});
}

TEST_F(SignatureTest, TheGateIsAskedAtInit) {
  const Pkey key = library_.Generate("EC", {"group=P-256", "hsm-sign=false"});
  ASSERT_NE(key, nullptr) << ErrorDetails();
  EXPECT_FALSE(Operation(library_, key.get(), "SHA256", false, {}).ok());
  EXPECT_EQ(HsmReasons(), std::vector{Reason(ErrorCode::kAttributeForbids)});
}

TEST_F(SignatureTest, TellsItsParameters) {
  const Operation sign(library_, Held("rsa"), "SHA256", false,
                       {{"rsa_padding_mode", "pss"}, {"rsa_pss_saltlen", "digest"}});
  int padding = 0;
  int salt = 0;
  ASSERT_GT(EVP_PKEY_CTX_get_rsa_padding(sign.pkey_context(), &padding), 0);
  ASSERT_GT(EVP_PKEY_CTX_get_rsa_pss_saltlen(sign.pkey_context(), &salt), 0);
  EXPECT_EQ(padding, RSA_PKCS1_PSS_PADDING);
  EXPECT_EQ(salt, RSA_PSS_SALTLEN_DIGEST);
  const EVP_MD* mgf = nullptr;
  ASSERT_GT(EVP_PKEY_CTX_get_rsa_mgf1_md(sign.pkey_context(), &mgf), 0);
  EXPECT_TRUE(EVP_MD_is_a(mgf, "SHA256"));
}

// Every parameter that is announced as gettable is answered, with a value or a reason.
TEST_F(SignatureTest, EveryAnnouncedParameterIsHandled) {
  for (const char* label : {"rsa", "p256", "ed25519"}) {
    const bool ed = std::string_view(label) == "ed25519";
    const Operation sign(library_, Held(label), ed ? nullptr : "SHA256", false, {});
    ASSERT_TRUE(sign.ok());
    const OSSL_PARAM* announced = EVP_PKEY_CTX_gettable_params(sign.pkey_context());
    ASSERT_NE(announced, nullptr);
    for (; announced->key != nullptr; ++announced) {
      std::array<char, 256> buffer{};
      std::array<OSSL_PARAM, 2> params = {*announced, OSSL_PARAM_construct_end()};
      params[0].data = buffer.data();
      params[0].data_size =
          announced->data_type == OSSL_PARAM_UNSIGNED_INTEGER ? sizeof(std::size_t) : buffer.size();
      EXPECT_EQ(EVP_PKEY_CTX_get_params(sign.pkey_context(), params.data()), 1) << announced->key;
      EXPECT_TRUE(OSSL_PARAM_modified(params.data())) << announced->key;
    }
  }
}

}  // namespace
}  // namespace provider::test
