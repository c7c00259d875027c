// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_BASE_SECRET_HEAP_H_
#define HSMCORE_BASE_SECRET_HEAP_H_

#include <cstddef>

// Memory for secret bytes, apart from the program's heap: kept out of core files, and out of swap
// as far as half of the limit on locked memory goes; the other half is left to logins and to the
// program. A child of fork() has it too, and its copy is not locked (mlock(2)). For any number of
// threads.
namespace hsmcore {

// `size` bytes, zero-filled; not nullptr. std::bad_alloc.
void* AllocateSecret(std::size_t size);
// Wipes and frees; `size` as it was asked for.
void FreeSecret(void* block, std::size_t size) noexcept;

// A secret of this process could not be locked. See SecretsMayBeSwapped().
void NoteUnlockedSecret() noexcept;

}  // namespace hsmcore

#endif  // HSMCORE_BASE_SECRET_HEAP_H_
