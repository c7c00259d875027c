// SPDX-License-Identifier: Apache-2.0
#include "fault_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <tuple>
#include <vector>

namespace hsmcore::storage::test {
namespace {

struct State {
  std::mutex mutex;
  Fault fault = Fault::kNone;
  int left = 0;  // operations until the fault
  std::string path;
  std::vector<std::string> opened;
  std::condition_variable disarmed;
  int hanging = 0;
};
State& TheState() {
  static auto* const state = new State;
  return *state;
}

sqlite3_vfs* g_real = nullptr;

struct File {
  sqlite3_file base;
  const char* path;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};
File* Of(sqlite3_file* file) { return reinterpret_cast<File*>(file); }

int Step(const char* path, bool takes_space = false) {
  State& state = TheState();
  std::unique_lock guard(state.mutex);
  if (state.fault == Fault::kNone || path == nullptr) return SQLITE_OK;
  if (state.fault == Fault::kFull && !takes_space) return SQLITE_OK;
  if (std::string_view(path).find(state.path) == std::string_view::npos) return SQLITE_OK;
  if (--state.left > 0) return SQLITE_OK;
  if (state.fault == Fault::kKill) std::ignore = raise(SIGKILL);
  if (state.fault == Fault::kHang) {
    ++state.hanging;
    state.disarmed.wait(guard, [&state] { return state.fault != Fault::kHang; });
    --state.hanging;
    return SQLITE_OK;
  }
  return state.fault == Fault::kFull ? SQLITE_FULL : SQLITE_IOERR;
}

int Close(sqlite3_file* f) {
  return Of(f)->real()->pMethods == nullptr ? SQLITE_OK
                                            : Of(f)->real()->pMethods->xClose(Of(f)->real());
}
// Of what changes nothing, only a hang is of interest.
void HangAlong(const char* path) {
  bool hangs = false;
  {
    const std::lock_guard guard(TheState().mutex);
    hangs = TheState().fault == Fault::kHang;
  }
  if (hangs) std::ignore = Step(path);
}
int Read(sqlite3_file* f, void* data, int size, sqlite3_int64 offset) {
  HangAlong(Of(f)->path);
  return Of(f)->real()->pMethods->xRead(Of(f)->real(), data, size, offset);
}
int Write(sqlite3_file* f, const void* data, int size, sqlite3_int64 offset) {
  const int fault = Step(Of(f)->path, true);
  if (fault != SQLITE_OK) return fault == SQLITE_FULL ? fault : SQLITE_IOERR_WRITE;
  return Of(f)->real()->pMethods->xWrite(Of(f)->real(), data, size, offset);
}
int Truncate(sqlite3_file* f, sqlite3_int64 size) {
  if (Step(Of(f)->path) != SQLITE_OK) return SQLITE_IOERR_TRUNCATE;
  return Of(f)->real()->pMethods->xTruncate(Of(f)->real(), size);
}
int Sync(sqlite3_file* f, int flags) {
  if (Step(Of(f)->path) != SQLITE_OK) return SQLITE_IOERR_FSYNC;
  return Of(f)->real()->pMethods->xSync(Of(f)->real(), flags);
}
int FileSize(sqlite3_file* f, sqlite3_int64* size) {
  return Of(f)->real()->pMethods->xFileSize(Of(f)->real(), size);
}
int Lock(sqlite3_file* f, int level) {
  return Of(f)->real()->pMethods->xLock(Of(f)->real(), level);
}
int Unlock(sqlite3_file* f, int level) {
  return Of(f)->real()->pMethods->xUnlock(Of(f)->real(), level);
}
int CheckReserved(sqlite3_file* f, int* reserved) {
  return Of(f)->real()->pMethods->xCheckReservedLock(Of(f)->real(), reserved);
}
int Control(sqlite3_file* f, int op, void* argument) {
  return Of(f)->real()->pMethods->xFileControl(Of(f)->real(), op, argument);
}
int SectorSize(sqlite3_file* f) { return Of(f)->real()->pMethods->xSectorSize(Of(f)->real()); }
int Characteristics(sqlite3_file* f) {
  return Of(f)->real()->pMethods->xDeviceCharacteristics(Of(f)->real());
}
int ShmMap(sqlite3_file* f, int page, int size, int extend, void volatile** where) {
  return Of(f)->real()->pMethods->xShmMap(Of(f)->real(), page, size, extend, where);
}
int ShmLock(sqlite3_file* f, int offset, int n, int flags) {
  return Of(f)->real()->pMethods->xShmLock(Of(f)->real(), offset, n, flags);
}
void ShmBarrier(sqlite3_file* f) { Of(f)->real()->pMethods->xShmBarrier(Of(f)->real()); }
int ShmUnmap(sqlite3_file* f, int remove) {
  return Of(f)->real()->pMethods->xShmUnmap(Of(f)->real(), remove);
}

constexpr sqlite3_io_methods kMethods = {
    2,        Close,         Read,    Write,      Truncate,        Sync,   FileSize, Lock,
    Unlock,   CheckReserved, Control, SectorSize, Characteristics, ShmMap, ShmLock,  ShmBarrier,
    ShmUnmap, nullptr,       nullptr};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* f, int flags, int* out_flags) {
  HangAlong(name);
  Of(f)->path = name;
  Of(f)->base.pMethods = nullptr;
  const int code = g_real->xOpen(g_real, name, Of(f)->real(), flags, out_flags);
  if (code != SQLITE_OK) return code;
  Of(f)->base.pMethods = &kMethods;
  if (name != nullptr && (flags & SQLITE_OPEN_MAIN_DB) != 0) {
    const std::lock_guard guard(TheState().mutex);
    TheState().opened.emplace_back(name);
  }
  return SQLITE_OK;
}
int Delete(sqlite3_vfs*, const char* name, int sync) {
  if (Step(name) != SQLITE_OK) return SQLITE_IOERR_DELETE;
  return g_real->xDelete(g_real, name, sync);
}
int Access(sqlite3_vfs*, const char* name, int flags, int* result) {
  return g_real->xAccess(g_real, name, flags, result);
}
int FullPathname(sqlite3_vfs*, const char* name, int size, char* out) {
  return g_real->xFullPathname(g_real, name, size, out);
}
int Randomness(sqlite3_vfs*, int size, char* out) { return g_real->xRandomness(g_real, size, out); }
int Sleep(sqlite3_vfs*, int microseconds) { return g_real->xSleep(g_real, microseconds); }
int Time(sqlite3_vfs*, double* now) { return g_real->xCurrentTime(g_real, now); }
int LastError(sqlite3_vfs*, int size, char* out) {
  return g_real->xGetLastError(g_real, size, out);
}

sqlite3_vfs& TheVfs() {
  static sqlite3_vfs vfs = {};
  return vfs;
}

}  // namespace

FaultVfs::FaultVfs() {
  g_real = sqlite3_vfs_find("unix");
  sqlite3_vfs& vfs = TheVfs();
  vfs.iVersion = 1;
  vfs.szOsFile = static_cast<int>(sizeof(File)) + g_real->szOsFile;
  vfs.mxPathname = g_real->mxPathname;
  vfs.zName = "fault";
  vfs.xOpen = Open;
  vfs.xDelete = Delete;
  vfs.xAccess = Access;
  vfs.xFullPathname = FullPathname;
  vfs.xRandomness = Randomness;
  vfs.xSleep = Sleep;
  vfs.xCurrentTime = Time;
  vfs.xGetLastError = LastError;
  sqlite3_vfs_register(&vfs, 1);
  Disarm();
}

FaultVfs::~FaultVfs() {
  Disarm();
  sqlite3_vfs_unregister(&TheVfs());
  sqlite3_vfs_register(g_real, 1);
}

void FaultVfs::Arm(Fault fault, int n, std::string path) {
  State& state = TheState();
  const std::lock_guard guard(state.mutex);
  state.fault = fault;
  state.left = n;
  state.path = std::move(path);
  state.disarmed.notify_all();
}

int FaultVfs::Hanging() {
  const std::lock_guard guard(TheState().mutex);
  return TheState().hanging;
}

int FaultVfs::Opened(const std::string& path) {
  State& state = TheState();
  const std::lock_guard guard(state.mutex);
  const auto count = std::ranges::count_if(
      state.opened, [&](const std::string& name) { return name.find(path) != std::string::npos; });
  return static_cast<int>(count);
}

}  // namespace hsmcore::storage::test
