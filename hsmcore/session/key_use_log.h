// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_KEY_USE_LOG_H_
#define HSMCORE_SESSION_KEY_USE_LOG_H_

#include <sys/types.h>

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>

#include "audit/log.h"
#include "cluster/core.h"
#include "hsmcore/key.h"
#include "session/login.h"

namespace hsmcore::session {

// What one user does with keys in this process, on its way to the audit log: each use before it
// happens (strict), or counted and written together (buffered). A crash loses what was counted and
// not written yet: at most kMostUses, or of the last kMostSeconds where keys are in use. A process
// that may not write, as a forked worker, goes on counting and loses its counts at its end.
//
// For any number of threads; the mutex is held for a few instructions.
class KeyUseLog {
 public:
  static constexpr std::uint64_t kMostUses = 10'000;
  static constexpr std::int64_t kMostSeconds = 60;

  KeyUseLog(std::shared_ptr<cluster::Core> core, std::shared_ptr<const Login> login);
  ~KeyUseLog();  // writes what is left
  KeyUseLog(const KeyUseLog&) = delete;
  KeyUseLog& operator=(const KeyUseLog&) = delete;

  // With `strict`, an error says that the use could not be recorded, and must not happen. The
  // caller does not hold core.mutex.
  Status Count(KeyHandle handle, Key::Use use, bool strict);

 private:
  static constexpr std::size_t kUses = 9;  // of Key::Use
  using Counts = std::map<KeyHandle, std::array<std::uint64_t, kUses>>;

  Status Write(const Counts& counts);
  void Flush();

  const std::shared_ptr<cluster::Core> core_;
  const std::shared_ptr<const Login> login_;
  std::mutex mutex_;
  // Guarded by mutex_:
  Counts counts_;
  std::uint64_t total_ = 0;
  std::int64_t since_ = 0;  // when the first of them was counted
  pid_t process_;           // whose they are
};

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_KEY_USE_LOG_H_
