// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SECRET_BYTES_H_
#define HSMCORE_SECRET_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

namespace hsmcore {

// Says why secret bytes are read. Searching for "SecretAccess{" lists every place that does.
struct SecretAccess {
  const char* reason;
};

namespace secret_internal {
struct Free {
  std::size_t capacity = 0;
  void operator()(std::uint8_t* data) const noexcept;
};
}  // namespace secret_internal

// Key bytes, passwords, PINs: fixed length, move-only, wiped when freed or moved into, never
// printable, in memory that is kept out of core files and, as far as the limit on locked memory
// goes, out of swap. Not for concurrent writing; concurrent reading is fine.
class SecretBytes {
 public:
  SecretBytes() = default;
  explicit SecretBytes(std::size_t size);  // zero-filled
  static SecretBytes CopyOf(std::span<const std::uint8_t> bytes);
  static SecretBytes CopyOf(std::string_view text);

  SecretBytes(SecretBytes&& other) noexcept;
  SecretBytes& operator=(SecretBytes&& other) noexcept;
  SecretBytes(const SecretBytes&) = delete;
  SecretBytes& operator=(const SecretBytes&) = delete;
  ~SecretBytes() = default;

  SecretBytes Clone() const;

  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }

  // The bytes stay owned by this object and valid until it is moved from or destroyed.
  std::span<const std::uint8_t> Read(SecretAccess) const { return {data_.get(), size_}; }
  std::string_view ReadText(SecretAccess) const;
  std::span<std::uint8_t> Write(SecretAccess) { return {data_.get(), size_}; }

  // Shortens to `size` bytes and wipes the rest. `size` must not exceed size().
  void Truncate(std::size_t size);
  // The same, and keeps the last bytes.
  void TruncateToLast(std::size_t size);

  // Constant-time for equal lengths; the length itself is no secret.
  bool Equals(std::span<const std::uint8_t> other) const;

 private:
  std::unique_ptr<std::uint8_t[], secret_internal::Free> data_;
  std::size_t size_ = 0;
};

// A secret of this process is in memory that could not be locked: the limit is too low. Stays true.
bool SecretsMayBeSwapped() noexcept;

// Overwrites memory in a way that the compiler may not remove.
void WipeMemory(void* data, std::size_t size) noexcept;

}  // namespace hsmcore

#endif  // HSMCORE_SECRET_BYTES_H_
