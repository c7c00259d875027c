// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CLUSTER_STATE_H_
#define HSMCORE_CLUSTER_STATE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>

#include "hsmcore/types.h"

// The states of a cluster and the moves between them: AWS CloudHSM's, with its names. This is the
// one table; docs/cluster.md is made from it.
namespace hsmcore {

enum class ClusterState : std::uint8_t {
  kCreateInProgress,
  kUninitialized,
  kInitializeInProgress,
  kInitialized,
  kActive,
  kUpdateInProgress,
  kModifyInProgress,
  kPendingRollback,
  kRollbackInProgress,
  kDegraded,
  kZeroizeInProgress,
  kZeroized,
  kDeleteInProgress,
  kDeleted,
};

// What is asked of a cluster, or happens to it.
enum class ClusterAction : std::uint8_t {
  kCreate,
  kCreateHsm,
  kDeleteHsm,
  kInitialize,
  kActivate,
  kUse,    // login, keys, backups
  kWrite,  // make, change and delete keys that stay, and users
  kStopHsm,
  kStartHsm,
  kLoseHsm,
  kSync,
  kModifyType,
  kRollBack,
  kZeroize,  // destroy its key material
  kDelete,
};

struct ClusterMoveRow {
  std::optional<ClusterState> from;  // nothing: there is no cluster yet
  ClusterAction action = ClusterAction::kUse;
  std::optional<ClusterState> during;  // seen meanwhile, and after a crash until it is repeated
  ClusterState to = ClusterState::kActive;
  const char* condition = "";  // for people; may be empty
};

struct ClusterStateRow {
  ClusterState state;
  const char* name;     // as in CloudHSM, where that has it
  const char* meaning;  // for people
  const char* next;     // what an error says to do
};

std::span<const ClusterStateRow> AllClusterStates();
std::span<const ClusterMoveRow> AllClusterMoves();

const char* NameOf(ClusterState state);
std::optional<ClusterState> ClusterStateByName(std::string_view name);
const char* NameOf(ClusterAction action);     // as in a sentence: "initialize it"
const char* CommandOf(ClusterAction action);  // hsmctl's, or empty

// kClusterState where the table has no such move: the detail names the state, what is not possible
// in it, the states that it is possible in, and what to do.
Status CheckMove(ClusterState from, ClusterAction action);

// There is no admin yet, so nothing can be opened.
bool IsBeforeActivation(ClusterState state);

// Its key material is destroyed, or is being: nothing of it is used again.
bool IsZeroized(ClusterState state);

// The HSMs are being changed to another type or back: keys and users can be used, and not made,
// changed or deleted, so that what a backup holds stays all there is.
bool IsLimitedWrite(ClusterState state);

}  // namespace hsmcore

#endif  // HSMCORE_CLUSTER_STATE_H_
