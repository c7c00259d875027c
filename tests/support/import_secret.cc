// SPDX-License-Identifier: Apache-2.0
// Puts a secret key with known bytes into a cluster, for tests and benchmarks that compare.
//
//   HSM_HOME=... HSM_PIN=user:password import_secret TYPE LABEL HEX
#include <charconv>
#include <cstdio>
#include <span>
#include <string_view>

#include "hsmcore/cluster.h"
#include "hsmcore/settings.h"

namespace {

using hsmcore::Attribute;

hsmcore::Bytes FromHex(std::string_view hex) {
  hsmcore::Bytes bytes(hex.size() / 2);
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    std::from_chars(hex.data() + 2 * i, hex.data() + 2 * i + 2, bytes[i], 16);
  }
  return bytes;
}

hsmcore::Status Import(std::string_view type_name, std::string_view label, std::string_view hex) {
  const auto type = hsmcore::KeyTypeByName(type_name);
  if (!type) return hsmcore::Fail(hsmcore::ErrorCode::kInvalidArgument, "no such key type");
  HSMCORE_TRY(const hsmcore::ClusterPtr cluster, hsmcore::Cluster::Open(hsmcore::DefaultHome()));
  HSMCORE_TRY(const auto credential, hsmcore::CredentialFromEnvironment());
  if (!credential) return hsmcore::Fail(hsmcore::ErrorCode::kLoginRequired, "set HSM_PIN");
  HSMCORE_TRY(const auto session, cluster->Login(*credential, hsmcore::Role::kCryptoUser));
  auto form = hsmcore::KeyTemplate::Secret().private_half;
  form.label = label;
  for (const Attribute use : {Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kSign,
                              Attribute::kVerify, Attribute::kDerive}) {
    form.flags.Set(use, true);
  }
  HSMCORE_CHECK(session->ImportSecret(*type, hsmcore::SecretBytes::CopyOf(FromHex(hex)), form));
  return {};
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  if (words.size() != 4) {
    std::fputs("usage: import_secret TYPE LABEL HEX\n", stderr);
    return 2;
  }
  const auto done = Import(words[1], words[2], words[3]);
  if (done) return 0;
  std::fprintf(stderr, "import_secret: %s\n", done.error().Message().c_str());
  return 1;
}
