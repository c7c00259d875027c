// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_HELD_SUPPORT_H_
#define TESTS_PROVIDER_HELD_SUPPORT_H_

#include <openssl/core_names.h>
#include <openssl/evp.h>

#include <memory>
#include <string>

#include "provider/forwarded_support.h"

namespace provider::test {

struct ContextFree {
  void operator()(EVP_CIPHER_CTX* context) const { EVP_CIPHER_CTX_free(context); }
  void operator()(EVP_MAC_CTX* context) const { EVP_MAC_CTX_free(context); }
  void operator()(EVP_KDF_CTX* context) const { EVP_KDF_CTX_free(context); }
};
using CipherCtx = std::unique_ptr<EVP_CIPHER_CTX, ContextFree>;
using MacCtx = std::unique_ptr<EVP_MAC_CTX, ContextFree>;
using KdfCtx = std::unique_ptr<EVP_KDF_CTX, ContextFree>;

// Secret keys whose bytes the test knows.
class HeldTest : public ProviderTest {
 protected:
  // A persistent key with every use but `without`. Returns its URI.
  std::string Secret(const std::string& label, hsmcore::KeyType type, const Bytes& value,
                     std::optional<hsmcore::Attribute> without = std::nullopt) {
    using hsmcore::Attribute;
    auto form = hsmcore::KeyTemplate::Secret().private_half;
    form.label = label;
    for (const Attribute use : {Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kSign,
                                Attribute::kVerify, Attribute::kDerive}) {
      form.flags.Set(use, use != without);
    }
    const auto made =
        cluster_.User()->ImportSecret(type, hsmcore::SecretBytes::CopyOf(value), form);
    if (!made) ADD_FAILURE() << made.error().Message();
    return "hsm:" + label;
  }

  void DeleteSecret(const std::string& label) {
    hsmcore::KeyQuery query;
    query.label = label;
    const auto found = cluster_.User()->Find(query);
    ASSERT_TRUE(found && found->size() == 1);
    ASSERT_TRUE(cluster_.User()->Delete(found->front().handle, false));
  }

  // The provider's newest reason and its detail.
  static std::string LastError() {
    std::string text;
    const char* data = nullptr;
    while (const auto error = ERR_get_error_all(nullptr, nullptr, nullptr, &data, nullptr)) {
      const char* library = ERR_lib_error_string(error);
      if (library != nullptr && std::string_view(library) == "hsm") {
        text = std::string(ERR_reason_error_string(error)) + ": " + data;
      }
    }
    return text;
  }
  static void ExpectError(hsmcore::ErrorCode code, const std::string& part) {
    const std::string error = LastError();
    EXPECT_TRUE(error.starts_with(Reason(code))) << error;
    EXPECT_NE(error.find(part), std::string::npos) << error;
  }

  const Library library_;
  Random random_;
};

}  // namespace provider::test

#endif  // TESTS_PROVIDER_HELD_SUPPORT_H_
