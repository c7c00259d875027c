// SPDX-License-Identifier: Apache-2.0
#include "provider/wycheproof_bench.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/kdf.h>
#include <openssl/x509.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "hsmcore/key_reference.h"

namespace provider::test::wycheproof {
namespace {

constexpr const char* kProperties = "provider=hsm";
constexpr const char* kElsewhere = "provider=default";

hsmcore::KeyTemplate PersistentForm(const std::string& label, hsmcore::KeyType type) {
  using hsmcore::Attribute;
  const hsmcore::KeyPurpose purpose = hsmcore::RowOf(type).purpose;
  const bool signs = purpose == hsmcore::KeyPurpose::kSign;
  const bool several = purpose == hsmcore::KeyPurpose::kSeveral;
  hsmcore::KeyTemplate form;
  for (auto* half : {&form.private_half, &form.public_half}) {
    half->label = label;
    half->flags.Set(Attribute::kToken, true);
  }
  form.private_half.flags.Set(Attribute::kSign, several || signs);
  form.public_half.flags.Set(Attribute::kVerify, several || signs);
  form.private_half.flags.Set(Attribute::kDecrypt, type == hsmcore::KeyType::kRsa);
  form.public_half.flags.Set(Attribute::kEncrypt, type == hsmcore::KeyType::kRsa);
  form.private_half.flags.Set(Attribute::kDerive,
                              type == hsmcore::KeyType::kEc || !(several || signs));
  return form;
}

hsmcore::ObjectAttributes SecretForm(const std::string& label) {
  using enum hsmcore::Attribute;
  auto form = hsmcore::DefaultAttributes(hsmcore::KeyClass::kSecretKey);
  form.label = label;
  for (const auto flag : {kToken, kEncrypt, kDecrypt, kSign, kVerify, kDerive, kWrap, kUnwrap}) {
    form.flags.Set(flag, true);
  }
  return form;
}

// Algorithms of Wycheproof's files that not every OpenSSL has. The first row with a part of the
// name counts. What no row names has to be there: a provider that stops to offer it must not make
// its vectors silent.
struct AbsentRow {
  const char* part;
  unsigned since;  // as 0xMMmm; kNever: no OpenSSL has it
};
constexpr unsigned kNever = 0xffff;
constexpr auto kAbsent = std::to_array<AbsentRow>({
    {"ML-DSA", 0x0305},
    {"ML-KEM", 0x0305},
    {"SLH-DSA", 0x0305},
    {"GCM-SIV", 0x0302},
    {"SM4-GCM", 0x0302},
    {"SM4-CCM", 0x0302},
    {"AES-192-XTS", kNever},  // IEEE 1619 has 128 and 256 bits
    {"AEGIS", kNever},
    {"ASCON", kNever},
    {"MORUS", kNever},
    {"XCHACHA20", kNever},
    {"-EAX", kNever},
    {"SEED-", kNever},  // as a mode with a tag or a key wrap; CBC is in the legacy provider
    {"CBC-HMAC", kNever},
    {"CBC-HS", kNever},
    {"ARIA-128-WRAP", kNever},
    {"ARIA-192-WRAP", kNever},
    {"ARIA-256-WRAP", kNever},
    {"CAMELLIA-128-CCM", kNever},
    {"CAMELLIA-192-CCM", kNever},
    {"CAMELLIA-256-CCM", kNever},
    {"CAMELLIA-128-WRAP", kNever},
    {"CAMELLIA-192-WRAP", kNever},
    {"CAMELLIA-256-WRAP", kNever},
    {"VMAC", kNever},
});

bool MayBeAbsent(std::string_view name) {
  const auto* row = std::ranges::find_if(
      kAbsent, [name](const AbsentRow& absent) { return name.find(absent.part) != name.npos; });
  const unsigned running =
      (OPENSSL_version_major() << 8U) | OPENSSL_version_minor();  // NOLINT(*-magic-numbers)
  return row != kAbsent.end() && running < row->since;
}

Outcome NotOffered(const std::string& name) {
  if (MayBeAbsent(name)) return NotRun("not offered: " + name);
  return {Outcome::Kind::kContradicted,
          "the provider does not offer " + name + ", which this OpenSSL should have"};
}

// Why the HSM did not take a key: what it does not hold is not run, a bad key is refused.
Outcome Refusal(const hsmcore::Error& error) {
  using enum hsmcore::ErrorCode;
  switch (error.code()) {
    case kKeySize:
      return NotRun("refused by size: " + error.Message());
    case kNotSupported:
      return NotOffered(error.Message());
    case kKeyImport:
      return Rejected();
    default:
      return {Outcome::Kind::kContradicted, "the import failed: " + error.Message()};
  }
}

// The same for the provider, which tells the reason in the error queue.
Outcome RefusalOfProvider() {
  const std::string size = Reason(hsmcore::ErrorCode::kKeySize);
  const unsigned long error = ERR_peek_last_error();
  const char* reason = ERR_reason_error_string(error);
  const std::string details = ErrorDetails();
  if (reason == nullptr || size != reason) return Rejected();
  return NotRun("refused by size: " + size + ": " + details.substr(0, details.find('\n')));
}

Needed<Pkey> FromData(OSSL_LIB_CTX* context, const char* type, int selection, OSSL_PARAM* params) {
  ERR_clear_error();
  const Ptr<EVP_PKEY_CTX> builder(EVP_PKEY_CTX_new_from_name(context, type, kProperties));
  EVP_PKEY* key = nullptr;
  if (EVP_PKEY_fromdata_init(builder.get()) == 1) {
    EVP_PKEY_fromdata(builder.get(), &key, selection, params);
  }
  if (key == nullptr) return std::unexpected(RefusalOfProvider());
  return Pkey(key);
}

// OpenSSL's decoders make keys of the default provider, whose numbers the HSM is given.
Needed<Pkey> Moved(OSSL_LIB_CTX* context, const Pkey& key, int selection) {
  if (key == nullptr) return std::unexpected(Rejected());
  OSSL_PARAM* params = nullptr;
  if (EVP_PKEY_todata(key.get(), selection, &params) != 1) return std::unexpected(Rejected());
  const Ptr<OSSL_PARAM> owner(params);
  return FromData(context, EVP_PKEY_get0_type_name(key.get()), selection, params);
}

// What OpenSSL fetches by name and properties.
template <class T>
Needed<T*> Fetched(std::map<std::string, std::shared_ptr<void>>& cache, const Library& library,
                   const std::string& name, T* (*fetch)(OSSL_LIB_CTX*, const char*, const char*),
                   void (*release)(T*)) {
  const auto [found, is_new] = cache.try_emplace(std::string(typeid(T*).name()) + name);
  std::shared_ptr<void>& algorithm = found->second;
  if (is_new) {
    algorithm = std::shared_ptr<T>(fetch(library.get(), name.c_str(), kProperties), release);
  }
  if (algorithm == nullptr) return std::unexpected(NotOffered(name));
  return static_cast<T*>(algorithm.get());
}

}  // namespace

Needed<EVP_CIPHER*> Bench::Cipher(const std::string& name) {
  return Fetched(algorithms_, library_, name, EVP_CIPHER_fetch, EVP_CIPHER_free);
}
Needed<EVP_MAC*> Bench::Mac(const std::string& name) {
  return Fetched(algorithms_, library_, name, EVP_MAC_fetch, EVP_MAC_free);
}
Needed<EVP_KDF*> Bench::Kdf(const std::string& name) {
  return Fetched(algorithms_, library_, name, EVP_KDF_fetch, EVP_KDF_free);
}
Needed<EVP_MD*> Bench::Digest(const std::string& name) {
  return Fetched(algorithms_, library_, name, EVP_MD_fetch, EVP_MD_free);
}
Needed<EVP_KEYMGMT*> Bench::KeyType(const std::string& name) {
  return Fetched(algorithms_, library_, name, EVP_KEYMGMT_fetch, EVP_KEYMGMT_free);
}

Needed<EVP_PKEY*> Bench::Once(const std::string& what, ByteView der,
                              const std::function<Needed<Pkey>()>& make) {
  const std::string name = what + ToHex(der);
  auto found = keys_.find(name);
  if (found == keys_.end()) found = keys_.emplace(name, make()).first;
  if (!found->second) return std::unexpected(found->second.error());
  return found->second->get();
}

Needed<Pkey> Bench::Load(const std::string& uri) const {
  Pkey key = library_.Load(uri);
  if (key != nullptr && ProviderOf(key.get()) == "hsm") return key;
  return std::unexpected(
      Outcome{Outcome::Kind::kContradicted, uri + " did not load: " + ErrorDetails()});
}

Needed<EVP_PKEY*> Bench::HeldPrivate(const hsmcore::KeyPairMaterial& material) {
  const hsmcore::KeyType type = TypeOf(material.public_part);
  const auto spki = hsmcore::EncodeSpki(material.public_part);
  if (!spki) return std::unexpected(Refusal(spki.error()));
  return Once("held", *spki, [&]() -> Needed<Pkey> {
    const std::string label = NextLabel();
    const auto made = session_->ImportPair(material, PersistentForm(label, type));
    if (!made) return std::unexpected(Refusal(made.error()));
    return Load("hsm:" + label + ";type=private");
  });
}

Needed<EVP_PKEY*> Bench::HeldPkcs8(ByteView der) {
  const auto material = hsmcore::DecodePkcs8(hsmcore::SecretBytes::CopyOf(der));
  if (!material) return std::unexpected(Refusal(material.error()));
  return HeldPrivate(*material);
}

Needed<EVP_PKEY*> Bench::HeldPublic(ByteView spki) {
  return Once("public", spki, [&]() -> Needed<Pkey> {
    const auto material = hsmcore::DecodeSpki(spki);
    if (!material) return std::unexpected(Refusal(material.error()));
    const std::string label = NextLabel();
    const auto made =
        session_->ImportPublic(*material, PersistentForm(label, TypeOf(*material)).public_half);
    if (!made) return std::unexpected(Refusal(made.error()));
    return Load("hsm:" + label + ";type=public");
  });
}

Needed<EVP_PKEY*> Bench::GivenPkcs8(ByteView der) {
  return Once("pkcs8", der, [&] {
    const unsigned char* data = der.data();
    const Pkey key(d2i_AutoPrivateKey_ex(nullptr, &data, static_cast<long>(der.size()), context(),
                                         kElsewhere));
    return Moved(context(), key, EVP_PKEY_KEYPAIR);
  });
}

Needed<EVP_PKEY*> Bench::GivenPublic(ByteView spki) {
  return Once("spki", spki, [&] {
    const unsigned char* data = spki.data();
    const Pkey key(
        d2i_PUBKEY_ex(nullptr, &data, static_cast<long>(spki.size()), context(), kElsewhere));
    return Moved(context(), key, EVP_PKEY_PUBLIC_KEY);
  });
}

Needed<EVP_PKEY*> Bench::GivenParams(const char* type, int selection, OSSL_PARAM* params) {
  std::string name = type;
  for (const OSSL_PARAM* param = params; param->key != nullptr; ++param) {
    const auto* data = static_cast<const std::uint8_t*>(param->data);
    name += std::string(" ") + param->key + "=" + ToHex({data, param->data_size});
  }
  return Once(name, {}, [&] { return FromData(context(), type, selection, params); });
}

Needed<std::string> Bench::HeldSecret(hsmcore::KeyType type, ByteView value) {
  const std::string name = std::string(NameOf(type)) + ToHex(value);
  const auto found = secrets_.find(name);
  if (found != secrets_.end()) return found->second;
  const std::string label = NextLabel();
  const auto made =
      session_->ImportSecret(type, hsmcore::SecretBytes::CopyOf(value), SecretForm(label));
  Needed<std::string> uri = made ? Needed<std::string>("hsm:" + label + ";type=secret-key")
                                 : std::unexpected(Refusal(made.error()));
  return secrets_.emplace(name, std::move(uri)).first->second;
}

bool SetOptions(EVP_PKEY_CTX* context, const Options& options) {
  return std::ranges::all_of(options, [context](const auto& option) {
    return EVP_PKEY_CTX_ctrl_str(context, option.first.c_str(), option.second.c_str()) == 1;
  });
}

Outcome Verify(const Bench& bench, EVP_PKEY* key, const char* digest, const Options& options,
               ByteView message, ByteView signature) {
  const Ptr<EVP_MD_CTX> context(EVP_MD_CTX_new());
  EVP_PKEY_CTX* operation = nullptr;
  if (EVP_DigestVerifyInit_ex(context.get(), &operation, digest, bench.context(), nullptr, key,
                              nullptr) != 1 ||
      !SetOptions(operation, options)) {
    return {Outcome::Kind::kContradicted, "verification cannot begin: " + ErrorDetails()};
  }
  return EVP_DigestVerify(context.get(), signature.data(), signature.size(), message.data(),
                          message.size()) == 1
             ? Accepted()
             : Rejected();
}

Outcome Derive(const Bench& bench, EVP_PKEY* own, EVP_PKEY* peer, ByteView expected) {
  const Ptr<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_pkey(bench.context(), own, nullptr));
  if (EVP_PKEY_derive_init(context.get()) != 1) {
    return {Outcome::Kind::kContradicted, "agreement cannot begin: " + ErrorDetails()};
  }
  std::size_t size = 0;
  if (EVP_PKEY_derive_set_peer(context.get(), peer) != 1 ||
      EVP_PKEY_derive(context.get(), nullptr, &size) != 1) {
    return Rejected();
  }
  Bytes secret(size);
  if (EVP_PKEY_derive(context.get(), secret.data(), &size) != 1) return Rejected();
  secret.resize(size);
  return Compare("the shared secret", secret, expected);
}

std::string DigestName(const std::string& name) {
  const std::string family = "SHA-";
  if (!name.starts_with(family)) return name;
  const std::string size = name.substr(family.size());
  return size == "1" ? "SHA1" : "SHA2-" + size;
}

}  // namespace provider::test::wycheproof
