// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_CORE_H_
#define PROVIDER_CORE_H_

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <optional>
#include <span>
#include <string>

#include "hsmcore/error.h"
#include "hsmcore/types.h"

namespace provider {

using hsmcore::Bytes;
using hsmcore::ByteView;
using hsmcore::Error;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::Result;
using hsmcore::Status;

// What libcrypto offers to a provider: its error queue, its BIOs and the provider's section of the
// configuration. Immutable; safe for any number of threads.
class Core {
 public:
  Core(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* upcalls);

  // Puts the error into this thread's queue under the provider's own name. Never allocates.
  void Raise(const Error& error) const noexcept;

  // A setting from the provider's section of openssl.cnf; nothing when it is absent or empty.
  std::optional<std::string> Setting(const char* name) const;

  // The library context that the provider is loaded into.
  OSSL_LIB_CTX* LibraryContext() const;

  // Reads up to out.size() bytes; 0 at the end or on a read error.
  std::size_t Read(OSSL_CORE_BIO* bio, std::span<std::uint8_t> out) const;

  // Reads up to and with the next newline, at most `limit` bytes; empty at the end.
  std::string ReadLine(OSSL_CORE_BIO* bio, std::size_t limit) const;

  // Writes all of it and flushes, so that a full disk is seen here and not when the file is closed.
  Status Write(OSSL_CORE_BIO* bio, ByteView data) const;

 private:
  const OSSL_CORE_HANDLE* handle_;
  OSSL_FUNC_core_get_params_fn* get_params_ = nullptr;
  OSSL_FUNC_core_get_libctx_fn* get_library_context_ = nullptr;
  OSSL_FUNC_core_new_error_fn* new_error_ = nullptr;
  OSSL_FUNC_core_set_error_debug_fn* set_error_debug_ = nullptr;
  OSSL_FUNC_core_vset_error_fn* vset_error_ = nullptr;
  OSSL_FUNC_BIO_read_ex_fn* bio_read_ = nullptr;
  OSSL_FUNC_BIO_write_ex_fn* bio_write_ = nullptr;
  OSSL_FUNC_BIO_gets_fn* bio_gets_ = nullptr;
  OSSL_FUNC_BIO_ctrl_fn* bio_ctrl_ = nullptr;
};

}  // namespace provider

#endif  // PROVIDER_CORE_H_
