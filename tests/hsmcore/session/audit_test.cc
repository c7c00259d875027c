// SPDX-License-Identifier: Apache-2.0
// The audit log: what is in it, and what of tampering with it is found.
#include "hsmcore/audit.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

#include "audit/log.h"
#include "audit/record.h"
#include "base/cbor.h"
#include "cluster/core.h"
#include "hsmcore/backup.h"
#include "support/edit_all.h"
#include "support/session_support.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using enum AuditEvent;
using test::CodeOf;
using test::CredentialOf;
using test::SignCode;
using test::TestCluster;
using test::Text;

constexpr const char* kPassword = "auditorpass";

std::vector<AuditRecord> Records(Session& session, const AuditQuery& query = {}) {
  std::vector<AuditRecord> records;
  const Status read =
      session.ReadAudit(query, [&](const AuditRecord& record) { records.push_back(record); });
  EXPECT_TRUE(read) << read.error().Message();
  return records;
}

AuditRecord Last(TestCluster& cluster) {
  const auto records = Records(*cluster.Admin());
  return records.empty() ? AuditRecord() : records.back();
}

std::string Problems(const Result<AuditReport>& report) {
  if (!report) return report.error().Message();
  std::string all;
  for (const std::string& problem : report->problems) all += problem + "\n";
  return all;
}

std::string Verified(TestCluster& cluster, std::vector<AuditCheckpoint> checkpoints = {}) {
  return Problems(cluster.Admin()->VerifyAudit(checkpoints));
}

KeyTemplate Labelled(const char* label) {
  KeyTemplate form;
  form.private_half.label = form.public_half.label = label;
  form.private_half.flags.Set(Attribute::kSign, true);
  return form;
}

TEST(AuditTest, EveryChangeHasARecordByWhoDidIt) {
  TestCluster cluster;
  cluster.AddUser("other", kPassword);
  const auto user = cluster.User();
  const auto admin = cluster.Admin();
  const auto key = user->Generate(test::Ed25519Spec(), Labelled("k"));
  ASSERT_TRUE(key);
  const KeyHandle handle = (*key)->private_info()->handle;
  ASSERT_TRUE(user->SetAttribute(handle, "label", "renamed"));
  KeyTemplate form = KeyTemplate::Secret();
  form.private_half.label = "kek";
  form.private_half.flags.Set(Attribute::kWrap, true);
  form.private_half.flags.Set(Attribute::kUnwrap, true);
  const auto kek = user->Generate(test::SpecOf(KeyType::kAes), form);
  ASSERT_TRUE(kek);
  const KeyHandle kek_handle = (*kek)->private_info()->handle;
  ASSERT_TRUE(admin->SetAttribute(kek_handle, "trusted", "true"));
  WrapMechanism mechanism;
  mechanism.kind = WrapMechanism::Kind::kAesGcm;
  ASSERT_TRUE(user->Wrap(**kek, **kek, mechanism));
  ASSERT_TRUE(user->Delete(handle, true));
  ASSERT_TRUE(user->CreateMachineCredential());
  ASSERT_TRUE(admin->SetBackupRetention(40));
  ASSERT_TRUE(admin->ResetPassword("other", Role::kCryptoUser, SecretBytes::CopyOf("otherpass2")));
  ASSERT_TRUE(admin->DeleteUser("other", Role::kCryptoUser, {}));
  ASSERT_TRUE(cluster->CreateBackup({}));
  const auto hsm = cluster->CreateHsm({});
  ASSERT_TRUE(hsm);
  ASSERT_TRUE(cluster->StopHsm(hsm->id));

  struct Expected {
    AuditEvent event;
    const char* actor;
    KeyHandle key;
  };
  const std::vector<Expected> expected = {{kClusterCreate, "user/admin/admin", {}},
                                          {kUserCreate, "user/admin/admin", {}},
                                          {kUserCreate, "user/admin/admin", {}},
                                          {kKeyGenerate, "user/crypto-user/app", handle},
                                          {kKeyModify, "user/crypto-user/app", handle},
                                          {kKeyGenerate, "user/crypto-user/app", kek_handle},
                                          {kKeySetTrusted, "user/admin/admin", kek_handle},
                                          {kKeyWrap, "user/crypto-user/app", kek_handle},
                                          {kKeyDelete, "user/crypto-user/app", handle},
                                          {kMachineCredentialCreate, "user/crypto-user/app", {}},
                                          {kClusterModify, "user/admin/admin", {}},
                                          {kUserResetPassword, "user/admin/admin", {}},
                                          {kUserDelete, "user/admin/admin", {}},
                                          {kBackupCreate, "", {}},
                                          {kHsmCreate, "", {}},
                                          {kHsmStop, "", {}}};
  const auto records = Records(*admin);
  ASSERT_EQ(records.size(), expected.size());
  for (std::size_t i = 0; i < records.size(); ++i) {
    const AuditRecord& record = records[i];
    EXPECT_EQ(record.sequence, i + 1);
    EXPECT_STREQ(NameOf(record.event), NameOf(expected[i].event)) << i;
    EXPECT_EQ(record.actor, expected[i].actor) << i;
    EXPECT_EQ(record.signed_by_actor, !record.actor.empty()) << i;
    EXPECT_EQ(record.result, ErrorCode()) << i;
    EXPECT_EQ(record.process, static_cast<std::uint64_t>(getpid()));
    EXPECT_FALSE(record.program.empty());
    if (expected[i].key.value != 0) {
      ASSERT_FALSE(record.keys.empty()) << i;
      EXPECT_NE(std::ranges::find(record.keys, expected[i].key), record.keys.end()) << i;
    }
  }
  EXPECT_EQ(records[2].user, "user/crypto-user/other");
  EXPECT_EQ(records[11].user, "user/crypto-user/other");
  EXPECT_EQ(records[10].detail, "backup-retention-days=40");
  EXPECT_EQ(records.back().detail, hsm->id);
  EXPECT_EQ(Verified(cluster), "");
}

TEST(AuditTest, WhatIsRefusedAndWrongPasswordsAreThere) {
  TestCluster cluster;
  EXPECT_EQ(CodeOf(cluster.User()->CreateUser("x", Role::kAdmin, SecretBytes::CopyOf(kPassword))),
            Text(ErrorCode::kRoleForbids));
  AuditRecord record = Last(cluster);
  EXPECT_EQ(record.event, kUserCreate);
  EXPECT_EQ(record.actor, "user/crypto-user/app");
  EXPECT_EQ(record.user, "user/admin/x");
  EXPECT_EQ(record.result, ErrorCode::kRoleForbids);
  EXPECT_TRUE(record.signed_by_actor);

  cluster->Login(CredentialOf("app", "wrongpass1"), Role::kCryptoUser);
  record = Last(cluster);
  EXPECT_EQ(record.event, kLogin);
  EXPECT_EQ(record.actor, "");
  EXPECT_EQ(record.user, "user/crypto-user/app");
  EXPECT_EQ(record.result, ErrorCode::kPasswordWrong);

  cluster->Login(CredentialOf("nobody", "wrongpass1"), Role::kAuditor);
  record = Last(cluster);
  EXPECT_EQ(record.user, "user/auditor/nobody");
  EXPECT_EQ(record.result, ErrorCode::kUserNotFound);

  // A right one says that the wrong ones are forgotten; the next one changes nothing.
  cluster.User("app");
  cluster.Reopen();
  cluster.User("app");
  record = Last(cluster);
  EXPECT_EQ(record.event, kLogin);
  EXPECT_EQ(record.result, ErrorCode());
  const std::uint64_t sequence = record.sequence;
  cluster.Reopen();
  cluster.User("app");
  EXPECT_EQ(Last(cluster).sequence, sequence);

  EXPECT_EQ(CodeOf(cluster.Admin()->Load(KeyQuery(), true)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(Last(cluster).event, kKeyUse);
  EXPECT_EQ(Verified(cluster), "");
}

TEST(AuditTest, AFailedCommitLeavesNoRecord) {
  TestCluster cluster(1);
  const std::uint64_t before = Last(cluster).sequence;
  cluster.User()->Find({});
  EXPECT_FALSE(cluster.User()->Generate(test::SpecOf(KeyType::kRsa, 1), {}));
  const auto records =
      Records(*cluster.Admin(), {.after = before, .since = {}, .user = {}, .key = {}});
  // The refusal is there, and no key.
  for (const AuditRecord& record : records) EXPECT_NE(record.result, ErrorCode());
}

TEST(AuditTest, QueriesNarrowDown) {
  TestCluster cluster;
  cluster.AddUser("other", kPassword);
  const auto key = cluster.User()->Generate(test::Ed25519Spec(), Labelled("k"));
  cluster.User("other", kPassword)->Generate(test::Ed25519Spec(), Labelled("k"));
  const auto admin = cluster.Admin();
  const auto by = [&](AuditQuery query) { return Records(*admin, query).size(); };
  AuditQuery query;
  EXPECT_EQ(by(query), 5U);
  query.user = "Other";
  EXPECT_EQ(by(query), 2U);  // made, and made a key
  query = {};
  query.key = (*key)->private_info()->handle.PublicHalf();
  EXPECT_EQ(by(query), 1U);
  query = {};
  query.after = 3;
  EXPECT_EQ(by(query), 2U);
  query = {};
  query.since = Last(cluster).time;
  EXPECT_EQ(by(query), 1U);
}

TEST(AuditTest, AuditorsReadAndDoNothingElse) {
  TestCluster cluster;
  cluster.AddUser("auditor", kPassword, Role::kAuditor);
  const auto auditor = *cluster->Login(CredentialOf("auditor", kPassword), Role::kAuditor);
  EXPECT_EQ(Records(*auditor).size(), 3U);
  EXPECT_EQ(Problems(auditor->VerifyAudit({})), "");
  const auto checkpoint = auditor->CreateAuditCheckpoint();
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(checkpoint->actor, "user/auditor/auditor");
  EXPECT_TRUE(checkpoint->signed_by_actor);
  EXPECT_EQ(CodeOf(auditor->RotateAudit(1)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(auditor->Generate(test::Ed25519Spec(), {})), Text(ErrorCode::kRoleForbids));
  const auto read = [](const AuditRecord&) {};
  EXPECT_EQ(CodeOf(cluster.User()->ReadAudit({}, read)), Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster->Anonymous()->ReadAudit({}, read)), Text(ErrorCode::kLoginRequired));
  EXPECT_EQ(CodeOf(cluster->Anonymous()->VerifyAudit({})), Text(ErrorCode::kLoginRequired));
}

// ---- Tampering ----------------------------------------------------------------------------------

// A log with some users and keys, and the store behind it.
class AuditTamperTest : public testing::Test {
 protected:
  AuditTamperTest() {
    cluster_.AddUser("deputy", kPassword, Role::kAdmin);
    cluster_.User()->Generate(test::Ed25519Spec(), Labelled("k"));
    auto deputy = cluster_->Login(CredentialOf("deputy", kPassword), Role::kAdmin);
    EXPECT_TRUE((*deputy)->CreateUser("made", Role::kCryptoUser, SecretBytes::CopyOf(kPassword)));
    cluster_->Login(CredentialOf("app", "wrongpass1"), Role::kCryptoUser);
    cluster_.User()->Generate(test::Ed25519Spec(), Labelled("k2"));
    log_ = Stored();
    core_ = *cluster::OpenCore(cluster_.home(), *cluster::ReadClusterFile(cluster_.home()));
  }

  std::vector<Bytes> Stored() {
    std::vector<Bytes> stored;
    for (const AuditRecord& record : Records(*cluster_.Admin())) stored.push_back(record.stored);
    return stored;
  }

  // Elsewhere, from the records and the key of the first admin alone.
  std::string Offline(const std::vector<Bytes>& records,
                      const std::vector<AuditCheckpoint>& checkpoints = {}) {
    AuditVerifier verifier(core_->file.root);
    for (const AuditCheckpoint& each : checkpoints) verifier.Expect(each);
    for (const Bytes& record : records) verifier.Add(record);
    const AuditReport report = verifier.Finish();
    std::string problems = Problems(report);
    if (problems.empty()) {
      EXPECT_TRUE(report.unknown_signers.empty());
    }
    return problems;
  }

  void Edit(const std::function<void(storage::Batch&)>& edit) {
    const audit::Silence silence;
    storage::Batch batch;
    edit(batch);
    ASSERT_TRUE(core_->engine->Commit(batch));
  }

  void EditAll(const std::function<void(test::SqliteEditor&)>& edit) {
    core_.reset();
    test::EditAll(cluster_, edit);
  }

  TestCluster cluster_;
  std::shared_ptr<cluster::Core> core_;
  std::vector<Bytes> log_;
};

TEST_F(AuditTamperTest, AWholeLogIsFine) {
  EXPECT_EQ(Offline(log_), "");
  EXPECT_EQ(Verified(cluster_), "");
}

TEST_F(AuditTamperTest, RemovalIsFound) {
  for (std::size_t i = 0; i + 1 < log_.size(); ++i) {
    auto log = log_;
    log.erase(log.begin() + static_cast<std::ptrdiff_t>(i));
    EXPECT_NE(Offline(log), "") << i;
  }
  Edit([](storage::Batch& batch) { batch.mutations.push_back({audit::PathOf(3), std::nullopt}); });
  EXPECT_NE(Verified(cluster_).find("record 3 is missing"), std::string::npos);
}

TEST_F(AuditTamperTest, EveryEditedByteIsFound) {
  const auto last = audit::Decode(log_.back());
  for (std::size_t i = 0; i < log_.size(); ++i) {
    for (std::size_t at = 0; at < log_[i].size(); at += 7) {
      auto log = log_;
      log[i][at] ^= 1;
      EXPECT_NE(Offline(log, {{last->record.sequence, last->record.hash}}), "") << i << " " << at;
    }
  }
  Edit([&](storage::Batch& batch) {
    Bytes edited = log_[2];
    edited[edited.size() / 2] ^= 1;
    batch.mutations.push_back({audit::PathOf(3), edited});
  });
  EXPECT_NE(Verified(cluster_), "");
}

// By somebody who can compute hashes, and cannot sign.
TEST_F(AuditTamperTest, AChainThatIsMadeAnewIsFound) {
  std::vector<Bytes> forged;
  Bytes before(audit::kHashBytes);
  for (const Bytes& record : log_) {
    audit::Stored stored = *audit::Decode(record);
    if (stored.record.sequence == 4) stored.record.actor = "user/admin/admin";
    stored.before = before;
    const auto nobody = *vault::Identity::New({});
    forged.push_back(audit::Encode(stored, stored.signature.empty() ? nullptr : &nobody));
    before = audit::HashOf(forged.back());
  }
  EXPECT_NE(Offline(forged), "");
}

TEST_F(AuditTamperTest, InsertionIsFound) {
  for (std::size_t i = 0; i < log_.size(); ++i) {
    auto log = log_;
    log.insert(log.begin() + static_cast<std::ptrdiff_t>(i), log_[(i + 1) % log_.size()]);
    EXPECT_NE(Offline(log), "") << i;
  }
  Edit([&](storage::Batch& batch) {
    batch.mutations.push_back({audit::PathOf(log_.size() + 1), log_.back()});
  });
  EXPECT_NE(Verified(cluster_), "");
}

TEST_F(AuditTamperTest, ReorderingIsFound) {
  for (std::size_t i = 0; i + 1 < log_.size(); ++i) {
    auto log = log_;
    std::swap(log[i], log[i + 1]);
    EXPECT_NE(Offline(log), "") << i;
  }
  Edit([&](storage::Batch& batch) {
    batch.mutations.push_back({audit::PathOf(2), log_[2]});
    batch.mutations.push_back({audit::PathOf(3), log_[1]});
  });
  EXPECT_NE(Verified(cluster_), "");
}

// The store tells by its end, a file by a checkpoint.
TEST_F(AuditTamperTest, TruncationIsFound) {
  const auto checkpoint = cluster_.Admin()->CreateAuditCheckpoint();
  ASSERT_TRUE(checkpoint);
  EXPECT_EQ(Offline(log_), "");
  EXPECT_NE(Offline(log_, {{checkpoint->sequence, checkpoint->hash}}), "");
  EXPECT_EQ(Offline(Stored(), {{checkpoint->sequence, checkpoint->hash}}), "");
  EXPECT_EQ(Verified(cluster_, {{checkpoint->sequence, checkpoint->hash}}), "");

  // Without a trace in the databases, on all HSMs, down to before the last key was made.
  const AuditRecord end = *DecodeAuditRecord(log_[log_.size() - 2]);
  EditAll([&](test::SqliteEditor& editor) {
    for (std::uint64_t gone = end.sequence + 1; gone <= checkpoint->sequence; ++gone) {
      editor.Remove(audit::PathOf(gone));
    }
  });
  EXPECT_NE(Verified(cluster_).find("was cut short"), std::string::npos);
}

TEST_F(AuditTamperTest, TruncationWithAnEndThatFitsIsFound) {
  const AuditRecord end = *DecodeAuditRecord(log_[log_.size() - 2]);
  EditAll([&](test::SqliteEditor& editor) {
    editor.Remove(audit::PathOf(end.sequence + 1));
    cbor::Value head = *cbor::Decode(editor.Get(audit::kHeadPath), "head");
    head["seq"] = end.sequence;
    head["hash"] = cbor::Blob(end.hash);
    editor.Put(audit::kHeadPath, cbor::Encode(head));
  });
  // The key is there of which the last record told.
  EXPECT_NE(Verified(cluster_).find("was changed after the last record"), std::string::npos);
}

TEST_F(AuditTamperTest, ChangesWithoutARecordAreFound) {
  Edit(
      [](storage::Batch& batch) { batch.mutations.push_back({"key/0000000000040000", Bytes{1}}); });
  EXPECT_NE(Verified(cluster_).find("key/0000000000040000"), std::string::npos);
}

TEST_F(AuditTamperTest, HostileRecordsAreProblems) {
  for (const Bytes& hostile : {Bytes(), Bytes{0xff}, Bytes(100000, 0xa1)}) {
    auto log = log_;
    log[1] = hostile;
    EXPECT_NE(Offline(log), "");
    Edit([&](storage::Batch& batch) { batch.mutations.push_back({audit::PathOf(2), hostile}); });
    EXPECT_NE(Verified(cluster_), "");
    EXPECT_EQ(Records(*cluster_.Admin()).size(), log_.size() - 1);
  }
  // A head that is none stops changes: the chain would begin anew.
  Edit([](storage::Batch& batch) { batch.mutations.push_back({audit::kHeadPath, Bytes{1, 2}}); });
  EXPECT_FALSE(cluster_.User()->Generate(test::Ed25519Spec(), {}));
}

// ---- Rotation, clones ---------------------------------------------------------------------------

TEST_F(AuditTamperTest, ARotatedLogGoesOn) {
  const auto admin = cluster_.Admin();
  ASSERT_TRUE(admin->RotateAudit(log_.size() - 2));
  const auto left = Records(*admin);
  ASSERT_EQ(left.size(), 3U);  // two, and that it was rotated
  EXPECT_EQ(left.front().sequence, log_.size() - 1);
  EXPECT_EQ(left.back().event, kAuditRotate);
  EXPECT_EQ(Verified(cluster_), "");
  EXPECT_TRUE(cluster_.User()->Generate(test::Ed25519Spec(), Labelled("k3")));
  EXPECT_EQ(Verified(cluster_), "");
  // What is in the file and what is in the store are one chain.
  auto whole = log_;
  whole.resize(log_.size() - 2);
  for (const Bytes& record : Stored()) whole.push_back(record);
  EXPECT_EQ(Offline(whole), "");
  // A part by itself does not know who was made before.
  AuditVerifier verifier(core_->file.root);
  verifier.BeginWith(left.front().stored);
  for (const AuditRecord& record : left) verifier.Add(record.stored);
  const AuditReport report = verifier.Finish();
  EXPECT_TRUE(report.problems.empty());
  EXPECT_FALSE(report.unknown_signers.empty());
  // The newest stays, whatever is asked for.
  ASSERT_TRUE(admin->RotateAudit(~std::uint64_t{0}));
  EXPECT_FALSE(Records(*admin).empty());
  EXPECT_EQ(Verified(cluster_), "");
}

TEST_F(AuditTamperTest, ACloneGoesOnWithTheLog) {
  const auto backup = cluster_->CreateBackup({});
  ASSERT_TRUE(backup);
  const test::TemporaryDirectory other;
  const auto clone = test::CloneFrom(backup->file, other.path() / "clone");
  ASSERT_TRUE(clone) << clone.error().Message();
  const auto admin = *(*clone)->Login(CredentialOf("admin", test::kAdminPassword), Role::kAdmin);
  const auto records = Records(*admin);
  ASSERT_EQ(records.size(), log_.size() + 2);  // the backup's own, and where it went
  EXPECT_EQ(records.back().event, kClusterRestore);
  EXPECT_EQ(records.back().detail, backup->id);
  EXPECT_EQ(Problems(admin->VerifyAudit({})), "");
}

// ---- The use of keys ----------------------------------------------------------------------------

class KeyUseTest : public testing::Test {
 protected:
  KeyUseTest() {
    for (const char* label : {"k", "other"}) {
      EXPECT_TRUE(cluster_.User()->Generate(test::Ed25519Spec(), Labelled(label)));
    }
  }

  void Set(KeyUseAudit mode, const std::vector<KeyHandle>& keys = {}) {
    const Status set = cluster_.Admin()->SetKeyUseAudit(mode, keys);
    EXPECT_TRUE(set) << set.error().Message();
    cluster_.Reopen();  // it counts from the next time that a key is loaded
  }
  KeyPtr Load(const char* label = "k") {
    KeyQuery query;
    query.label = label;
    return *cluster_.User()->Load(query, true);
  }
  std::vector<std::string> Uses() {
    std::vector<std::string> uses;
    for (const AuditRecord& record : Records(*cluster_.Admin())) {
      if (record.event == kKeyUse) uses.push_back(record.detail);
    }
    return uses;
  }

  TestCluster cluster_;
};

TEST_F(KeyUseTest, IsNotThereUnlessAnAdminAsks) {
  SignCode(*Load());
  cluster_.Reopen();
  EXPECT_TRUE(Uses().empty());
  EXPECT_EQ(CodeOf(cluster_.User()->SetKeyUseAudit(KeyUseAudit::kStrict, {})),
            Text(ErrorCode::kRoleForbids));
  EXPECT_EQ(CodeOf(cluster_.Admin()->SetKeyUseAudit(KeyUseAudit::kStrict, {{0x999998}})),
            Text(ErrorCode::kKeyNotFound));
}

TEST_F(KeyUseTest, StrictRecordsEachUse) {
  Set(KeyUseAudit::kStrict);
  const KeyPtr key = Load();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(SignCode(*key), "ok");
  EXPECT_EQ(Uses(), (std::vector<std::string>{"sign 1", "sign 1", "sign 1"}));
  const AuditRecord record = Last(cluster_);
  EXPECT_EQ(record.actor, "user/crypto-user/app");
  EXPECT_TRUE(record.signed_by_actor);
  EXPECT_EQ(record.keys, std::vector{key->private_info()->handle});
}

TEST_F(KeyUseTest, BufferedCountsAndWritesTogether) {
  Set(KeyUseAudit::kBuffered);
  {
    const KeyPtr key = Load();
    for (int i = 0; i < 25; ++i) EXPECT_EQ(SignCode(*key), "ok");
    EXPECT_TRUE(Uses().empty());
  }
  cluster_.Reopen();  // the process ends
  EXPECT_EQ(Uses(), std::vector<std::string>{"sign 25"});
  const KeyPtr key = Load();
  for (std::uint64_t i = 0; i < 10'000; ++i) ASSERT_EQ(SignCode(*key), "ok");
  EXPECT_EQ(Uses().size(), 2U);
  EXPECT_EQ(Verified(cluster_), "");
}

TEST_F(KeyUseTest, AKeyMayHaveASettingOfItsOwn) {
  const KeyHandle handle = Load()->private_info()->handle;
  Set(KeyUseAudit::kStrict, {handle.PublicHalf()});
  SignCode(*Load("other"));
  EXPECT_TRUE(Uses().empty());
  SignCode(*Load("k"));
  EXPECT_EQ(Uses().size(), 1U);
  Set(KeyUseAudit::kStrict);
  Set(KeyUseAudit::kOff, {handle});
  SignCode(*Load("k"));
  EXPECT_EQ(Uses().size(), 1U);
  SignCode(*Load("other"));
  EXPECT_EQ(Uses().size(), 2U);
}

// Without a login anew, in a session that has the key at hand.
TEST_F(KeyUseTest, CountsFromTheNextLoad) {
  SignCode(*Load());
  ASSERT_TRUE(cluster_.Admin()->SetKeyUseAudit(KeyUseAudit::kStrict, {}));
  SignCode(*Load());
  EXPECT_EQ(Uses(), std::vector<std::string>{"sign 1"});
  ASSERT_TRUE(cluster_.Admin()->SetKeyUseAudit(KeyUseAudit::kOff, {}));
  SignCode(*Load());
  EXPECT_EQ(Uses().size(), 1U);
}

// Where it cannot be recorded: strict refuses, buffered goes on.
TEST_F(KeyUseTest, WithoutARecordAStrictKeyIsNotUsed) {
  for (const KeyUseAudit mode : {KeyUseAudit::kStrict, KeyUseAudit::kBuffered}) {
    Set(mode);
    const KeyPtr key = Load();
    const auto core =
        *cluster::OpenCore(cluster_.home(), *cluster::ReadClusterFile(cluster_.home()));
    const auto head = *core->engine->Get(audit::kHeadPath);
    const auto put = [&](const Bytes& value) {
      const audit::Silence silence;
      storage::Batch batch;
      batch.mutations.push_back({audit::kHeadPath, value});
      ASSERT_TRUE(core->engine->Commit(batch));
    };
    put({1, 2});
    EXPECT_EQ(SignCode(*key) == "ok", mode == KeyUseAudit::kBuffered);
    put(head->value);
    EXPECT_EQ(SignCode(*key), "ok");
  }
}

}  // namespace
}  // namespace hsmcore
