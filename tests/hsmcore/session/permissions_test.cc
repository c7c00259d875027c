// SPDX-License-Identifier: Apache-2.0
// Every cell of the permission table (policy/gate.cc), by what a session then does. docs/users.md
// has the table; HSM_WRITE_DOCUMENTS=1 writes it there, and tests/e2e/test_permissions.py goes
// through it with hsmctl.
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <tuple>

#include "base/text.h"
#include "hsmcore/backup.h"
#include "hsmcore/cluster_setup.h"
#include "hsmcore/zeroize.h"
#include "policy/gate.h"
#include "support/document.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using policy::Asker;
using policy::Operation;
using policy::OperationRow;
using test::CodeOf;
using test::CredentialOf;
using test::TestCluster;
using test::Text;

constexpr const char* kPassword = "auditorpass";

struct Stage {
  TestCluster cluster;
  ClusterPtr clone;
  KeyHandle key;      // of the crypto user
  KeyHandle guarded;  // likewise, by a quorum
};

// One of each kind, as that asker's session would do it.
using Try = std::function<std::string(Stage&, Session&)>;

KeyTemplate SessionForm() {
  KeyTemplate form;
  form.private_half.flags.Set(Attribute::kToken, false);
  return form;
}

const std::map<Operation, Try>& Tries() {
  static const std::map<Operation, Try> kTries = {
      {Operation::kDescribeCluster,
       [](Stage& stage, Session&) { return CodeOf(stage.cluster->Describe(false)); }},
      {Operation::kSyncCluster,
       [](Stage& stage, Session&) { return CodeOf(stage.cluster->Sync()); }},
      {Operation::kActivateCluster,
       [](Stage& stage, Session&) {
         return CodeOf(
             ActivateCluster(stage.cluster.home(), "admin", SecretBytes::CopyOf("anotherpass")));
       }},
      {Operation::kListUsers, [](Stage&, Session& session) { return CodeOf(session.ListUsers()); }},
      {Operation::kCreateUser,
       [](Stage&, Session& session) {
         return CodeOf(
             session.CreateUser("new", Role::kCryptoUser, SecretBytes::CopyOf("newuserpass")));
       }},
      {Operation::kDeleteUser,
       [](Stage&, Session& session) {
         return CodeOf(session.DeleteUser("idle", Role::kCryptoUser, {}));
       }},
      {Operation::kUnlockUser,
       [](Stage&, Session& session) {
         return CodeOf(session.UnlockUser("idle", Role::kCryptoUser));
       }},
      {Operation::kResetPassword,
       [](Stage&, Session& session) {
         return CodeOf(
             session.ResetPassword("idle", Role::kCryptoUser, SecretBytes::CopyOf("anotherpass")));
       }},
      {Operation::kManageGroups,
       [](Stage&, Session& session) { return CodeOf(session.CreateGroup("web")); }},
      {Operation::kChangeOwnCredentials,
       [](Stage&, Session& session) { return CodeOf(session.CreateMachineCredential()); }},
      {Operation::kListPublicKeys,
       [](Stage&, Session& session) {
         KeyQuery query;
         query.klass = KeyClass::kPublicKey;
         const auto found = session.Find(query);
         return found && found->empty() ? "nothing found" : CodeOf(found);
       }},
      {Operation::kListAllKeys,
       [](Stage& stage, Session& session) {
         // Of another one than the asker: `idle` has none, so the crypto user's are asked for as
         // such. He himself sees his own by owning it, which is no cell of this row.
         if (session.logged_in() && session.role() == Role::kCryptoUser) {
           const auto other = stage.cluster.User("idle", kPassword)
                                  ->Find(KeyQuery::ByHandle(stage.key.PrivateHalf()));
           return other && other->empty() ? Text(ErrorCode::kRoleForbids) : CodeOf(other);
         }
         const auto found = session.Find(KeyQuery::ByHandle(stage.key.PrivateHalf()));
         return found && found->empty() ? Text(ErrorCode::kRoleForbids) : CodeOf(found);
       }},
      {Operation::kManageKeys,
       [](Stage&, Session& session) { return CodeOf(session.Generate(test::Ed25519Spec(), {})); }},
      {Operation::kMakeSessionKey,
       [](Stage&, Session& session) {
         return CodeOf(session.Generate(test::Ed25519Spec(), SessionForm()));
       }},
      {Operation::kLoadPrivateKey,
       [](Stage& stage, Session& session) {
         return CodeOf(session.Load(KeyQuery::ByHandle(stage.key), true));
       }},
      {Operation::kSetTrusted,
       [](Stage& stage, Session& session) {
         return CodeOf(session.SetAttribute(stage.key, "trusted", "true"));
       }},
      {Operation::kReplicateKey,
       [](Stage& stage, Session& session) {
         return CodeOf(stage.cluster->ReplicateKey(stage.key, session, *stage.clone, session));
       }},
      {Operation::kReplicateUser,
       [](Stage& stage, Session& session) {
         return CodeOf(stage.cluster->ReplicateUser("idle", session, *stage.clone, session));
       }},
      {Operation::kModifyCluster,
       [](Stage&, Session& session) { return CodeOf(session.SetKeyAvailabilityCheck(true)); }},
      {Operation::kZeroize,
       [](Stage& stage, Session& session) {
         ZeroizeOptions options;
         options.cluster_id = stage.cluster->id();
         return CodeOf(ZeroizeCluster(stage.cluster.home(), options, &session));
       }},
      {Operation::kReadAuditLog,
       [](Stage&, Session& session) { return CodeOf(session.VerifyAudit({})); }},
      {Operation::kRotateAuditLog,
       [](Stage&, Session& session) { return CodeOf(session.RotateAudit(1)); }},
      {Operation::kManageBackups,
       [](Stage&, Session& session) { return CodeOf(session.SetBackupRetention(30)); }},
      {Operation::kListQuorum,
       [](Stage&, Session& session) { return CodeOf(session.QuorumValues()); }},
      {Operation::kManageQuorum,
       [](Stage&, Session& session) {
         return CodeOf(session.NewQuorumToken(QuorumService::kUser));
       }},
      {Operation::kApproveKeyUse,
       [](Stage& stage, Session& session) {
         return CodeOf(session.NewKeyToken(QuorumService::kKeyUsage, stage.guarded));
       }},
  };
  return kTries;
}

std::shared_ptr<Session> SessionOf(Stage& stage, Asker asker) {
  switch (asker) {
    case Asker::kAdmin:
      return stage.cluster.Admin();
    case Asker::kCryptoUser:
      return stage.cluster.User();
    case Asker::kAuditor:
      return *stage.cluster->Login(CredentialOf("auditor", kPassword), Role::kAuditor);
    default:
      return stage.cluster->Anonymous();
  }
}

class PermissionTest : public testing::TestWithParam<std::tuple<Operation, Asker>> {};

TEST_P(PermissionTest, IsAsTheTableSays) {
  const auto [operation, asker] = GetParam();
  const OperationRow& row = policy::AllOperations()[static_cast<std::size_t>(operation)];
  const bool allowed = row.allowed[static_cast<std::size_t>(asker)];
  EXPECT_EQ(policy::Allow(operation, asker).has_value(), allowed);
  // Before activation there is no session: what may be done is in the states' tests.
  if (asker == Asker::kUnactivatedAdmin) return;
  Stage stage;
  stage.cluster.AddUser("idle", kPassword);
  stage.cluster.AddUser("auditor", kPassword, Role::kAuditor);
  KeyTemplate form;
  form.private_half.label = form.public_half.label = "k";
  const auto key = stage.cluster.User()->Generate(test::SpecOf(KeyType::kEc), form);
  ASSERT_TRUE(key) << key.error().Message();
  stage.key = (*key)->private_info()->handle;
  form.quorum.use = 1;
  const auto guarded = stage.cluster.User()->Generate(test::SpecOf(KeyType::kEc), form);
  ASSERT_TRUE(guarded) << guarded.error().Message();
  stage.guarded = (*guarded)->private_info()->handle;
  const auto backup = stage.cluster->CreateBackup({});
  ASSERT_TRUE(backup);
  const test::TemporaryDirectory other;
  const auto clone = test::CloneFrom(backup->file, other.path() / "clone");
  ASSERT_TRUE(clone) << clone.error().Message();
  stage.clone = *clone;
  ASSERT_TRUE(Tries().contains(operation)) << row.name;
  const std::string code = Tries().at(operation)(stage, *SessionOf(stage, asker));
  const std::string refused =
      asker == Asker::kNobody ? Text(ErrorCode::kLoginRequired) : Text(ErrorCode::kRoleForbids);
  if (allowed) {
    // Allowed is not done: an EC key is not marked `trusted`.
    EXPECT_NE(code, refused) << row.name;
    EXPECT_NE(code, Text(ErrorCode::kRoleForbids)) << row.name;
    if (operation != Operation::kSetTrusted) {
      EXPECT_EQ(code, "ok") << row.name;
    }
  } else if (operation == Operation::kActivateCluster) {
    EXPECT_EQ(code, Text(ErrorCode::kClusterState));
  } else if (operation == Operation::kListAllKeys) {
    EXPECT_EQ(code, Text(ErrorCode::kRoleForbids));
  } else {
    EXPECT_EQ(code, refused) << row.name;
  }
}

std::vector<Operation> Operations() {
  std::vector<Operation> all;
  for (const OperationRow& row : policy::AllOperations()) {
    all.push_back(row.operation);
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Table, PermissionTest,
                         testing::Combine(testing::ValuesIn(Operations()),
                                          testing::Values(Asker::kUnactivatedAdmin, Asker::kAdmin,
                                                          Asker::kCryptoUser, Asker::kAuditor,
                                                          Asker::kNobody)));

constexpr const char* kBegin = "<!-- made from hsmcore/policy/gate.cc -->\n";

std::string Table() {
  std::string text =
      "| May | Unactivated admin | Admin | Crypto user | Auditor | No login |\n"
      "|---|---|---|---|---|---|\n";
  for (const OperationRow& row : policy::AllOperations()) {
    text += Cat("| ", row.name, " |");
    for (const bool allowed : row.allowed) text += allowed ? " yes |" : " |";
    text += "\n";
  }
  return text;
}

TEST(PermissionDocumentTest, HasTheTableOfTheCode) {
  test::ExpectMade(HSM_USERS_DOCUMENT, kBegin, Table());
}

}  // namespace
}  // namespace hsmcore
