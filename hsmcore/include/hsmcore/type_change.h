// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_TYPE_CHANGE_H_
#define HSMCORE_TYPE_CHANGE_H_

#include <cstdint>
#include <string>
#include <vector>

namespace hsmcore {

// What Session::ChangeType is asked for. Types change to later rows of hsm_type.h; back to the one
// before, as a rollback, within kRollbackHours of the change's start.
struct TypeChangeOptions {
  std::string type;
  // Of a rollback:
  bool accept_losses = false;  // do it though keys and users go or turn back
  bool keep_new = false;       // but keep the keys and users that were made since
  std::int64_t now = 0;        // seconds since 1970; 0: the clock's
};

// What a rollback does to keys and users. Keys by handle, with the label where there is one; users
// as ROLE/NAME; settings by their record.
struct RollbackLosses {
  std::vector<std::string> lost;      // made since, and gone
  std::vector<std::string> changed;   // as they were then
  std::vector<std::string> returned;  // deleted since, and there again

  bool none() const { return lost.empty() && changed.empty() && returned.empty(); }
  std::string ToString() const;  // for people: the first of each, and how many more
};

struct TypeChangeReport {
  std::string from;
  std::string to;
  bool rolled_back = false;
  std::vector<std::string> backups;  // made on the way, oldest first
  RollbackLosses losses;
  // HSMs that could not be made anew, and why: they are as any other that is in trouble.
  std::vector<std::string> problems;
};

}  // namespace hsmcore

#endif  // HSMCORE_TYPE_CHANGE_H_
