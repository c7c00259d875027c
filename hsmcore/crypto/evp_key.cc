// SPDX-License-Identifier: Apache-2.0
#include "crypto/evp_key.h"

#include <openssl/core_names.h>
#include <openssl/params.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/text.h"
#include "crypto/signature_stream.h"

namespace hsmcore::crypto {
namespace {

using Kind = SignMechanism::Kind;

// What a signature mechanism needs and takes.
struct KindRow {
  Kind kind;
  const char* name;
  KeyType first;  // the key types it is for
  KeyType last;
  int padding;    // OpenSSL's number, 0: has none
  bool may_hash;  // false: the digest is of no meaning
  bool needs_hash;
  bool recovers;  // the signature holds what was signed
};
constexpr auto kKinds = std::to_array<KindRow>({
    {Kind::kRsaPkcs1, "RSA PKCS#1 v1.5", KeyType::kRsa, KeyType::kRsa, RSA_PKCS1_PADDING, true,
     false, true},
    {Kind::kRsaPss, "RSA-PSS", KeyType::kRsa, KeyType::kRsaPss, RSA_PKCS1_PSS_PADDING, true, true,
     false},
    {Kind::kRsaX931, "RSA X9.31", KeyType::kRsa, KeyType::kRsa, RSA_X931_PADDING, true, true, true},
    {Kind::kRsaRaw, "RSA without padding", KeyType::kRsa, KeyType::kRsa, RSA_NO_PADDING, false,
     false, true},
    {Kind::kEcdsa, "ECDSA", KeyType::kEc, KeyType::kEc, 0, true, false, false},
    {Kind::kEddsa, "EdDSA", KeyType::kEd25519, KeyType::kEd448, 0, false, false, false},
    {Kind::kMlDsa, "ML-DSA", KeyType::kMlDsa44, KeyType::kMlDsa87, 0, false, false, false},
    {Kind::kSlhDsa, "SLH-DSA", KeyType::kSlhDsaSha2_128s, KeyType::kSlhDsaShake_256f, 0, false,
     false, false},
});
const KindRow& RowOf(Kind kind) { return kKinds[static_cast<std::size_t>(kind)]; }

Digest DigestOf(const SignMechanism& mechanism) {
  return RowOf(mechanism.kind).may_hash ? mechanism.digest : Digest::kNone;
}

int Initialise(EVP_PKEY_CTX* context, Operation operation) {
  switch (operation) {
    case Operation::kSign:
      return EVP_PKEY_sign_init(context);
    case Operation::kVerify:
      return EVP_PKEY_verify_init(context);
    default:
      return EVP_PKEY_verify_recover_init(context);
  }
}

std::size_t OutputSize(const EVP_PKEY* pkey) {
  const ErrorMark errors;
  return static_cast<std::size_t>(std::max(0, EVP_PKEY_get_size(pkey)));
}

unsigned SecurityBits(const EVP_PKEY* pkey) {
  const ErrorMark errors;
  return static_cast<unsigned>(std::max(0, EVP_PKEY_get_security_bits(pkey)));
}

std::optional<Curve> CurveOf(const PublicMaterial& material) {
  const auto* ec = std::get_if<EcPublic>(&material);
  return ec == nullptr ? std::nullopt : std::optional(ec->curve);
}

}  // namespace

EvpKey::EvpKey(LibraryPtr library, PkeyPtr pkey, const PublicMaterial& public_part,
               bool has_private)
    : library_(std::move(library)),
      pkey_(std::move(pkey)),
      type_(TypeOf(public_part)),
      curve_(CurveOf(public_part)),
      bits_(BitsOf(public_part)),
      has_private_(has_private),
      max_output_(OutputSize(pkey_.get())),
      security_bits_(SecurityBits(pkey_.get())) {}

Status EvpKey::CheckRoom(std::span<std::uint8_t> out, std::size_t needed) const {
  if (out.size() >= needed) return {};
  return Fail(ErrorCode::kBufferTooSmall, Cat("the output needs ", needed, " bytes"));
}

Status EvpKey::CheckSignMechanism(Operation operation, const SignMechanism& mechanism) const {
  const KindRow& row = RowOf(mechanism.kind);
  if (type_ < row.first || type_ > row.last) {
    return Fail(ErrorCode::kKeyTypeMismatch, Cat(row.name, " with a key of type ", NameOf(type_)));
  }
  if (operation == Operation::kSign && !has_private_) {
    return Fail(ErrorCode::kPublicKeyOnly, "signing");
  }
  HSMCORE_CHECK(CheckMessageOptions(mechanism, row.name));
  if (operation == Operation::kVerifyRecover && !row.recovers) {
    return Fail(ErrorCode::kMechanism, Cat(row.name, " signatures hold no data to recover"));
  }
  if (row.needs_hash &&
      (mechanism.digest == Digest::kNone ||
       (mechanism.kind == Kind::kRsaPss && mechanism.mgf_digest == Digest::kNone))) {
    return Fail(ErrorCode::kDigest, Cat(row.name, " needs a digest"));
  }
  return {};
}

// The options of signatures over whole messages.
Status EvpKey::CheckMessageOptions(const SignMechanism& mechanism, const char* name) const {
  const bool ml_options = mechanism.deterministic || mechanism.encoded || mechanism.external_mu;
  const bool eddsa_options = mechanism.instance != EddsaInstance::kPure || mechanism.prehashed;
  if ((ml_options && mechanism.kind < Kind::kMlDsa) ||
      (!mechanism.context.empty() && !mechanism.whole_message()) ||
      (eddsa_options && mechanism.kind != Kind::kEddsa)) {
    return Fail(ErrorCode::kMechanism, Cat(name, " has no such variants, or no context string"));
  }
  if (mechanism.context.size() > kMaxContextBytes) {
    return Fail(ErrorCode::kMechanism,
                Cat("the context string has at most ", kMaxContextBytes, " bytes"));
  }
  if (mechanism.external_mu && mechanism.kind != Kind::kMlDsa) {
    return Fail(ErrorCode::kMechanism, Cat(name, " takes no external mu; ML-DSA does"));
  }
  return mechanism.kind == Kind::kEddsa ? CheckEddsa(mechanism) : Status();
}

Status EvpKey::CheckTbs(const SignMechanism& mechanism, ByteView tbs) const {
  const Digest digest = DigestOf(mechanism);
  const char* name = RowOf(mechanism.kind).name;
  if (digest != Digest::kNone) {
    const DigestRow& row = hsmcore::RowOf(digest);
    if (tbs.size() == row.size) return {};
    return Fail(ErrorCode::kDataLength,
                Cat("a ", row.name, " digest has ", row.size, " bytes, not ", tbs.size()));
  }
  if (mechanism.prehashed && tbs.size() != kEddsaDigestBytes) {
    return Fail(ErrorCode::kDataLength, Cat("the digest for ", name, " has ", kEddsaDigestBytes,
                                            " bytes, not ", tbs.size()));
  }
  if (mechanism.external_mu && tbs.size() != kMuBytes) {
    return Fail(ErrorCode::kDataLength, Cat("mu has ", kMuBytes, " bytes, not ", tbs.size()));
  }
  constexpr std::size_t kPkcs1Overhead = 11;
  if (mechanism.kind == Kind::kRsaRaw && tbs.size() != max_output_) {
    return Fail(ErrorCode::kDataLength, Cat(name, " takes ", max_output_, " bytes"));
  }
  if (mechanism.kind == Kind::kRsaPkcs1 && tbs.size() > max_output_ - kPkcs1Overhead) {
    return Fail(ErrorCode::kDataLength,
                Cat(name, " takes at most ", max_output_ - kPkcs1Overhead, " bytes"));
  }
  return {};
}

// kSaltLengthAutoDigestMax is younger than OpenSSL 3.0.
int EvpKey::PssSaltLength(Operation operation, const SignMechanism& mechanism) const {
  if (mechanism.kind != Kind::kRsaPss) return 0;
  if (mechanism.salt_length != kSaltLengthAutoDigestMax) return mechanism.salt_length;
  if (operation == Operation::kVerify) return kSaltLengthAuto;
  const auto digest = static_cast<int>(hsmcore::RowOf(mechanism.digest).size);
  const auto encoded = static_cast<int>((bits_ - 1 + 7) / 8);  // RFC 8017 9.1.1: emLen
  return std::clamp(encoded - digest - 2, 0, digest);
}

Status EvpKey::SetUpSignature(EVP_PKEY_CTX* context, Operation operation,
                              const SignMechanism& mechanism) const {
  const KindRow& row = RowOf(mechanism.kind);
  int padding = row.padding;
  int salt_length = PssSaltLength(operation, mechanism);
  std::array<OSSL_PARAM, 5> params{};
  std::size_t count = 0;
  const auto text = [&](const char* key, Digest digest) -> Status {
    HSMCORE_CHECK(library_->Fetch(digest));
    params[count++] =
        OSSL_PARAM_construct_utf8_string(key, const_cast<char*>(hsmcore::RowOf(digest).name), 0);
    return {};
  };
  if (padding != 0) {
    params[count++] = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PAD_MODE, &padding);
  }
  if (const Digest digest = DigestOf(mechanism); digest != Digest::kNone) {
    HSMCORE_CHECK(text(OSSL_SIGNATURE_PARAM_DIGEST, digest));
  }
  if (mechanism.kind == Kind::kRsaPss) {
    params[count++] = OSSL_PARAM_construct_int(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, &salt_length);
    HSMCORE_CHECK(text(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, mechanism.mgf_digest));
  }
  params[count] = OSSL_PARAM_construct_end();
  const LibraryScope scope(*library_);
  if (count == 0 || EVP_PKEY_CTX_set_params(context, params.data()) == 1) return {};
  return scope.Fail(ErrorCode::kMechanism, row.name);
}

PkeyCtxPtr EvpKey::CopyPattern(const PatternKey& key) const {
  const Pattern* pattern = patterns_.Find(key);
  return PkeyCtxPtr(pattern == nullptr ? nullptr : EVP_PKEY_CTX_dup(pattern->pkey.get()));
}

PkeyCtxPtr EvpKey::NewContext() const {
  return PkeyCtxPtr(EVP_PKEY_CTX_new_from_pkey(library_->context(), pkey_.get(), nullptr));
}

void EvpKey::KeepPattern(const PatternKey& key, const EVP_PKEY_CTX* context) const {
  PkeyCtxPtr copy(EVP_PKEY_CTX_dup(context));
  if (copy == nullptr) return;
  patterns_.Add(std::make_unique<const Pattern>(key, std::move(copy), nullptr));
}

Result<PkeyCtxPtr> EvpKey::SignatureContext(Operation operation,
                                            const SignMechanism& mechanism) const {
  HSMCORE_CHECK(CheckSignMechanism(operation, mechanism));
  const bool pss = mechanism.kind == Kind::kRsaPss;
  const PatternKey key{operation, static_cast<std::uint8_t>(mechanism.kind), DigestOf(mechanism),
                       pss ? mechanism.mgf_digest : Digest::kNone,
                       PssSaltLength(operation, mechanism)};
  const LibraryScope scope(*library_);
  if (PkeyCtxPtr ready = CopyPattern(key)) return ready;
  PkeyCtxPtr context = NewContext();
  if (context == nullptr || Initialise(context.get(), operation) != 1) {
    return scope.Fail(ErrorCode::kMechanism, RowOf(mechanism.kind).name);
  }
  HSMCORE_CHECK(SetUpSignature(context.get(), operation, mechanism));
  KeepPattern(key, context.get());
  return context;
}

Result<std::size_t> EvpKey::SignWith(EVP_PKEY_CTX* context, ByteView tbs,
                                     std::span<std::uint8_t> out) const {
  const LibraryScope scope(*library_);
  std::size_t size = out.size();
  if (EVP_PKEY_sign(context, out.data(), &size, tbs.data(), tbs.size()) == 1) return size;
  return scope.Fail(ErrorCode::kCryptoFailure, "signing");
}

bool EvpKey::VerifyWith(EVP_PKEY_CTX* context, ByteView tbs, ByteView signature) const {
  const LibraryScope scope(*library_);
  return EVP_PKEY_verify(context, signature.data(), signature.size(), tbs.data(), tbs.size()) == 1;
}

Result<std::size_t> EvpKey::Sign(const SignMechanism& mechanism, ByteView tbs,
                                 std::span<std::uint8_t> out) const {
  HSMCORE_CHECK(CheckSignMechanism(Operation::kSign, mechanism));
  HSMCORE_CHECK(CheckTbs(mechanism, tbs));
  HSMCORE_CHECK(CheckRoom(out, max_output_));
  if (mechanism.whole_message()) return SignMessage(mechanism, tbs, out);
  HSMCORE_TRY(const PkeyCtxPtr context, SignatureContext(Operation::kSign, mechanism));
  return SignWith(context.get(), tbs, out);
}

Result<bool> EvpKey::Verify(const SignMechanism& mechanism, ByteView tbs,
                            ByteView signature) const {
  HSMCORE_CHECK(CheckSignMechanism(Operation::kVerify, mechanism));
  HSMCORE_CHECK(CheckTbs(mechanism, tbs));
  if (mechanism.whole_message()) return VerifyMessage(mechanism, tbs, signature);
  HSMCORE_TRY(const PkeyCtxPtr context, SignatureContext(Operation::kVerify, mechanism));
  return VerifyWith(context.get(), tbs, signature);
}

Result<std::size_t> EvpKey::VerifyRecover(const SignMechanism& mechanism, ByteView signature,
                                          std::span<std::uint8_t> out) const {
  HSMCORE_TRY(const PkeyCtxPtr context, SignatureContext(Operation::kVerifyRecover, mechanism));
  const LibraryScope scope(*library_);
  // OpenSSL 3.0 does not look at the size of the output for every padding.
  Bytes recovered(max_output_);
  std::size_t size = recovered.size();
  if (EVP_PKEY_verify_recover(context.get(), recovered.data(), &size, signature.data(),
                              signature.size()) != 1) {
    return scope.Fail(ErrorCode::kCryptoFailure, "the signature is not valid");
  }
  HSMCORE_CHECK(CheckRoom(out, size));
  std::copy_n(recovered.begin(), size, out.begin());
  return size;
}

Result<std::unique_ptr<SignatureStream>> EvpKey::NewStream(
    std::shared_ptr<const AsymmetricKey> self, Operation operation,
    const SignMechanism& mechanism) const {
  StreamKey key{std::move(self), this, operation, mechanism};
  HSMCORE_CHECK(CheckSignMechanism(operation, mechanism));
  if (mechanism.whole_message()) return NewMessageStream(std::move(key));
  if (DigestOf(mechanism) == Digest::kNone) {
    return Fail(ErrorCode::kDigest,
                Cat(RowOf(mechanism.kind).name, " over a whole message needs a digest"));
  }
  return NewDigestStream(std::move(key));
}

Result<std::unique_ptr<SignatureStream>> EvpKey::NewSigner(
    std::shared_ptr<const AsymmetricKey> self, const SignMechanism& mechanism) const {
  return NewStream(std::move(self), Operation::kSign, mechanism);
}

Result<std::unique_ptr<SignatureStream>> EvpKey::NewVerifier(
    std::shared_ptr<const AsymmetricKey> self, const SignMechanism& mechanism) const {
  return NewStream(std::move(self), Operation::kVerify, mechanism);
}

}  // namespace hsmcore::crypto
