// SPDX-License-Identifier: Apache-2.0
#include "decoder.h"

#include <openssl/bio.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "hsmcore/key_reference.h"
#include "key_object.h"

namespace provider {
namespace {

using hsmcore::KeyReference;
using hsmcore::KeyType;
using hsmcore::KeyUri;

constexpr std::size_t kMaxLine = 1024;
constexpr std::size_t kMaxReference = 16384;  // DER; PEM has a third more

// Where the PEM stage waits for the failure of the DER stage that it calls through libcrypto.
// OSSL_STORE drops the errors of decoders that it calls for the contents of a file; it keeps those
// of the outermost one. So the inner stage leaves its error here and the outer one raises it.
thread_local std::optional<Error>* outer_failure = nullptr;

class FailureSlot {
 public:
  FailureSlot() : before_(std::exchange(outer_failure, &failure_)) {}
  ~FailureSlot() { outer_failure = before_; }
  FailureSlot(const FailureSlot&) = delete;
  FailureSlot& operator=(const FailureSlot&) = delete;

  std::optional<Error>& failure() { return failure_; }

 private:
  std::optional<Error> failure_;
  std::optional<Error>* before_;
};

// ---- First stage ----

bool BeginsReference(std::string_view line) {
  constexpr std::string_view kBegin = "-----BEGIN ";
  constexpr std::string_view kLabel = KeyReference::kPemLabel;
  return line.starts_with(kBegin) && line.substr(kBegin.size()).starts_with(kLabel) &&
         line.substr(kBegin.size() + kLabel.size()).starts_with("-----");
}

// Reads one PEM block and no byte beyond it. Empty: the block is none of ours, or there is none.
Result<std::string> ReadReferenceBlock(const Core& core, OSSL_CORE_BIO* bio) {
  std::string block;
  bool inside = false;
  bool ours = false;
  bool at_start = true;  // of a line: the end of an overlong one is no boundary
  for (;;) {
    const std::string line = core.ReadLine(bio, kMaxLine);
    if (line.empty() && ours) {
      return Fail(ErrorCode::kReference,
                  "the file ends before the END line of the reference: write it anew with hsmctl "
                  "key generate-file");
    }
    if (line.empty()) return std::string();
    if (at_start && !inside && line.starts_with("-----BEGIN ")) {
      inside = true;
      ours = BeginsReference(line);
    }
    if (ours && block.size() <= 2 * kMaxReference) block += line;
    if (at_start && inside && line.starts_with("-----END ")) return block;
    at_start = line.ends_with('\n');
  }
}

Result<Bytes> DecodePem(const std::string& block) {
  struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
    void operator()(char* text) const { OPENSSL_free(text); }
    void operator()(unsigned char* data) const { OPENSSL_free(data); }
  };
  const std::unique_ptr<BIO, Free> bio(
      BIO_new_mem_buf(block.data(), static_cast<int>(block.size())));
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;  // NOLINT(google-runtime-int): libcrypto's type
  ERR_set_mark();
  const int ok = bio == nullptr ? 0 : PEM_read_bio(bio.get(), &name, &header, &data, &size);
  ERR_pop_to_mark();
  const std::unique_ptr<char, Free> name_owner(name);
  const std::unique_ptr<char, Free> header_owner(header);
  const std::unique_ptr<unsigned char, Free> data_owner(data);
  if (ok != 1) return Fail(ErrorCode::kReference, "the PEM block is damaged");
  return Bytes(data, data + size);
}

// Passes the DER on, with the key type where the reference tells it, so that only the decoder of
// that type looks at it.
Result<bool> PassOn(Bytes der, OSSL_CALLBACK* callback, void* argument) {
  HSMCORE_TRY(const KeyReference reference, KeyReference::FromDer(der));
  std::string type;
  if (!reference.spki.empty()) {
    HSMCORE_TRY(const hsmcore::PublicMaterial material, hsmcore::DecodeSpki(reference.spki));
    type = AlgorithmName(TypeOf(material));
  }
  std::string structure = kReferenceStructure;
  int object_type = OSSL_OBJECT_PKEY;
  std::array<OSSL_PARAM, 5> params = {
      OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &object_type),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_STRUCTURE, structure.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_DATA, der.data(), der.size()),
      OSSL_PARAM_construct_end(), OSSL_PARAM_construct_end()};
  if (!type.empty()) {
    params[3] = OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, type.data(), 0);
  }
  FailureSlot slot;
  const bool taken = callback(params.data(), argument) == 1;
  if (!taken && slot.failure()) return std::unexpected(*std::move(slot.failure()));
  return taken;
}

// A decoder that finds nothing for it says success without calling back; that lets the next one
// try.
int DecodePemBlock(void* provctx, OSSL_CORE_BIO* bio, int, OSSL_CALLBACK* callback, void* argument,
                   OSSL_PASSPHRASE_CALLBACK*, void*) {
  const Core& core = ProviderContext::From(provctx).core;
  return Guard(core, [&]() -> Result<bool> {
    HSMCORE_TRY(const std::string block, ReadReferenceBlock(core, bio));
    if (block.empty()) return true;
    HSMCORE_TRY(Bytes der, DecodePem(block));
    return PassOn(std::move(der), callback, argument);
  });
}

// ---- Second stage ----

Result<std::unique_ptr<KeyObject>> LoadReferenced(const ProviderContext& provider,
                                                  const KeyReference& reference,
                                                  const Prompt& prompt) {
  HSMCORE_TRY(const KeyUri uri, KeyUri::Parse(reference.uri));
  if (!uri.names_a_key()) return Fail(ErrorCode::kReference, "the reference names no key");
  // Files come from others: one of them must not try passwords or read files.
  if (uri.pin_source || uri.pin_value) {
    return Fail(ErrorCode::kReference,
                "the reference brings a password along (pin-source or pin-value), which is not "
                "taken from a file: give it to the program, the environment or openssl.cnf");
  }
  HSMCORE_TRY(SessionPtr session, provider.access.Login(uri, prompt));
  HSMCORE_TRY(hsmcore::KeyPtr key,
              session->Load(hsmcore::KeyQuery::FromUri(uri), /*want_private=*/true));
  if (!reference.spki.empty() && key->spki() != reference.spki) {
    return Fail(ErrorCode::kReference,
                "the key that '" + uri.ToString() +
                    "' names has another public key than the reference: write the file anew with "
                    "hsmctl key generate-file");
  }
  return KeyObject::Of(provider, std::move(key), std::move(session));
}

// Nothing: the DER is no reference, or one to a key of another type.
Result<std::optional<KeyReference>> ReadReference(const Core& core, OSSL_CORE_BIO* bio,
                                                  KeyType type) {
  Bytes der(kMaxReference + 1);
  der.resize(core.Read(bio, der));
  if (der.size() > kMaxReference) return std::nullopt;
  auto reference = KeyReference::FromDer(der);
  if (!reference) return std::nullopt;
  if (!reference->spki.empty()) {
    HSMCORE_TRY(const hsmcore::PublicMaterial material, hsmcore::DecodeSpki(reference->spki));
    if (TypeOf(material) != type) return std::nullopt;
  }
  return *std::move(reference);
}

template <KeyType kType>
int DecodeReference(void* provctx, OSSL_CORE_BIO* bio, int, OSSL_CALLBACK* callback, void* argument,
                    OSSL_PASSPHRASE_CALLBACK* ask, void* ask_argument) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core, [&]() -> Result<bool> {
    HSMCORE_TRY(const std::optional<KeyReference> reference,
                ReadReference(provider.core, bio, kType));
    if (!reference) return true;
    auto object = LoadReferenced(provider, *reference, Prompt{ask, ask_argument});
    if (!object && outer_failure != nullptr) {
      outer_failure->emplace(std::move(object).error());
      return false;
    }
    if (!object) return std::unexpected(std::move(object).error());
    if ((*object)->type() != kType) return true;
    return HandOver(*std::move(object), callback, argument);
  });
}

// ---- Both ----

// The provider context serves as decoder context: decoding keeps nothing between calls.
void* New(void* provctx) { return provctx; }
void Free(void*) {}

// A reference stands for a private key; 0 is a caller that takes whatever comes.
int DoesSelection(void*, int selection) {
  return selection == 0 || (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? 1 : 0;
}

// NOLINTBEGIN(google-readability-casting): the check takes HSM_ENTRY's cast for one of C here
template <KeyType kType>
struct ReferenceDecoderTable {
  static const OSSL_DISPATCH kRows[];
};
template <KeyType kType>
const OSSL_DISPATCH ReferenceDecoderTable<kType>::kRows[] = {
    HSM_ENTRY(DECODER_NEWCTX, decoder_newctx, New),
    HSM_ENTRY(DECODER_FREECTX, decoder_freectx, Free),
    HSM_ENTRY(DECODER_DOES_SELECTION, decoder_does_selection, DoesSelection),
    HSM_ENTRY(DECODER_DECODE, decoder_decode, DecodeReference<kType>),
    HSM_ENTRY_END,
};
// NOLINTEND(google-readability-casting)

template <std::size_t... kIndex>
constexpr std::array<const OSSL_DISPATCH*, sizeof...(kIndex)> AllTables(
    std::index_sequence<kIndex...>) {
  return {ReferenceDecoderTable<static_cast<KeyType>(kIndex)>::kRows...};
}
constexpr auto kTables = AllTables(std::make_index_sequence<kPairTypes>());

}  // namespace

const OSSL_DISPATCH* ReferenceDecoderOf(KeyType type) {
  return kTables[static_cast<std::size_t>(type)];
}

const OSSL_DISPATCH kPemDecoder[] = {
    HSM_ENTRY(DECODER_NEWCTX, decoder_newctx, New),
    HSM_ENTRY(DECODER_FREECTX, decoder_freectx, Free),
    HSM_ENTRY(DECODER_DECODE, decoder_decode, DecodePemBlock),
    HSM_ENTRY_END,
};

}  // namespace provider
