// SPDX-License-Identifier: Apache-2.0
// Backup files: the part in the clear, and the frame of the sealed one.
#include <sys/mman.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cluster/backup_file.h"
#include "vault/sealing.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const int file = memfd_create("backup", MFD_CLOEXEC);
  if (file < 0 || write(file, data, size) != static_cast<ssize_t>(size)) std::abort();
  auto reader = hsmcore::cluster::BackupReader::Open("/proc/self/fd/" + std::to_string(file));
  close(file);  // the reader has its own
  if (!reader) return 0;
  if (!reader->Unlock(hsmcore::SecretBytes(hsmcore::vault::kSealKeyBytes))) return 0;
  while (const auto next = reader->Next()) {
    if (!*next) break;
  }
  return 0;
}
