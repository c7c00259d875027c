// SPDX-License-Identifier: Apache-2.0
#include "core.h"

#include <openssl/bio.h>
#include <openssl/params.h>

#include <array>
#include <cstdarg>
#include <string_view>

namespace provider {
namespace {

// The part of a source's path that begins at the project, and not where it was built.
const char* WithinTheProject(const char* path) {
  constexpr std::string_view kThis = __FILE__;
  constexpr std::string_view kThisWithin = "provider/core.cc";
  static_assert(kThis.ends_with(kThisWithin));
  constexpr std::string_view kRoot = kThis.substr(0, kThis.size() - kThisWithin.size());
  return std::string_view(path).starts_with(kRoot) ? path + kRoot.size() : path;
}

// The core's error call takes a printf format and a va_list, which only a variadic function has.
// NOLINTNEXTLINE(cert-dcl50-cpp)
void SetError(OSSL_FUNC_core_vset_error_fn* vset_error, const OSSL_CORE_HANDLE* handle,
              std::uint32_t reason, const char* format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vset_error(handle, reason, format, arguments);
  va_end(arguments);
}

}  // namespace

Core::Core(const OSSL_CORE_HANDLE* handle, const OSSL_DISPATCH* upcalls) : handle_(handle) {
  for (; upcalls->function_id != 0; ++upcalls) {
    switch (upcalls->function_id) {
      case OSSL_FUNC_CORE_GET_PARAMS:
        get_params_ = OSSL_FUNC_core_get_params(upcalls);
        break;
      case OSSL_FUNC_CORE_GET_LIBCTX:
        get_library_context_ = OSSL_FUNC_core_get_libctx(upcalls);
        break;
      case OSSL_FUNC_CORE_NEW_ERROR:
        new_error_ = OSSL_FUNC_core_new_error(upcalls);
        break;
      case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
        set_error_debug_ = OSSL_FUNC_core_set_error_debug(upcalls);
        break;
      case OSSL_FUNC_CORE_VSET_ERROR:
        vset_error_ = OSSL_FUNC_core_vset_error(upcalls);
        break;
      case OSSL_FUNC_BIO_READ_EX:
        bio_read_ = OSSL_FUNC_BIO_read_ex(upcalls);
        break;
      case OSSL_FUNC_BIO_WRITE_EX:
        bio_write_ = OSSL_FUNC_BIO_write_ex(upcalls);
        break;
      case OSSL_FUNC_BIO_GETS:
        bio_gets_ = OSSL_FUNC_BIO_gets(upcalls);
        break;
      case OSSL_FUNC_BIO_CTRL:
        bio_ctrl_ = OSSL_FUNC_BIO_ctrl(upcalls);
        break;
      default:
        break;
    }
  }
}

// The core's type for it is the same thing under another name, for modules that link no libcrypto.
OSSL_LIB_CTX* Core::LibraryContext() const {
  if (get_library_context_ == nullptr) return nullptr;
  return reinterpret_cast<OSSL_LIB_CTX*>(get_library_context_(handle_));
}

void Core::Raise(const Error& error) const noexcept {
  if (new_error_ == nullptr || set_error_debug_ == nullptr || vset_error_ == nullptr) return;
  new_error_(handle_);
  // No function: file and line say it, and libstdc++ gives a whole signature.
  set_error_debug_(handle_, WithinTheProject(error.where().file_name()),
                   static_cast<int>(error.where().line()), "");
  // Without a detail there is nothing to format, which keeps refusals that libcrypto provokes at
  // each signature (see Export) cheap.
  SetError(vset_error_, handle_, static_cast<std::uint32_t>(error.code()),
           error.detail().empty() ? nullptr : "%s", error.detail().c_str());
}

std::optional<std::string> Core::Setting(const char* name) const {
  char* value = nullptr;
  std::array<OSSL_PARAM, 2> params = {OSSL_PARAM_construct_utf8_ptr(name, &value, 0),
                                      OSSL_PARAM_construct_end()};
  if (get_params_ == nullptr || get_params_(handle_, params.data()) == 0) return std::nullopt;
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

std::size_t Core::Read(OSSL_CORE_BIO* bio, std::span<std::uint8_t> out) const {
  std::size_t done = 0;
  while (done < out.size()) {
    std::size_t got = 0;
    if (bio_read_ == nullptr || bio_read_(bio, out.data() + done, out.size() - done, &got) == 0) {
      break;
    }
    done += got;
  }
  return done;
}

std::string Core::ReadLine(OSSL_CORE_BIO* bio, std::size_t limit) const {
  std::string line;
  std::array<char, 256> piece{};
  while (line.size() < limit && !line.ends_with('\n')) {
    const int got = bio_gets_ == nullptr ? 0 : bio_gets_(bio, piece.data(), piece.size());
    if (got <= 0) break;
    line.append(piece.data(), static_cast<std::size_t>(got));
  }
  return line;
}

Status Core::Write(OSSL_CORE_BIO* bio, ByteView data) const {
  std::size_t done = 0;
  while (done < data.size()) {
    std::size_t put = 0;
    if (bio_write_ == nullptr ||
        bio_write_(bio, data.data() + done, data.size() - done, &put) == 0 || put == 0) {
      return Fail(ErrorCode::kStorageIo, "the output cannot be written");
    }
    done += put;
  }
  if (bio_ctrl_ == nullptr || bio_ctrl_(bio, BIO_CTRL_FLUSH, 0, nullptr) <= 0) {
    return Fail(ErrorCode::kStorageIo, "the output cannot be written: is the disk full?");
  }
  return {};
}

}  // namespace provider
