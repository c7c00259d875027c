// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_ZEROIZE_H_
#define HSMCORE_ZEROIZE_H_

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "hsmcore/session.h"
#include "hsmcore/types.h"

// The end of a cluster's key material: the software's tamper response. The stores of all HSMs are
// overwritten and removed, with their logs and what a repair has set aside. Loaded keys fail at
// their next use, in every process. May be repeated after a crash; it then goes on.
namespace hsmcore {

struct ZeroizeOptions {
  std::string cluster_id;  // of the cluster that is meant, so that it is no other
  bool backups = false;    // also all that is in the home's directory of backups
  // HSMs whose disks are gone for good: what is on these is not overwritten.
  std::vector<std::string> lost_hsms;
};

struct ZeroizedHsm {
  std::string id;
  std::filesystem::path path;
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;  // overwritten
};

struct ZeroizeReport {
  std::vector<ZeroizedHsm> hsms;
  std::vector<std::string> lost_hsms;
  std::uint64_t backups = 0;              // destroyed
  std::vector<std::string> backups_left;  // ids in the home, which their admins can open
  // The generation file was not there or damaged: programs that have keys loaded do not learn of
  // this, and have to be ended.
  bool programs_unaware = false;
};

// Whether an admin has to log in for it: not before there is one, and not to go on with what one
// has begun. kInvalidArgument: another cluster is meant, or an HSM that there is not.
// kClusterState, and those of Cluster::RulesAt.
Result<bool> ZeroizationTakesLogin(const std::filesystem::path& home,
                                   const ZeroizeOptions& options);

// `admin`: a session of an admin of this cluster; nullptr: without a login, for an emergency, which
// whoever can write the home may do, as he may remove it. Errors: as above, kRoleForbids, kHome*,
// kStorage*: some of it could not be destroyed; the detail says what. Nothing of the cluster can be
// used then, and the same call goes on.
Result<ZeroizeReport> ZeroizeCluster(const std::filesystem::path& home,
                                     const ZeroizeOptions& options, const Session* admin);

}  // namespace hsmcore

#endif  // HSMCORE_ZEROIZE_H_
