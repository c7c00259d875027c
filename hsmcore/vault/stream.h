// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_STREAM_H_
#define HSMCORE_VAULT_STREAM_H_

#include <memory>

#include "hsmcore/types.h"

// Sealing of what is too long for one piece: libsodium's secretstream (XChaCha20-Poly1305). Parts
// open in the order in which they were sealed, none can be left out, and the last one is marked.
namespace hsmcore::vault {

constexpr std::size_t kStreamHeaderBytes = 24;
constexpr std::size_t kStreamPartOverhead = 17;

struct StreamState;  // wiped when it goes
struct StreamStateDelete {
  void operator()(StreamState* state) const noexcept;
};

class StreamSealer {
 public:
  // `key` has kSealKeyBytes bytes and seals one stream only.
  explicit StreamSealer(const SecretBytes& key);

  const Bytes& header() const { return header_; }  // goes before the first part
  Bytes Seal(ByteView plain, ByteView associated, bool last);

 private:
  std::unique_ptr<StreamState, StreamStateDelete> state_;
  Bytes header_;
};

class StreamOpener {
 public:
  // kRecordDamaged: this is no header.
  static Result<StreamOpener> New(const SecretBytes& key, ByteView header);

  struct Part {
    Bytes plain;
    bool last = false;
  };
  // kRecordDamaged: changed, out of order, of another stream, or sealed under another key.
  Result<Part> Open(ByteView sealed, ByteView associated);

 private:
  explicit StreamOpener(std::unique_ptr<StreamState, StreamStateDelete> state)
      : state_(std::move(state)) {}
  std::unique_ptr<StreamState, StreamStateDelete> state_;
};

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_STREAM_H_
