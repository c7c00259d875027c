// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_SHRED_H_
#define HSMCORE_CLUSTER_SHRED_H_

#include <cstdint>
#include <filesystem>
#include <string_view>

#include "hsmcore/types.h"

// Files that are destroyed, not only removed: overwritten in place by random bytes, durably. Where
// a file system or a drive keeps older copies of a block, they are out of reach.
namespace hsmcore::cluster {

struct Shredded {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;
};

// Overwrites all of a regular file and leaves it there, with its length: other processes may have
// it mapped. A symbolic link is left alone, and what it leads to. The errors of FileError.
Result<Shredded> Overwrite(const std::filesystem::path& file);

// Overwrites the store in an HSM's directory, with its logs and damaged ones that a repair has set
// aside. kHomeNotFound: there is no store, as where a disk is not mounted; kStorageIo: the
// directory does not answer.
Result<Shredded> OverwriteStore(const std::filesystem::path& directory);

// Overwrites and removes a file. One that is not there is fine.
Result<Shredded> Shred(const std::filesystem::path& file);
// The same for all files in a directory whose names have this ending.
Result<Shredded> ShredAll(const std::filesystem::path& directory, std::string_view ending);

}  // namespace hsmcore::cluster

#endif  // HSMCORE_CLUSTER_SHRED_H_
