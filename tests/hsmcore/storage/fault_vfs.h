// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_STORAGE_FAULT_VFS_H_
#define TESTS_HSMCORE_STORAGE_FAULT_VFS_H_

#include <string>

namespace hsmcore::storage::test {

enum class Fault {
  kNone,
  kKill,     // SIGKILL instead of the operation
  kFull,     // no space left, from that write on
  kIoError,  // from that operation on
  kHang,     // from that operation on, reads too, until Disarm
};

// Makes SQLite's file operations that change something (write, truncate, sync, delete) fail on
// purpose. Stands between SQLite and its own file layer; in force for all connections that are
// opened while an object exists. One at a time.
class FaultVfs {
 public:
  FaultVfs();
  ~FaultVfs();
  FaultVfs(const FaultVfs&) = delete;
  FaultVfs& operator=(const FaultVfs&) = delete;

  // The n-th operation from now (1 is the next) on a file whose path contains `path` brings about
  // the fault.
  void Arm(Fault fault, int n, std::string path = "");
  void Disarm() { Arm(Fault::kNone, 0); }
  // How many operations hang just now.
  static int Hanging();

  // Database files opened so far whose path contains `path`.
  static int Opened(const std::string& path);
};

}  // namespace hsmcore::storage::test

#endif  // TESTS_HSMCORE_STORAGE_FAULT_VFS_H_
