// SPDX-License-Identifier: Apache-2.0
#include "encoder.h"

#include <openssl/bio.h>
#include <openssl/buffer.h>
#include <openssl/core_dispatch.h>
#include <openssl/pem.h>

#include <memory>
#include <utility>

#include "dispatch.h"
#include "guard.h"
#include "hsmcore/key_reference.h"

namespace provider {
namespace {

using hsmcore::KeyReference;

ByteView BytesOf(const std::string& text) {
  return {reinterpret_cast<const std::uint8_t*>(text.data()), text.size()};
}

Result<KeyReference> ReferenceTo(const KeyObject& object) {
  HSMCORE_TRY(std::string uri, object.ReferenceUri());
  return KeyReference{std::move(uri), object.key()->spki()};
}

Result<Bytes> ReferencePem(const KeyObject& object, int) {
  HSMCORE_TRY(const KeyReference reference, ReferenceTo(object));
  HSMCORE_TRY(const std::string pem, reference.ToPem());
  const ByteView bytes = BytesOf(pem);
  return Bytes(bytes.begin(), bytes.end());
}

Result<Bytes> ReferenceDer(const KeyObject& object, int) {
  HSMCORE_TRY(const KeyReference reference, ReferenceTo(object));
  return reference.ToDer();
}

Result<Bytes> SpkiDer(const KeyObject& object, int) {
  if (object.key() == nullptr) {
    return Fail(ErrorCode::kOperationState, "the key object holds no key yet");
  }
  return object.key()->spki();
}

Result<Bytes> SpkiPem(const KeyObject& object, int selection) {
  struct Free {
    void operator()(BIO* bio) const { BIO_free(bio); }
  };
  HSMCORE_TRY(const Bytes der, SpkiDer(object, selection));
  const std::unique_ptr<BIO, Free> bio(BIO_new(BIO_s_mem()));
  BUF_MEM* memory = nullptr;
  if (bio == nullptr ||
      PEM_write_bio(bio.get(), PEM_STRING_PUBLIC, "", der.data(), static_cast<int>(der.size())) ==
          0 ||
      BIO_get_mem_ptr(bio.get(), &memory) != 1) {
    return Fail(ErrorCode::kOutOfMemory, {});
  }
  return Bytes(memory->data, memory->data + memory->length);
}

Result<Bytes> Text(const KeyObject& object, int selection) {
  HSMCORE_TRY(const std::string text, KeyText(object, selection));
  const ByteView bytes = BytesOf(text);
  return Bytes(bytes.begin(), bytes.end());
}

using Produce = Result<Bytes>(const KeyObject&, int selection);

// `kKeeps`: once this output is written, somebody relies on the key.
template <Produce* kProduce, bool kKeeps>
int Encode(void* provctx, OSSL_CORE_BIO* out, const void* key, const OSSL_PARAM* abstract,
           int selection, OSSL_PASSPHRASE_CALLBACK*, void*) {
  const Core& core = ProviderContext::From(provctx).core;
  return Guard(core, [&]() -> Status {
    if (key == nullptr || abstract != nullptr) {
      return Fail(ErrorCode::kNotSupported, "only keys of this provider are encoded here");
    }
    const auto& object = *static_cast<const KeyObject*>(key);
    HSMCORE_TRY(const Bytes bytes, kProduce(object, selection));
    HSMCORE_CHECK(core.Write(out, bytes));
    if (kKeeps) object.MarkUsed();
    return {};
  });
}

// The provider context serves as encoder context: encoding keeps nothing between calls.
void* New(void* provctx) { return provctx; }
void Free(void*) {}

int DoesPrivate(void*, int selection) {
  return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? 1 : 0;
}
int DoesPublic(void*, int selection) {
  return (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == OSSL_KEYMGMT_SELECT_PUBLIC_KEY ? 1 : 0;
}
int DoesAny(void*, int) { return 1; }

}  // namespace

const OSSL_DISPATCH kReferencePemEncoder[] = {
    HSM_ENTRY(ENCODER_NEWCTX, encoder_newctx, New),
    HSM_ENTRY(ENCODER_FREECTX, encoder_freectx, Free),
    HSM_ENTRY(ENCODER_DOES_SELECTION, encoder_does_selection, DoesPrivate),
    HSM_ENTRY(ENCODER_ENCODE, encoder_encode, (Encode<ReferencePem, true>)),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kReferenceDerEncoder[] = {
    HSM_ENTRY(ENCODER_NEWCTX, encoder_newctx, New),
    HSM_ENTRY(ENCODER_FREECTX, encoder_freectx, Free),
    HSM_ENTRY(ENCODER_DOES_SELECTION, encoder_does_selection, DoesPrivate),
    HSM_ENTRY(ENCODER_ENCODE, encoder_encode, (Encode<ReferenceDer, true>)),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kSpkiPemEncoder[] = {
    HSM_ENTRY(ENCODER_NEWCTX, encoder_newctx, New),
    HSM_ENTRY(ENCODER_FREECTX, encoder_freectx, Free),
    HSM_ENTRY(ENCODER_DOES_SELECTION, encoder_does_selection, DoesPublic),
    HSM_ENTRY(ENCODER_ENCODE, encoder_encode, (Encode<SpkiPem, true>)),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kSpkiDerEncoder[] = {
    HSM_ENTRY(ENCODER_NEWCTX, encoder_newctx, New),
    HSM_ENTRY(ENCODER_FREECTX, encoder_freectx, Free),
    HSM_ENTRY(ENCODER_DOES_SELECTION, encoder_does_selection, DoesPublic),
    HSM_ENTRY(ENCODER_ENCODE, encoder_encode, (Encode<SpkiDer, true>)),
    HSM_ENTRY_END,
};
const OSSL_DISPATCH kTextEncoder[] = {
    HSM_ENTRY(ENCODER_NEWCTX, encoder_newctx, New),
    HSM_ENTRY(ENCODER_FREECTX, encoder_freectx, Free),
    HSM_ENTRY(ENCODER_DOES_SELECTION, encoder_does_selection, DoesAny),
    HSM_ENTRY(ENCODER_ENCODE, encoder_encode, (Encode<Text, false>)),
    HSM_ENTRY_END,
};

}  // namespace provider
