// SPDX-License-Identifier: Apache-2.0
#include "vault/stream.h"

#include <sodium.h>

#include <utility>

#include "vault/sealing.h"

namespace hsmcore::vault {

static_assert(kSealKeyBytes == crypto_secretstream_xchacha20poly1305_KEYBYTES);
static_assert(kStreamHeaderBytes == crypto_secretstream_xchacha20poly1305_HEADERBYTES);
static_assert(kStreamPartOverhead == crypto_secretstream_xchacha20poly1305_ABYTES);

struct StreamState {
  crypto_secretstream_xchacha20poly1305_state sodium;
};

void StreamStateDelete::operator()(StreamState* state) const noexcept {
  sodium_memzero(state, sizeof *state);
  delete state;
}

StreamSealer::StreamSealer(const SecretBytes& key)
    : state_(new StreamState()), header_(kStreamHeaderBytes) {
  crypto_secretstream_xchacha20poly1305_init_push(&state_->sodium, header_.data(),
                                                  key.Read(SecretAccess{"seal a stream"}).data());
}

Bytes StreamSealer::Seal(ByteView plain, ByteView associated, bool last) {
  Bytes sealed(plain.size() + kStreamPartOverhead);
  const unsigned char tag = last ? crypto_secretstream_xchacha20poly1305_TAG_FINAL
                                 : crypto_secretstream_xchacha20poly1305_TAG_MESSAGE;
  crypto_secretstream_xchacha20poly1305_push(&state_->sodium, sealed.data(), nullptr, plain.data(),
                                             plain.size(), associated.data(), associated.size(),
                                             tag);
  return sealed;
}

Result<StreamOpener> StreamOpener::New(const SecretBytes& key, ByteView header) {
  std::unique_ptr<StreamState, StreamStateDelete> state(new StreamState());
  if (key.size() != kSealKeyBytes || header.size() != kStreamHeaderBytes ||
      crypto_secretstream_xchacha20poly1305_init_pull(
          &state->sodium, header.data(), key.Read(SecretAccess{"open a stream"}).data()) != 0) {
    return Fail(ErrorCode::kRecordDamaged, "the sealed stream has no valid header");
  }
  return StreamOpener(std::move(state));
}

Result<StreamOpener::Part> StreamOpener::Open(ByteView sealed, ByteView associated) {
  if (sealed.size() < kStreamPartOverhead) {
    return Fail(ErrorCode::kRecordDamaged, "the sealed stream is cut short");
  }
  Part part{Bytes(sealed.size() - kStreamPartOverhead), false};
  unsigned char tag = 0;
  if (crypto_secretstream_xchacha20poly1305_pull(&state_->sodium, part.plain.data(), nullptr, &tag,
                                                 sealed.data(), sealed.size(), associated.data(),
                                                 associated.size()) != 0) {
    return Fail(ErrorCode::kRecordDamaged, "the sealed stream does not open");
  }
  part.last = tag == crypto_secretstream_xchacha20poly1305_TAG_FINAL;
  return part;
}

}  // namespace hsmcore::vault
