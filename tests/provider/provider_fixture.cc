// SPDX-License-Identifier: Apache-2.0
#include "provider/provider_fixture.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <fstream>
#include <optional>

namespace provider::test {
namespace {

int AnswerPrompt(char* buffer, int size, int, void* argument) {
  auto& passphrase = *static_cast<Passphrase*>(argument);
  ++passphrase.asked;
  if (static_cast<int>(passphrase.answer.size()) > size) return -1;
  std::ranges::copy(passphrase.answer, buffer);
  return static_cast<int>(passphrase.answer.size());
}

std::optional<hsmcore::KeySpec> SpecOf(const std::string& label) {
  using enum hsmcore::KeyType;
  hsmcore::KeySpec spec;
  if (label == "rsa") return spec;
  if (label == "pss" || label == "pss-free") {
    spec.type = kRsaPss;
    if (label == "pss") {
      spec.pss = {hsmcore::Digest::kSha256, hsmcore::Digest::kSha256, 32};
    }
    return spec;
  }
  if (label == "ed25519") {
    spec.type = kEd25519;
    return spec;
  }
  spec.type = kEc;
  const std::string name = label == "secp256k1" ? label : "P-" + label.substr(1);
  const auto curve = hsmcore::CurveByName(name);
  if (!curve) return std::nullopt;
  spec.curve = *curve;
  return spec;
}

}  // namespace

std::vector<std::string> HsmReasons() {
  std::vector<std::string> reasons;
  while (const auto error = ERR_get_error()) {
    const char* library = ERR_lib_error_string(error);
    const char* reason = ERR_reason_error_string(error);
    if (library != nullptr && reason != nullptr && std::string_view(library) == "hsm") {
      reasons.emplace_back(reason);
    }
  }
  return reasons;
}

std::string ErrorDetails() {
  std::string text;
  const char* data = nullptr;
  while (ERR_get_error_all(nullptr, nullptr, nullptr, &data, nullptr) != 0) {
    text += std::string(data) + "\n";
  }
  return text;
}

// HSM_TEST_MODULE_DIR names another build's module: one that was built with older headers.
Ptr<OSSL_LIB_CTX> Configured(const std::filesystem::path& directory, const std::string& settings) {
  const auto file = directory / "openssl.cnf";
  std::ofstream(file) << "openssl_conf = init\n[init]\nproviders = providers\n"
                         "[providers]\ndefault = default_sect\nhsm = hsm_sect\n"
                         "[default_sect]\nactivate = 1\n[hsm_sect]\nactivate = 1\n"
                         "module = " HSM_MODULE_DIR "/hsm.so\n"
                      << settings;
  Ptr<OSSL_LIB_CTX> context(OSSL_LIB_CTX_new());
  EXPECT_EQ(OSSL_LIB_CTX_load_config(context.get(), file.c_str()), 1) << ErrorDetails();
  return context;
}

Library::Library(Order order) : context_(OSSL_LIB_CTX_new()) {
  const char* other = std::getenv("HSM_TEST_MODULE_DIR");
  OSSL_PROVIDER_set_default_search_path(get(), other != nullptr ? other : HSM_MODULE_DIR);
  const bool hsm_first = order == Order::kHsmFirst;
  for (const char* name : {hsm_first ? "hsm" : "default", hsm_first ? "default" : "hsm"}) {
    providers_.emplace_back(OSSL_PROVIDER_load(get(), name));
    EXPECT_NE(providers_.back(), nullptr) << name << ": " << ErrorDetails();
  }
}

OSSL_PROVIDER* Library::Provider(std::string_view name) const {
  for (const auto& provider : providers_) {
    if (OSSL_PROVIDER_get0_name(provider.get()) == name) return provider.get();
  }
  ADD_FAILURE() << name << " is not loaded";
  return nullptr;
}

void Library::Reload() {
  providers_.clear();
  for (const char* name : {"default", "hsm"}) {
    providers_.emplace_back(OSSL_PROVIDER_load(get(), name));
    EXPECT_NE(providers_.back(), nullptr) << name;
  }
}

void Library::SetDefaultProperties(const char* query) const {
  EXPECT_EQ(EVP_set_default_properties(get(), query), 1);
}

Pkey Library::Load(const std::string& uri, int expect, Passphrase* passphrase) const {
  const Ptr<UI_METHOD> method(UI_UTIL_wrap_read_pem_callback(AnswerPrompt, 0));
  const Ptr<OSSL_STORE_CTX> store(OSSL_STORE_open_ex(uri.c_str(), get(), nullptr,
                                                     passphrase == nullptr ? nullptr : method.get(),
                                                     passphrase, nullptr, nullptr, nullptr));
  if (store == nullptr) return nullptr;
  if (expect != 0) {
    EXPECT_EQ(OSSL_STORE_expect(store.get(), expect), 1);
  }
  const Ptr<OSSL_STORE_INFO> info(OSSL_STORE_load(store.get()));
  if (info == nullptr) return nullptr;
  return Pkey(OSSL_STORE_INFO_get_type(info.get()) == OSSL_STORE_INFO_PKEY
                  ? OSSL_STORE_INFO_get1_PKEY(info.get())
                  : OSSL_STORE_INFO_get1_PUBKEY(info.get()));
}

std::vector<int> Library::List(const std::string& uri, int expect) const {
  std::vector<int> types;
  const Ptr<OSSL_STORE_CTX> store(
      OSSL_STORE_open_ex(uri.c_str(), get(), nullptr, nullptr, nullptr, nullptr, nullptr, nullptr));
  if (store == nullptr) return types;
  if (expect != 0) {
    EXPECT_EQ(OSSL_STORE_expect(store.get(), expect), 1);
  }
  while (OSSL_STORE_eof(store.get()) == 0) {
    const Ptr<OSSL_STORE_INFO> info(OSSL_STORE_load(store.get()));
    if (info != nullptr) types.push_back(OSSL_STORE_INFO_get_type(info.get()));
  }
  return types;
}

Pkey Library::ReadPem(std::string_view pem, Passphrase* passphrase) const {
  const Ptr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Passphrase none;
  return Pkey(PEM_read_bio_PrivateKey_ex(bio.get(), nullptr, AnswerPrompt,
                                         passphrase == nullptr ? &none : passphrase, get(),
                                         nullptr));
}

std::string Library::WritePem(EVP_PKEY* key, int selection, const char* structure,
                              const char* output) const {
  const Ptr<OSSL_ENCODER_CTX> encoder(
      OSSL_ENCODER_CTX_new_for_pkey(key, selection, output, structure, nullptr));
  unsigned char* data = nullptr;
  std::size_t size = 0;
  if (OSSL_ENCODER_to_data(encoder.get(), &data, &size) != 1) return {};
  std::string text(reinterpret_cast<const char*>(data), size);
  OPENSSL_free(data);
  return text;
}

Pkey Library::InDefault(EVP_PKEY* key) const {
  const std::string pem = WritePem(key, EVP_PKEY_PUBLIC_KEY, "SubjectPublicKeyInfo");
  const Ptr<BIO> bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  Pkey copy(
      PEM_read_bio_PUBKEY_ex(bio.get(), nullptr, nullptr, nullptr, get(), "provider=default"));
  EXPECT_EQ(ProviderOf(copy.get()), "default");
  return copy;
}

Pkey Library::Generate(const char* type, const std::vector<std::string>& params) const {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(get(), type, "provider=hsm"));
  EXPECT_EQ(EVP_PKEY_keygen_init(context.get()), 1);
  for (const std::string& param : params) {
    const std::size_t equals = param.find('=');
    if (EVP_PKEY_CTX_ctrl_str(context.get(), param.substr(0, equals).c_str(),
                              param.substr(equals + 1).c_str()) != 1) {
      return nullptr;
    }
  }
  EVP_PKEY* key = nullptr;
  EVP_PKEY_generate(context.get(), &key);
  return Pkey(key);
}

bool Signs(const Library& library, EVP_PKEY* key) {
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  Bytes signature(512);
  std::size_t size = signature.size();
  return EVP_DigestSignInit_ex(context.get(), nullptr, nullptr, library.get(), nullptr, key,
                               nullptr) == 1 &&
         EVP_DigestSign(context.get(), signature.data(), &size, BytesOf("m").data(), 1) == 1;
}

std::string ProviderOf(const EVP_PKEY* key) {
  if (key == nullptr) return "no key";
  const OSSL_PROVIDER* provider = EVP_PKEY_get0_provider(key);
  return provider == nullptr ? "none" : OSSL_PROVIDER_get0_name(provider);
}

bool InChild(const std::function<bool()>& check) {
  const pid_t child = fork();
  if (child == 0) _exit(check() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

ProviderTest::ProviderTest() {
  setenv("HSM_HOME", cluster_.home().c_str(), 1);
  setenv("HSM_PIN", (std::string("app:") + hsmcore::test::kUserPassword).c_str(), 1);
}

ProviderTest::~ProviderTest() {
  unsetenv("HSM_HOME");
  unsetenv("HSM_PIN");
}

std::string ProviderTest::Key(const std::string& label) {
  const auto spec = SpecOf(label);
  if (!spec) {
    ADD_FAILURE() << "no key is called " << label;
    return {};
  }
  hsmcore::KeyTemplate form;
  for (auto* half : {&form.private_half, &form.public_half}) half->label = label;
  form.private_half.flags.Set(hsmcore::Attribute::kSign, true);
  form.public_half.flags.Set(hsmcore::Attribute::kVerify, true);
  form.private_half.flags.Set(hsmcore::Attribute::kDecrypt, label == "rsa");
  form.public_half.flags.Set(hsmcore::Attribute::kEncrypt, label == "rsa");
  form.private_half.flags.Set(hsmcore::Attribute::kDerive, spec->type == hsmcore::KeyType::kEc);
  const auto made = cluster_.User()->Generate(*spec, form);
  if (!made) ADD_FAILURE() << made.error().Message();
  return "hsm:" + label;
}

Pkey ProviderTest::Held(const Library& library, const std::string& label) {
  Pkey key = library.Load(Key(label));
  EXPECT_NE(key, nullptr) << label << ": " << ErrorDetails();
  return key;
}

hsmcore::KeyInfo ProviderTest::Info(const std::string& label) {
  hsmcore::KeyQuery query;
  query.label = label;
  query.klass = hsmcore::KeyClass::kPrivateKey;
  auto found = cluster_.User()->Find(query);
  if (!found || found->size() != 1) {
    ADD_FAILURE() << "no single key is called " << label;
    return {};
  }
  return found->front();
}

std::size_t ProviderTest::CountKeys() {
  const auto found = cluster_.User()->Find({});
  return found ? found->size() : 999;
}

}  // namespace provider::test
