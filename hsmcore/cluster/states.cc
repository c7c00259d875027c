// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <array>
#include <string>

#include "base/text.h"
#include "hsmcore/cluster_state.h"

namespace hsmcore {
namespace {

using enum ClusterState;
using enum ClusterAction;

struct ActionRow {
  ClusterAction action;
  const char* name;
  const char* command;
};

constexpr std::array<ClusterStateRow, 14> kStates = {{
    {kCreateInProgress, "CREATE_IN_PROGRESS", "its files are being made",
     "a creation that died is swept by the next 'hsmctl cluster create'"},
    {kUninitialized, "UNINITIALIZED", "it belongs to nobody yet",
     "add an HSM with 'hsmctl hsm create', sign its CSR ('hsmctl cluster csr') with your CA, then "
     "'hsmctl cluster initialize'"},
    {kInitializeInProgress, "INITIALIZE_IN_PROGRESS", "the owner's certificate is being taken over",
     "repeat 'hsmctl cluster initialize'"},
    {kInitialized, "INITIALIZED", "it belongs to the owner of the CA and has no admin yet",
     "'hsmctl cluster activate' sets the first admin's password"},
    {kActive, "ACTIVE", "it works", ""},
    {kUpdateInProgress, "UPDATE_IN_PROGRESS", "a new HSM is being filled; it works",
     "wait, or run 'hsmctl cluster sync'"},
    {kModifyInProgress, "MODIFY_IN_PROGRESS",
     "its HSMs are being changed to another type, in limited-write mode: keys and users can be "
     "used, and not made, changed or deleted",
     "wait; where the command died, repeat 'hsmctl cluster modify --type', or go back with the old "
     "type"},
    {kPendingRollback, "PENDING_ROLLBACK",
     "it is about to go back to the type before, in limited-write mode: what goes is being kept in "
     "a backup",
     "wait, or repeat 'hsmctl cluster modify --type' with the old type"},
    {kRollbackInProgress, "ROLLBACK_IN_PROGRESS",
     "its HSMs are going back to the type before, in limited-write mode",
     "wait, or repeat 'hsmctl cluster modify --type' with the old type"},
    {kDegraded, "DEGRADED", "it works, and an HSM of it does not",
     "'hsmctl cluster describe' says what is wrong with the HSM; 'hsmctl cluster sync' repairs"},
    {kZeroizeInProgress, "ZEROIZE_IN_PROGRESS", "its key material is being destroyed",
     "repeat 'hsmctl cluster zeroize'"},
    {kZeroized, "ZEROIZED", "its key material was destroyed; its backups stay unless they were too",
     "'hsmctl cluster delete' removes what is left; 'hsmctl cluster create --source-backup' makes "
     "another one from a backup"},
    {kDeleteInProgress, "DELETE_IN_PROGRESS", "its files are being removed",
     "repeat 'hsmctl cluster delete'"},
    {kDeleted, "DELETED", "it is gone; its backups stay", ""},
}};

constexpr std::array<ActionRow, 15> kActions = {{
    {kCreate, "make it", "cluster create"},
    {kCreateHsm, "add an HSM", "hsm create"},
    {kDeleteHsm, "delete an HSM", "hsm delete"},
    {kInitialize, "initialize it", "cluster initialize"},
    {kActivate, "activate it", "cluster activate"},
    {kUse, "use it", ""},
    {kWrite, "change keys and users", ""},
    {kStopHsm, "stop an HSM", "hsm stop"},
    {kStartHsm, "start an HSM", "hsm start"},
    {kLoseHsm, "lose an HSM", ""},
    {kSync, "repair it", "cluster sync"},
    {kModifyType, "change the type of its HSMs", "cluster modify --type"},
    {kRollBack, "go back to the type before", "cluster modify --type"},
    {kZeroize, "destroy its key material", "cluster zeroize"},
    {kDelete, "delete it", "cluster delete"},
}};

constexpr const char* kNoHsms = "it has no HSM";
constexpr const char* kInTime = "within 24 hours of the change's start";
constexpr const char* kAfterCrash = "after a crash";
constexpr const char* kByAdmin = "an admin logs in, or --emergency";

constexpr auto kMoves = std::to_array<ClusterMoveRow>({
    {{}, kCreate, kCreateInProgress, kActive, "in one command"},
    {{}, kCreate, kCreateInProgress, kUninitialized, "--uninitialized"},
    {kUninitialized, kCreateHsm, {}, kUninitialized, "the first one makes the CSR"},
    {kUninitialized, kDeleteHsm, {}, kUninitialized, ""},
    {kUninitialized, kInitialize, kInitializeInProgress, kInitialized, "it has an HSM"},
    {kUninitialized, kZeroize, kZeroizeInProgress, kZeroized, ""},
    {kUninitialized, kDelete, kDeleteInProgress, kDeleted, kNoHsms},
    {kInitializeInProgress, kInitialize, kInitializeInProgress, kInitialized, kAfterCrash},
    {kInitializeInProgress, kZeroize, kZeroizeInProgress, kZeroized, ""},
    {kInitialized, kCreateHsm, {}, kInitialized, ""},
    {kInitialized, kDeleteHsm, {}, kInitialized, ""},
    {kInitialized, kActivate, {}, kActive, "it has an HSM"},
    {kInitialized, kZeroize, kZeroizeInProgress, kZeroized, ""},
    {kInitialized, kDelete, kDeleteInProgress, kDeleted, kNoHsms},
    {kActive, kUse, {}, kActive, "it has an HSM"},
    {kActive, kWrite, {}, kActive, "it has an HSM"},
    {kActive, kCreateHsm, kUpdateInProgress, kActive, ""},
    {kActive, kDeleteHsm, {}, kActive, "another is in service and in sync, or --last"},
    {kActive, kStopHsm, {}, kActive, "another is in service and in sync"},
    {kActive, kStartHsm, {}, kActive, ""},
    {kActive, kSync, {}, kActive, ""},
    {kActive, kLoseHsm, {}, kDegraded, ""},
    {kActive, kModifyType, kModifyInProgress, kActive, "all HSMs in sync, at most 27"},
    {kActive, kRollBack, kPendingRollback, kRollbackInProgress, kInTime},
    {kActive, kZeroize, kZeroizeInProgress, kZeroized, kByAdmin},
    {kActive, kDelete, kDeleteInProgress, kDeleted, kNoHsms},
    {kUpdateInProgress, kUse, {}, kUpdateInProgress, ""},
    {kUpdateInProgress, kWrite, {}, kUpdateInProgress, ""},
    {kUpdateInProgress, kCreateHsm, kUpdateInProgress, kActive, ""},
    {kUpdateInProgress, kDeleteHsm, {}, kActive, "another is in service and in sync"},
    {kUpdateInProgress, kStopHsm, {}, kUpdateInProgress, "another is in service and in sync"},
    {kUpdateInProgress, kStartHsm, {}, kUpdateInProgress, ""},
    {kUpdateInProgress, kLoseHsm, {}, kDegraded, ""},
    {kUpdateInProgress, kSync, {}, kActive, kAfterCrash},
    {kUpdateInProgress, kZeroize, kZeroizeInProgress, kZeroized, kByAdmin},
    {kModifyInProgress, kUse, {}, kModifyInProgress, ""},
    {kModifyInProgress, kSync, {}, kModifyInProgress, ""},
    {kModifyInProgress, kModifyType, kModifyInProgress, kActive, kAfterCrash},
    {kModifyInProgress, kRollBack, kPendingRollback, kRollbackInProgress, kInTime},
    {kModifyInProgress, kZeroize, kZeroizeInProgress, kZeroized, kByAdmin},
    {kPendingRollback, kUse, {}, kPendingRollback, ""},
    {kPendingRollback, kSync, {}, kPendingRollback, ""},
    {kPendingRollback, kRollBack, kPendingRollback, kRollbackInProgress, ""},
    {kPendingRollback, kZeroize, kZeroizeInProgress, kZeroized, kByAdmin},
    {kRollbackInProgress, kUse, {}, kRollbackInProgress, ""},
    {kRollbackInProgress, kSync, {}, kRollbackInProgress, ""},
    {kRollbackInProgress, kRollBack, kRollbackInProgress, kActive, ""},
    {kRollbackInProgress, kZeroize, kZeroizeInProgress, kZeroized, kByAdmin},
    {kDegraded, kUse, {}, kDegraded, "an HSM of it works"},
    {kDegraded, kWrite, {}, kDegraded, "two HSMs of it work, or the availability check is off"},
    {kDegraded, kCreateHsm, kUpdateInProgress, kDegraded, ""},
    {kDegraded, kDeleteHsm, {}, kActive, "it was the one that does not work"},
    {kDegraded, kStopHsm, {}, kDegraded, "another is in service and in sync"},
    {kDegraded, kStartHsm, {}, kDegraded, ""},
    {kDegraded, kLoseHsm, {}, kDegraded, ""},
    {kDegraded, kSync, {}, kActive, "the HSM can be reached again; also by the next change"},
    {kDegraded, kZeroize, kZeroizeInProgress, kZeroized, kByAdmin},
    {kZeroizeInProgress, kZeroize, kZeroizeInProgress, kZeroized,
     "after a crash, or with the HSMs that were away"},
    {kZeroized, kZeroize, kZeroizeInProgress, kZeroized, "for its backups, with --backups"},
    {kZeroized, kDelete, kDeleteInProgress, kDeleted, ""},
    {kDeleteInProgress, kDelete, kDeleteInProgress, kDeleted, kAfterCrash},
});

const ClusterStateRow& RowOf(ClusterState state) {
  return *std::ranges::find(kStates, state, &ClusterStateRow::state);
}

const ActionRow& RowOf(ClusterAction action) {
  return *std::ranges::find(kActions, action, &ActionRow::action);
}

}  // namespace

std::span<const ClusterStateRow> AllClusterStates() { return kStates; }
std::span<const ClusterMoveRow> AllClusterMoves() { return kMoves; }

const char* NameOf(ClusterState state) { return RowOf(state).name; }
const char* NameOf(ClusterAction action) { return RowOf(action).name; }
const char* CommandOf(ClusterAction action) { return RowOf(action).command; }

std::optional<ClusterState> ClusterStateByName(std::string_view name) {
  for (const ClusterStateRow& row : kStates) {
    if (name == row.name) return row.state;
  }
  return std::nullopt;
}

Status CheckMove(ClusterState from, ClusterAction action) {
  std::string possible;
  for (const ClusterMoveRow& move : kMoves) {
    if (move.action != action || !move.from) continue;
    if (move.from == from) return {};
    const std::string_view name = NameOf(*move.from);
    if (!possible.contains(name)) possible += Cat(possible.empty() ? "" : ", ", name);
  }
  const ClusterStateRow& row = RowOf(from);
  return Fail(
      ErrorCode::kClusterState,
      Cat("the cluster is ", row.name, ": ", row.meaning, ". To ", NameOf(action), ", it must be ",
          possible.empty() ? "new" : possible, *row.next == '\0' ? "" : "; ", row.next));
}

bool IsBeforeActivation(ClusterState state) {
  return state == kUninitialized || state == kInitializeInProgress || state == kInitialized;
}

bool IsZeroized(ClusterState state) { return state == kZeroizeInProgress || state == kZeroized; }

bool IsLimitedWrite(ClusterState state) {
  return state == kModifyInProgress || state == kPendingRollback || state == kRollbackInProgress;
}

}  // namespace hsmcore
