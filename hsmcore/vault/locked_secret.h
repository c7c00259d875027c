// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_LOCKED_SECRET_H_
#define HSMCORE_VAULT_LOCKED_SECRET_H_

#include <memory>
#include <span>

#include "hsmcore/types.h"

namespace hsmcore::vault {

// A long-lived root secret in memory of its own: guard pages around it, kept out of core files, and
// out of swap where the limit on locked memory allows. Costs several pages and mappings, so it is
// for the few secrets of a login only.
class LockedSecret {
 public:
  // kOutOfMemory.
  static Result<LockedSecret> CopyOf(ByteView bytes);

  ByteView Read(SecretAccess) const { return {data_.get(), size_}; }
  std::size_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::uint8_t* data) const noexcept;
  };
  LockedSecret(std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}
  std::unique_ptr<std::uint8_t, Free> data_;
  std::size_t size_;
};

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_LOCKED_SECRET_H_
