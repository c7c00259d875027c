// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_USERS_DIRECTORY_H_
#define HSMCORE_USERS_DIRECTORY_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "audit/log.h"
#include "cluster/core.h"
#include "hsmcore/quorum.h"
#include "users/mfa.h"
#include "users/record.h"

// The users of a cluster. The caller holds core.mutex for every function here.
namespace hsmcore::users {

class Approvals;

// Sign keys of the admins, by path, whom a chain of signatures ties to the root in cluster.json.
using TrustedSigners = std::map<std::string, Bytes>;
Result<TrustedSigners> ReadTrustedSigners(cluster::Core& core);

// A user whose record is genuine: nothing when there is none, kHomeDamaged when no HSM holds a
// genuine one.
Result<std::optional<DecodedRecord>> FindUser(cluster::Core& core, Role role,
                                              std::string_view name);
// kUserNotFound.
Result<DecodedRecord> GetUser(cluster::Core& core, Role role, std::string_view name);
// The public identity behind a path as records name it.
Result<vault::PublicIdentity> IdentityOf(cluster::Core& core, const std::string& path);

// The name and the role in the key of a user's entry; of another text, a crypto user's.
std::string NameIn(std::string_view path);
Role RoleIn(std::string_view path);
// All genuine records, as they are and without their signatures.
Result<std::vector<DecodedRecord>> ListDecoded(cluster::Core& core, const TrustedSigners& trusted);
Result<std::vector<UserRecord>> ListUsers(cluster::Core& core);
// Names without a look into the records.
Result<std::vector<std::string>> NamesOf(cluster::Core& core, Role role);

// Who acts, and what others have approved for him; nobody without a login.
struct Actor : audit::Actor {
  Approvals* approvals = nullptr;  // nullptr: nothing

  const audit::Actor& who() const { return *this; }
};

// The first records of a new cluster: first admin, recovery key, configuration.
Status CreateFirstAdmin(cluster::Core& core, const vault::Identity& identity, std::string_view name,
                        const SecretBytes& password, const cluster::Config& config);

// Takes the approval of a quorum where one is set for users (quorum.h).
Status CreateUser(cluster::Core& core, const Actor& admin, Role role, std::string_view name,
                  const SecretBytes& password, const QuorumToken* approval);

// Puts a crypto user of a clone in as he is there, with his credentials. False: he is here already.
// kUserExists: somebody else has the name; kClusterState: the admin who made him is not here.
Result<bool> PutUser(cluster::Core& core, const std::string& path, ByteView value);

// Rewrites the actor's own credentials as `change` says.
Status ChangeCredentials(cluster::Core& core, const Actor& self,
                         const std::function<Status(UserRecord&)>& change);
// The same together with what else belongs into that commit.
Status ChangeCredentials(cluster::Core& core, const Actor& self,
                         const std::function<Status(storage::Transaction&, UserRecord&)>& change);

// A password credential for an identity, at the cluster's cost; with a second factor it opens
// only together with that.
Result<UserRecord::Password> NewPassword(const vault::Identity& identity, std::string_view path,
                                         const SecretBytes& password, PasswordCost cost,
                                         const SecondFactor* second = nullptr);

}  // namespace hsmcore::users

#endif  // HSMCORE_USERS_DIRECTORY_H_
