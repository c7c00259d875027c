// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/secret_bytes.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/secret_heap.h"

namespace hsmcore {

void WipeMemory(void* data, std::size_t size) noexcept {
  if (size != 0) explicit_bzero(data, size);
}

SecretBytes::SecretBytes(std::size_t size)
    : data_(size == 0 ? nullptr : static_cast<std::uint8_t*>(AllocateSecret(size)),
            secret_internal::Free{size}),
      size_(size) {}

void secret_internal::Free::operator()(std::uint8_t* data) const noexcept {
  FreeSecret(data, capacity);
}

SecretBytes SecretBytes::CopyOf(std::span<const std::uint8_t> bytes) {
  SecretBytes copy(bytes.size());
  std::ranges::copy(bytes, copy.data_.get());
  return copy;
}

SecretBytes SecretBytes::CopyOf(std::string_view text) {
  return CopyOf({reinterpret_cast<const std::uint8_t*>(text.data()), text.size()});
}

SecretBytes::SecretBytes(SecretBytes&& other) noexcept
    : data_(std::move(other.data_)), size_(std::exchange(other.size_, 0)) {}

SecretBytes& SecretBytes::operator=(SecretBytes&& other) noexcept {
  SecretBytes taken(std::move(other));
  std::swap(data_, taken.data_);
  std::swap(size_, taken.size_);
  return *this;
}

SecretBytes SecretBytes::Clone() const { return CopyOf(Read(SecretAccess{"clone"})); }

std::string_view SecretBytes::ReadText(SecretAccess) const {
  return {reinterpret_cast<const char*>(data_.get()), size_};
}

void SecretBytes::Truncate(std::size_t size) {
  if (size >= size_) return;
  WipeMemory(data_.get() + size, size_ - size);
  size_ = size;
}

void SecretBytes::TruncateToLast(std::size_t size) {
  if (size >= size_) return;
  std::copy_n(data_.get() + (size_ - size), size, data_.get());
  Truncate(size);
}

bool SecretBytes::Equals(std::span<const std::uint8_t> other) const {
  if (other.size() != size_) return false;
  std::uint8_t difference = 0;
  for (std::size_t i = 0; i < size_; ++i) {
    difference = static_cast<std::uint8_t>(difference | (data_[i] ^ other[i]));
    __asm__ volatile("" : "+r"(difference));  // keeps the compiler from leaving the loop early
  }
  return difference == 0;
}

}  // namespace hsmcore
