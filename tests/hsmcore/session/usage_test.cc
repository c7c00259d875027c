// SPDX-License-Identifier: Apache-2.0
// Keys that may be used so many times only.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "hsmcore/backup.h"
#include "support/session_support.h"
#include "support/sqlite_editor.h"
#include "support/test_cluster.h"

namespace hsmcore {
namespace {

using test::ByLabel;
using test::CodeOf;
using test::InChild;
using test::kEddsa;
using test::SignCode;
using test::SqliteEditor;
using test::TestCluster;
using test::Text;

constexpr const char* kOtherPassword = "otherpass1";

KeyTemplate Labelled(const std::string& label) {
  KeyTemplate form;
  form.private_half.label = label;
  form.private_half.flags.Set(Attribute::kSign, true);
  form.public_half.label = label;
  form.public_half.flags.Set(Attribute::kVerify, true);
  return form;
}

// How often the key signs before it does not, at most `most` times.
int Signatures(const Key& key, int most) {
  for (int i = 0; i < most; ++i) {
    if (SignCode(key) != "ok") return i;
  }
  return most;
}

class UsageTest : public testing::Test {
 protected:
  UsageTest() : cluster_(2) {
    cluster_.AddUser("web", kOtherPassword);
    owner_ = cluster_.User();
    const auto made = owner_->Generate(test::Ed25519Spec(), Labelled("tls"));
    EXPECT_TRUE(made.has_value());
    key_ = *made;
    handle_ = key_->private_info()->handle;
  }
  std::shared_ptr<Session> Web() { return cluster_.User("web", kOtherPassword); }
  void Limit(const std::string& value) {
    const auto set = owner_->SetAttribute(handle_, "use-limit", value);
    ASSERT_TRUE(set.has_value()) << set.error().Message();
  }
  std::uint64_t Used() {
    const auto found = owner_->Find(KeyQuery::ByHandle(handle_));
    return found && found->size() == 1 ? found->front().use_count.value_or(0) : 0;
  }
  std::string Path() const { return "uses/" + handle_.ToString().substr(2); }
  // Runs `edit` on every HSM's file while nobody has them open.
  template <class Edit>
  void EditAll(const Edit& edit) {
    const auto hsms = cluster_->Describe(false)->hsms;
    key_.reset();
    owner_.reset();
    cluster_.Close();
    for (const HsmDescription& hsm : hsms) {
      SqliteEditor editor(hsm.path / "store.db");
      edit(editor);
    }
    cluster_.Reopen();
    owner_ = cluster_.User();
    key_ = *owner_->Load(KeyQuery::ByHandle(handle_), true);
  }

  TestCluster cluster_;
  std::shared_ptr<Session> owner_;
  KeyPtr key_;
  KeyHandle handle_;
};

TEST_F(UsageTest, TheLimitIsReachedExactly) {
  Limit("100");
  EXPECT_EQ(Signatures(*key_, 200), 100);
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyUsedUp));
  EXPECT_EQ(Used(), 100U);
  EXPECT_EQ(CodeOf(key_->Verify(kEddsa, Bytes{1}, Bytes(64))), "ok");
  Limit("103");
  EXPECT_EQ(Signatures(*key_, 200), 3);
  Limit("0");
  EXPECT_EQ(Signatures(*key_, 50), 50);
  EXPECT_EQ(Used(), 0U);  // nothing is counted any more
}

TEST_F(UsageTest, OneUseCostsOneUse) {
  Limit("1000");
  for (std::uint64_t uses = 1; uses <= 3; ++uses) {
    EXPECT_EQ(InChild([&] {
                const auto key = cluster_.User()->Load(ByLabel("tls"), true);
                return key && SignCode(**key) == "ok" ? 0 : 1;
              }),
              0);
    EXPECT_EQ(Used(), uses);
  }
}

TEST_F(UsageTest, ManyUsesAreReservedTogether) {
  Limit("100000");
  EXPECT_EQ(Signatures(*key_, 1000), 1000);
  EXPECT_GE(Used(), 1000U);
  EXPECT_LE(Used(), 2048U);
}

TEST_F(UsageTest, ProcessesAndThreadsTogetherKeepTheLimit) {
  Limit("200");
  ASSERT_EQ(Signatures(*key_, 5), 5);  // what the parent has reserved is not the children's
  std::vector<pid_t> children;
  for (int i = 0; i < 4; ++i) {
    const pid_t child = fork();
    if (child == 0) _exit(Signatures(*key_, 250));
    children.push_back(child);
  }
  int signatures = 5;
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    ASSERT_TRUE(WIFEXITED(status));
    signatures += WEXITSTATUS(status);
  }
  std::atomic<int> here = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] { here += Signatures(*key_, 250); });
    }
  }
  EXPECT_LE(signatures + here, 200);
  EXPECT_GE(signatures + here, 100);  // what was reserved and not used is lost
  EXPECT_EQ(Used(), 200U);
}

TEST_F(UsageTest, ASignatureOfAStreamCounts) {
  Limit("3");
  const auto stream = key_->NewSigner(kEddsa);
  ASSERT_TRUE(stream.has_value());
  EXPECT_EQ(Used(), 0U);
  ASSERT_TRUE((*stream)->Update(Bytes{1}));
  Bytes signature(64);
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(CodeOf((*(*stream)->Clone())->Sign(signature)), "ok");
  }
  EXPECT_EQ(CodeOf((*stream)->Sign(signature)), Text(ErrorCode::kKeyUsedUp));
}

TEST_F(UsageTest, EveryUseOfASecretKeyCounts) {
  KeyTemplate form = KeyTemplate::Secret();
  for (const Attribute flag :
       {Attribute::kEncrypt, Attribute::kDecrypt, Attribute::kWrap, Attribute::kUnwrap}) {
    form.private_half.flags.Set(flag, true);
  }
  const auto key = owner_->Generate(test::SpecOf(KeyType::kAes), form);
  ASSERT_TRUE(key.has_value());
  handle_ = (*key)->private_info()->handle;
  Limit("6");
  SymmetricMechanism gcm;
  gcm.nonce = Bytes(12, 1);
  const auto cipher = (*key)->NewCipher(gcm, Direction::kEncrypt);
  ASSERT_TRUE(cipher.has_value());
  ASSERT_TRUE((*cipher)->Clone());
  EXPECT_EQ(Used(), 2U);
  MacMechanism cmac;
  cmac.kind = MacMechanism::Kind::kCmac;
  Bytes mac(16);
  EXPECT_EQ(CodeOf((*(*key)->NewMac(cmac))->Sign(mac)), "ok");
  EXPECT_EQ(CodeOf((*(*key)->NewMacVerifier(cmac))->Verify(mac)), "ok");
  WrapMechanism method;
  method.kind = WrapMechanism::Kind::kAesZeroPad;
  const auto wrapped = owner_->Wrap(**key, *key_, method);
  ASSERT_TRUE(wrapped.has_value());
  UnwrapForm again;
  again.type = KeyType::kEd25519;
  again.attributes = {{"label", "again"}};
  EXPECT_EQ(CodeOf(owner_->Unwrap(**key, method, wrapped->data, again)), "ok");
  EXPECT_EQ(Used(), 6U);
  EXPECT_EQ(CodeOf((*key)->NewCipher(gcm, Direction::kEncrypt)), Text(ErrorCode::kKeyUsedUp));
}

TEST_F(UsageTest, WhoSharesTheKeyCountsToo) {
  ASSERT_TRUE(owner_->ShareKey(handle_, "web"));
  Limit("20");
  const auto his = Web()->Load(ByLabel("tls"), true);
  ASSERT_TRUE(his.has_value());
  EXPECT_EQ(Signatures(**his, 10), 10);
  EXPECT_EQ(CodeOf(Web()->SetAttribute(handle_, "use-limit", "1000")),
            Text(ErrorCode::kRoleForbids));
  // The count that he has signed holds when he has gone.
  ASSERT_TRUE(owner_->UnshareKey(handle_, "web"));
  const std::uint64_t used = Used();
  EXPECT_GE(used, 10U);
  EXPECT_EQ(Signatures(*key_, 50), static_cast<int>(20 - used));
}

TEST_F(UsageTest, ALostOrForgedCountEndsTheUse) {
  Limit("1000");
  EXPECT_EQ(Signatures(*key_, 10), 10);
  EditAll([&](SqliteEditor& editor) { editor.Remove(Path()); });
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyDamaged));
  Limit("0");  // the owner counts anew
  Limit("1000");
  EXPECT_EQ(SignCode(*key_), "ok");
  EditAll([&](SqliteEditor& editor) {
    Bytes value = editor.Get(Path());
    const std::string_view field = "used";
    const auto at = std::search(value.begin(), value.end(), field.begin(), field.end());
    ASSERT_NE(at, value.end());
    at[4] = 0;  // CBOR's zero
    editor.Put(Path(), value);
  });
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyDamaged));
}

TEST_F(UsageTest, AnotherUsersCountIsNone) {
  Limit("10");
  // web signs a count of his own key.
  const auto his = Web()->Generate(test::Ed25519Spec(), Labelled("his"));
  ASSERT_TRUE(his.has_value());
  const KeyHandle other = (*his)->private_info()->handle;
  ASSERT_TRUE(Web()->SetAttribute(other, "use-limit", "10"));
  const std::string from = "uses/" + other.ToString().substr(2);
  EditAll([&](SqliteEditor& editor) { editor.Put(Path(), editor.Get(from)); });
  EXPECT_EQ(SignCode(*key_), Text(ErrorCode::kKeyDamaged));
}

TEST_F(UsageTest, ANewVersionBeginsAnew) {
  Limit("5");
  EXPECT_EQ(Signatures(*key_, 10), 5);
  const auto next = owner_->RotateKey(handle_, 0);
  ASSERT_TRUE(next.has_value());
  EXPECT_EQ(Signatures(**next, 10), 5);
}

// What was used since the backup is not known; the owner has to say how it goes on.
TEST_F(UsageTest, AKeyFromABackupIsNotUsedUncounted) {
  Limit("1000");
  const auto backup = cluster_->CreateBackup({});
  ASSERT_TRUE(backup.has_value());
  ASSERT_TRUE(owner_->Delete(handle_, true));
  ASSERT_TRUE(cluster_.Admin()->RestoreKey(backup->file, handle_, {}));
  const auto back = owner_->Load(ByLabel("tls"), true);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(SignCode(**back), Text(ErrorCode::kKeyDamaged));
  Limit("0");
  Limit("1000");
  EXPECT_EQ(SignCode(**back), "ok");
}

TEST_F(UsageTest, TheCountGoesWithTheKey) {
  Limit("5");
  ASSERT_TRUE(owner_->Delete(handle_, true));
  const auto hsms = cluster_->Describe(false)->hsms;
  key_.reset();
  owner_.reset();
  cluster_.Close();
  EXPECT_TRUE(SqliteEditor(hsms.front().path / "store.db").Get(Path()).empty());
}

}  // namespace
}  // namespace hsmcore
