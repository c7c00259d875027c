// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_SESSION_SUPPORT_H_
#define TESTS_SUPPORT_SESSION_SUPPORT_H_

#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <string>

#include "support/test_cluster.h"

// What the tests of sessions have in common.
namespace hsmcore::test {

inline constexpr SignMechanism kEddsa{.kind = SignMechanism::Kind::kEddsa, .digest = Digest::kNone};

inline KeyQuery ByLabel(const std::string& label) {
  KeyQuery query;
  query.label = label;
  return query;
}

// What comes of a signature by an Ed25519 key.
inline std::string SignCode(const Key& key) {
  Bytes signature(64);
  return CodeOf(key.Sign(kEddsa, Bytes{1}, signature));
}

// Runs `body` in a child and returns its exit code; -1 when it died.
inline int InChild(const std::function<int()>& body) {
  const pid_t child = fork();
  if (child == 0) _exit(body());
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_SESSION_SUPPORT_H_
