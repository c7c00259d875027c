// SPDX-License-Identifier: Apache-2.0
// Project Wycheproof's vectors, through the provider. The folder is $HSM_VECTORS_DIR, or else the
// one that a checkout of the vectors beside this one has. Each file is a test of its own, and
// leaves its counts for scripts/wycheproof.
#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "provider/wycheproof_families.h"

namespace provider::test::wycheproof {

void ExpectPem(const Fields& group, const char* pem, ByteView der) {
  EXPECT_TRUE(std::ranges::equal(FromPem(group.Text(pem)), der)) << pem << " is another key";
}

void ExpectEnd(const char* what, ByteView der, ByteView end) {
  EXPECT_TRUE(EndsWith(der, end)) << what << " is another key";
}

namespace {

struct FamilyRow {
  const char* type;  // testGroups[].type
  void (*run)(Bench&, const Vector&);
};
constexpr auto kFamilies = std::to_array<FamilyRow>({
    {"EcdsaVerify", RunEcdsa},
    {"EcdsaP1363Verify", RunEcdsaP1363},
    {"EddsaVerify", RunEddsa},
    {"RsassaPkcs1Verify", RunRsaPkcs1Verify},
    {"RsassaPkcs1Generate", RunRsaPkcs1Generate},
    {"RsassaPssVerify", RunRsaPss},
    {"RsassaPssWithParametersVerify", RunRsaPssWithParameters},
    {"RsaesOaepDecrypt", RunRsaOaep},
    {"RsaesPkcs1Decrypt", RunRsaPkcs1Decrypt},
    {"EcdhTest", RunEcdh},
    {"EcdhEcpointTest", RunEcdhPoint},
    {"EcdhPemTest", RunEcdhPem},
    {"EcdhWebcryptoTest", RunEcdhJwk},
    {"XdhComp", RunXdh},
    {"XdhAsnComp", RunXdhDer},
    {"XdhPemComp", RunXdhPem},
    {"XdhJwkComp", RunXdhJwk},
    {"MlDsaVerify", RunMlDsaVerify},
    {"MlDsaSign", RunMlDsaSign},
    {"MLKEMKeyGen", RunMlKemKeygen},
    {"MLKEMEncapsTest", RunMlKemEncapsulate},
    {"MLKEMTest", RunMlKemDecapsulate},
    {"MLKEMDecapsValidationTest", RunMlKemExpandedKey},
    {"AeadTest", RunAead},
    {"DaeadTest", RunDeterministicAead},
    {"IndCpaTest", RunCipher},
    {"KeywrapTest", RunKeyWrap},
    {"MacTest", RunMac},
    {"MacWithIvTest", RunMacWithIv},
    {"HkdfTest", RunHkdf},
    {"PbkdfTest", RunPbkdf2},
    {"PbeTest", RunPbes2},
});

struct ForeignRow {
  const char* type;
  const char* reason;
};
constexpr auto kForeign = std::to_array<ForeignRow>({
    {"DsaVerify", "the HSM holds no DSA keys"},
    {"DsaP1363Verify", "the HSM holds no DSA keys"},
    {"EcdsaBitcoinVerify", "only Bitcoin refuses a signature for a large s"},
    {"BlsAggregateVerify", "OpenSSL has no BLS signatures"},
    {"BlsHashToG2", "OpenSSL has no BLS signatures"},
    {"BlsSigVerify", "OpenSSL has no BLS signatures"},
    {"ChunkedEncryption", "a format above AES-GCM, which is tested by itself"},
    {"FpeListTest", "OpenSSL has no format-preserving encryption"},
    {"FpeStrTest", "OpenSSL has no format-preserving encryption"},
    {"JsonWebCrypto", "JOSE is a format above the provider"},
    {"JsonWebEncryption", "JOSE is a format above the provider"},
    {"JsonWebKey", "JOSE is a format above the provider"},
    {"JsonWebSignature", "JOSE is a format above the provider"},
    {"EcCurveTest", "a table of curve parameters: nothing to run"},
    {"PrimalityTest", "the provider offers no test of primality"},
});

std::filesystem::path Folder() {
  const char* named = std::getenv("HSM_VECTORS_DIR");
  return std::filesystem::path(named == nullptr ? HSM_DEFAULT_VECTORS_DIR : named) / "wycheproof";
}

std::vector<std::string> Files() {
  std::vector<std::string> names;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator(Folder(), missing)) {
    if (entry.path().extension() == ".json") names.push_back(entry.path().stem().string());
  }
  std::ranges::sort(names);
  return names;
}

Expected ExpectedOf(const std::string& result) {
  if (result == "valid") return Expected::kValid;
  if (result == "acceptable") return Expected::kAcceptable;
  EXPECT_EQ(result, "invalid");
  return Expected::kInvalid;
}

class WycheproofTest : public ProviderTest, public testing::WithParamInterface<std::string> {
 protected:
  void RunVector(const FamilyRow& family, const std::string& algorithm, const Fields& group,
                 const nlohmann::json& json) {
    const Fields test(json);
    const Vector vector{algorithm,
                        group,
                        test,
                        test.Number("tcId"),
                        test.Has("comment") ? test.Text("comment") : "no comment",
                        test.Texts("flags"),
                        ExpectedOf(test.Text("result"))};
    family.run(bench_, vector);
    EXPECT_EQ(test.Unread(), std::vector<std::string>())
        << "fields of tcId " << vector.id << " that the runner does not know";
  }

  // Returns how many vectors there were.
  std::size_t RunGroup(const std::string& algorithm, const nlohmann::json& json) {
    const Fields group(json);
    const std::string type = group.Text("type");
    const std::size_t size = json.at("tests").size();
    const auto* const family = std::ranges::find(kFamilies, type, &FamilyRow::type);
    if (family == kFamilies.end()) {
      const auto* const foreign = std::ranges::find(kForeign, type, &ForeignRow::type);
      report_.PassOver(size, foreign == kForeign.end()
                                 ? "the runner does not know vectors of type " + type
                                 : type + ": " + foreign->reason);
      return size;
    }
    group.Skip({"source", "tests"});
    for (const auto& test : json.at("tests")) RunVector(*family, algorithm, group, test);
    EXPECT_EQ(group.Unread(), std::vector<std::string>())
        << "fields of a group of type " << type << " that the runner does not know";
    return size;
  }

  Report report_{GetParam() + ".json"};
  Bench bench_{cluster_, report_};
};

TEST_P(WycheproofTest, Passes) {
  std::ifstream in(Folder() / (GetParam() + ".json"));
  const nlohmann::json json = nlohmann::json::parse(in);
  const Fields file(json);
  file.Skip({"schema", "header", "notes", "testGroups"});
  const std::string algorithm = file.Has("algorithm") ? file.Text("algorithm") : "";
  std::size_t vectors = 0;
  for (const auto& group : json.at("testGroups")) vectors += RunGroup(algorithm, group);
  EXPECT_EQ(vectors, file.Number("numberOfTests"));
  EXPECT_EQ(file.Unread(), std::vector<std::string>()) << "fields of the file";
  std::cout << report_.ToText();
  report_.WriteTo(HSM_WYCHEPROOF_REPORTS);
  if (!report_.ran_any()) GTEST_SKIP() << report_.ToText();
}

GTEST_ALLOW_UNINSTANTIATED_PARAMETERIZED_TEST(WycheproofTest);
INSTANTIATE_TEST_SUITE_P(File, WycheproofTest, testing::ValuesIn(Files()),
                         [](const auto& file) { return file.param; });

TEST(WycheproofFolderTest, HasFiles) {
  if (Files().empty()) {
    GTEST_SKIP() << "NO WYCHEPROOF VECTORS WERE RUN: no file in " << Folder()
                 << "; set HSM_VECTORS_DIR to a folder that has them in wycheproof/";
  }
}

}  // namespace
}  // namespace provider::test::wycheproof
