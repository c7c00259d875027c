// SPDX-License-Identifier: Apache-2.0
#include "session/key_use_log.h"

#include <unistd.h>

#include <ctime>
#include <string>
#include <tuple>
#include <utility>

#include "base/text.h"
#include "policy/gate.h"
#include "session/session_impl.h"

namespace hsmcore::session {
namespace {

// Coarse: a few nanoseconds.
std::int64_t Now() {
  timespec now{};
  std::ignore = clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
  return now.tv_sec;
}

}  // namespace

KeyUseLog::KeyUseLog(std::shared_ptr<cluster::Core> core, std::shared_ptr<const Login> login)
    : core_(std::move(core)), login_(std::move(login)), process_(getpid()) {}

KeyUseLog::~KeyUseLog() {
  if (process_ == getpid()) Flush();
}

Status KeyUseLog::Write(const Counts& counts) {
  audit::Entry entry;
  entry.event = AuditEvent::kKeyUse;
  for (const auto& [handle, uses] : counts) {
    entry.keys.push_back(handle);
    for (std::size_t use = 0; use < kUses; ++use) {
      if (uses[use] == 0) continue;
      entry.detail += Cat(entry.detail.empty() ? "" : ", ");
      if (counts.size() > 1) entry.detail += Cat(handle.ToString(), " ");
      entry.detail += Cat(policy::NameOf(static_cast<Key::Use>(use)), " ", uses[use]);
    }
  }
  const std::lock_guard lock(core_->mutex);
  return audit::Note(*core_->engine, {&login_->identity, login_->path()}, entry);
}

// A few keys a record, so that its text holds them.
void KeyUseLog::Flush() {
  constexpr std::size_t kKeysPerRecord = 4;
  Counts counts;
  {
    const std::lock_guard lock(mutex_);
    counts = std::exchange(counts_, {});
    total_ = 0;
    since_ = Now();
  }
  while (!counts.empty()) {
    Counts part;
    while (!counts.empty() && part.size() < kKeysPerRecord) {
      part.insert(counts.extract(counts.begin()));
    }
    if (Write(part)) continue;
    // Tried again with the next ones.
    const std::lock_guard lock(mutex_);
    counts.merge(part);
    for (const auto& [handle, uses] : counts) {
      for (std::size_t use = 0; use < kUses; ++use) counts_[handle][use] += uses[use];
    }
    return;
  }
}

Status KeyUseLog::Count(KeyHandle handle, Key::Use use, bool strict) {
  const auto index = static_cast<std::size_t>(use);
  if (strict) {
    Counts one;
    one[handle.PrivateHalf()][index] = 1;
    return Write(one);
  }
  bool due = false;
  {
    const std::lock_guard lock(mutex_);
    if (process_ != getpid()) {
      // The parent writes its own.
      process_ = getpid();
      counts_.clear();
      total_ = 0;
    }
    const std::int64_t now = Now();
    if (total_++ == 0) since_ = now;
    ++counts_[handle.PrivateHalf()][index];
    due = total_ >= kMostUses || now - since_ >= kMostSeconds;
    if (due) total_ = 1;  // one thread writes, the others go on
  }
  if (due) Flush();
  return {};
}

}  // namespace hsmcore::session
