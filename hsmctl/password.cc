// SPDX-License-Identifier: Apache-2.0
#include "password.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <string_view>

#include "context.h"
#include "hsmcore/credential.h"
#include "hsmcore/settings.h"

namespace hsmctl {
namespace {

using hsmcore::Credential;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::Result;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;
using hsmcore::Status;

constexpr std::size_t kMaxLine = 1024;

// Holds back the signals that end a program, so that the terminal is put back before they do:
// they arrive when this object goes. `fd()` is readable while one waits.
class HeldSignals {
 public:
  HeldSignals() {
    sigset_t held;
    sigemptyset(&held);
    for (const int signal : {SIGINT, SIGTERM, SIGHUP, SIGQUIT}) sigaddset(&held, signal);
    pthread_sigmask(SIG_BLOCK, &held, &before_);
    fd_ = signalfd(-1, &held, SFD_CLOEXEC);
  }
  ~HeldSignals() {
    if (fd_ >= 0) close(fd_);
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  int fd() const { return fd_; }

 private:
  sigset_t before_{};
  int fd_ = -1;
};

// The terminal of this session with echo off.
class SilentTerminal {
 public:
  SilentTerminal() : fd_(open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC)) {
    if (fd_ < 0 || tcgetattr(fd_, &before_) != 0) return;
    termios silent = before_;
    silent.c_lflag &= ~static_cast<tcflag_t>(ECHO | ECHOE | ECHOK | ECHONL);
    silent.c_lflag |= ICANON | ISIG;
    ready_ = tcsetattr(fd_, TCSAFLUSH, &silent) == 0;
  }
  ~SilentTerminal() {
    // TCSAFLUSH: what is left of an over-long line must not reach the shell.
    if (ready_) tcsetattr(fd_, TCSAFLUSH, &before_);
    if (fd_ >= 0) close(fd_);
  }
  SilentTerminal(const SilentTerminal&) = delete;
  SilentTerminal& operator=(const SilentTerminal&) = delete;

  bool ready() const { return ready_; }
  int fd() const { return fd_; }
  bool Print(std::string_view text) const {
    return write(fd_, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  }

 private:
  int fd_;
  termios before_{};
  bool ready_ = false;
};

// False: a signal came first, or the terminal is gone.
bool WaitForLine(const SilentTerminal& terminal, const HeldSignals& signals) {
  std::array<pollfd, 2> waits = {pollfd{.fd = terminal.fd(), .events = POLLIN, .revents = 0},
                                 pollfd{.fd = signals.fd(), .events = POLLIN, .revents = 0}};
  while (poll(waits.data(), waits.size(), -1) < 0) {
    if (errno != EINTR) return false;
  }
  return waits[1].revents == 0;
}

// The first line of what a terminal in line mode gives.
Result<SecretBytes> ReadLine(const SilentTerminal& terminal) {
  SecretBytes line(kMaxLine);
  const std::span<std::uint8_t> room = line.Write(SecretAccess("reading a password"));
  const ssize_t got = read(terminal.fd(), room.data(), room.size());
  const auto read_part = room.first(got > 0 ? static_cast<std::size_t>(got) : 0);
  const auto end = std::ranges::find(read_part, std::uint8_t{'\n'});
  if (end == read_part.end() || end == read_part.begin()) {
    return Fail(ErrorCode::kLoginRequired, "no password was given");
  }
  line.Truncate(static_cast<std::size_t>(end - read_part.begin()));
  return line;
}

Result<SecretBytes> FromSource(const std::string& source, const std::string& user) {
  HSMCORE_TRY(Credential given, Credential::FromSource(AbsoluteSource(source)));
  if (!given.user.empty() && !SameUser(given.user, user)) {
    return Fail(ErrorCode::kPinSource, source + " is for user " + given.user + ", not " + user);
  }
  return std::move(given.secret);
}

}  // namespace

Result<SecretBytes> AskPassword(const std::string& question) {
  const HeldSignals signals;
  const SilentTerminal terminal;
  if (!terminal.ready() || signals.fd() < 0) {
    return Fail(ErrorCode::kLoginRequired,
                "there is no terminal to ask for the password; see hsmctl --help for the other "
                "ways to give it");
  }
  if (!terminal.Print(question) || !WaitForLine(terminal, signals)) {
    return Fail(ErrorCode::kLoginRequired, "interrupted");
  }
  Result<SecretBytes> line = ReadLine(terminal);
  terminal.Print("\n");
  return line;
}

Result<SecretBytes> NewPassword(const std::optional<std::string>& source, const std::string& user) {
  if (source) return FromSource(*source, user);
  if (std::optional<std::string> given = hsmcore::Environment("HSM_NEW_PASSWORD")) {
    SecretBytes password = SecretBytes::CopyOf(*given);
    hsmcore::WipeMemory(given->data(), given->size());
    return password;
  }
  HSMCORE_TRY(SecretBytes password, AskPassword("New password for " + user + ": "));
  HSMCORE_TRY(const SecretBytes again, AskPassword("The same once more: "));
  if (!again.Equals(password.Read(SecretAccess("comparing two entries")))) {
    return Fail(ErrorCode::kPasswordPolicy, "the two entries differ; nothing was changed");
  }
  return password;
}

}  // namespace hsmctl
