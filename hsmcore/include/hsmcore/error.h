// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_ERROR_H_
#define HSMCORE_ERROR_H_

#include <cstdint>
#include <expected>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace hsmcore {

// What went wrong. Front ends map these to their own codes (OpenSSL reasons, exit codes).
enum class ErrorCode : std::uint16_t {
#define HSMCORE_ERROR(name, number, text) name = (number),
#include "hsmcore/error_codes.def"
#undef HSMCORE_ERROR
};

struct ErrorText {
  ErrorCode code;
  const char* text;  // static storage
};

// Every error code, ascending.
std::span<const ErrorText> AllErrors();

// The fixed text of `code`.
const char* TextOf(ErrorCode code);

// A failure: the code, a detail that tells the user what to do, and where in the source it arose.
// The detail never holds a password or key bytes.
class [[nodiscard]] Error {
 public:
  Error(ErrorCode code, std::string detail,
        std::source_location where = std::source_location::current())
      : code_(code), where_(where), detail_(std::move(detail)) {}

  ErrorCode code() const { return code_; }
  const std::string& detail() const { return detail_; }
  const std::source_location& where() const { return where_; }

  // "text of the code: detail", for people.
  std::string Message() const;

 private:
  ErrorCode code_;
  std::source_location where_;
  std::string detail_;
};

// The result of everything that can fail; no call of hsmcore throws on purpose. std::bad_alloc can
// pass through, and the front ends' outermost guard turns it into kOutOfMemory.
template <class T>
using Result = std::expected<T, Error>;
using Status = Result<void>;

// `return Fail(ErrorCode::kKeyNotFound, "...")` from any function that returns a Result.
inline std::unexpected<Error> Fail(ErrorCode code, std::string detail,
                                   std::source_location where = std::source_location::current()) {
  return std::unexpected<Error>(std::in_place, code, std::move(detail), where);
}

}  // namespace hsmcore

// The only control-flow macros. `HSMCORE_TRY(x, F())` declares x as F's value or returns F's error.
#define HSMCORE_CONCAT_(a, b) a##b
#define HSMCORE_CONCAT(a, b) HSMCORE_CONCAT_(a, b)
#define HSMCORE_TRY_(tmp, decl, expr)                       \
  auto tmp = (expr);                                        \
  if (!tmp) return std::unexpected(std::move(tmp).error()); \
  decl = *std::move(tmp)
#define HSMCORE_TRY(decl, expr) HSMCORE_TRY_(HSMCORE_CONCAT(hsmcore_try_, __LINE__), decl, expr)
#define HSMCORE_CHECK_(status, expr)                     \
  do {                                                   \
    if (auto status = (expr); !status) {                 \
      return std::unexpected(std::move(status).error()); \
    }                                                    \
  } while (false)
#define HSMCORE_CHECK(expr) HSMCORE_CHECK_(HSMCORE_CONCAT(hsmcore_status_, __LINE__), expr)

#endif  // HSMCORE_ERROR_H_
