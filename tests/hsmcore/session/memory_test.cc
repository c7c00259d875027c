// SPDX-License-Identifier: Apache-2.0
// What of passwords, logins and keys is in the memory of a process, and in its core file. The
// process that is looked at makes the secrets itself and tells them in disguise, so that they are
// nowhere in it but where its work has put them.
#include <gtest/gtest.h>
#include <openssl/crypto.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iterator>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "cluster/core.h"
#include "cluster/home.h"
#include "crypto/asymmetric_key.h"
#include "crypto/secret_key.h"
#include "hsmcore/session/wrap_support.h"
#include "support/process_memory.h"
#include "support/test_cluster.h"
#include "users/authentication.h"
#include "vault/sealing.h"

namespace hsmcore {
namespace {

namespace fs = std::filesystem;
using test::Mapping;
using test::TestCluster;

constexpr SecretAccess kTest{"test"};
constexpr std::uint8_t kDisguise = 0xA5;
constexpr char kSecret = 'S';
constexpr char kWaiting = 'W';

// A child and the two pipes to it.
class Worker {
 public:
  using Secrets = std::map<std::string, std::string>;

  explicit Worker(const std::function<void(Worker&)>& body) {
    EXPECT_EQ(pipe(up_.data()), 0);
    EXPECT_EQ(pipe(down_.data()), 0);
    process_ = fork();
    if (process_ != 0) {
      close(up_[1]);
      return;
    }
    body(*this);
    _exit(0);
  }
  ~Worker() {
    close(down_[1]);
    close(up_[0]);
    if (!ended_) End();
  }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  // In the child.
  void Tell(const std::string& name, ByteView secret) const {
    Send(kSecret);
    for (const char letter : name) Send(letter);
    Send('\0');
    Send(static_cast<char>(secret.size()));
    for (const std::uint8_t byte : secret) Send(static_cast<char>(byte ^ kDisguise));
  }
  void Wait() const {
    Send(kWaiting);
    char byte = 0;
    if (read(down_[0], &byte, 1) != 1) _exit(2);
  }
  // What the child cannot do ends it.
  template <class T>
  static T Must(Result<T> result) {
    if (!result) Die(result.error());
    return *std::move(result);
  }
  static void Must(const Status& status) {
    if (!status) Die(status.error());
  }

  // In the parent: what the child has told up to its next Wait(). Empty: it died.
  Secrets Heard() {
    Secrets heard;
    for (char kind = 0; read(up_[0], &kind, 1) == 1 && kind == kSecret;) {
      std::string name;
      for (char letter = Receive(); letter != '\0'; letter = Receive()) name += letter;
      std::string secret(static_cast<std::uint8_t>(Receive()), '\0');
      for (char& byte : secret) byte = static_cast<char>(Receive() ^ kDisguise);
      heard[name] = secret;
    }
    return heard;
  }
  void Go() const { EXPECT_EQ(write(down_[1], "g", 1), 1); }
  int End() {
    int status = 0;
    waitpid(process_, &status, 0);
    ended_ = true;
    return status;
  }
  pid_t process() const { return process_; }

 private:
  [[noreturn]] static void Die(const Error& error) {
    fprintf(stderr, "worker: %s\n", error.Message().c_str());
    _exit(3);
  }
  void Send(char byte) const {
    if (write(up_[1], &byte, 1) != 1) _exit(4);
  }
  char Receive() const {
    char byte = 0;
    EXPECT_EQ(read(up_[0], &byte, 1), 1);
    return byte;
  }

  std::array<int, 2> up_{};
  std::array<int, 2> down_{};
  pid_t process_ = 0;
  bool ended_ = false;
};

SecretBytes NewPassword() {
  SecretBytes password = vault::RandomSecret(24);
  for (std::uint8_t& byte : password.Write(kTest)) {
    byte = static_cast<std::uint8_t>('a' + (byte % 26));
  }
  return password;
}

void TellIdentity(const Worker& worker, const fs::path& home, const Credential& login) {
  const auto core =
      Worker::Must(cluster::OpenCore(home, Worker::Must(cluster::ReadClusterFile(home))));
  const std::lock_guard lock(core->mutex);
  core->config = Worker::Must(cluster::ReadConfig(*core));
  const vault::Identity identity =
      Worker::Must(users::Authenticate(*core, Role::kCryptoUser, "worker", login, {})).identity;
  const SecretBytes exported = identity.Export();
  worker.Tell("identity's X25519 key", exported.Read(kTest).first(32));
  worker.Tell("identity's Ed25519 seed", exported.Read(kTest).subspan(32, 32));
}

// Makes a key of the type, tells its private part and puts it in.
void MakeKey(const Worker& worker, Session& session, KeyType type) {
  const std::string name = NameOf(type);
  const KeyTemplate form =
      test::FormOf(type, name, {IsSecret(type) ? Attribute::kEncrypt : Attribute::kSign});
  if (IsSecret(type)) {
    const SecretBytes value = vault::RandomSecret(32);
    worker.Tell(name, value.Read(kTest));
    Worker::Must(session.ImportSecret(type, value, form.private_half));
    return;
  }
  const auto made = Worker::Must(crypto::GenerateReadyPair(test::SpecOf(type)));
  const PrivateMaterial& material = made.material.private_part;
  if (const auto* rsa = std::get_if<RsaPrivate>(&material)) {
    worker.Tell(name + "'s d", rsa->d.Read(kTest).first(128));
    worker.Tell(name + "'s p", rsa->p.Read(kTest));
  } else if (const auto* ec = std::get_if<EcPrivate>(&material)) {
    worker.Tell(name, ec->scalar.Read(kTest));
  } else {
    worker.Tell(name, std::get<RawPrivate>(material).key.Read(kTest));
  }
  Worker::Must(session.ImportPair(made.material, form));
}

constexpr auto kTypes =
    std::to_array({KeyType::kRsa, KeyType::kEc, KeyType::kEd25519, KeyType::kAes});

// Loads the keys and uses each.
std::vector<KeyPtr> UseKeys(Session& session) {
  std::vector<KeyPtr> keys;
  for (const KeyType type : kTypes) {
    const KeyQuery query = test::ByLabel(NameOf(type));
    if (IsSecret(type)) {
      keys.push_back(Worker::Must(session.LoadSecret(query)));
      Worker::Must(keys.back()->CheckUse(Key::Use::kEncrypt));
      continue;
    }
    keys.push_back(Worker::Must(session.Load(query, true)));
    SignMechanism mechanism{.kind = SignMechanism::Kind::kEddsa, .digest = Digest::kNone};
    if (type == KeyType::kRsa) mechanism.kind = SignMechanism::Kind::kRsaPkcs1;
    if (type == KeyType::kEc) mechanism.kind = SignMechanism::Kind::kEcdsa;
    if (type != KeyType::kEd25519) mechanism.digest = Digest::kSha256;
    Bytes signature(keys.back()->max_signature_size());
    Worker::Must(keys.back()->Sign(mechanism, Bytes(32, 1), signature));
  }
  return keys;
}

// All that a process does with secrets. `in_use` is called while keys are loaded; the worker waits
// after it has closed everything.
void WorkWithKeys(const Worker& worker, const fs::path& home, const std::function<void()>& in_use) {
  // So that no page goes back with the last secret in it: what was there has to be wiped.
  std::vector<SecretBytes> keepers;
  for (std::size_t size = 32; size <= 4096; size *= 2) keepers.emplace_back(size);
  auto password = std::make_unique<SecretBytes>(NewPassword());
  const auto login = [&] { return Credential{"worker", password->Clone()}; };
  {
    const ClusterPtr cluster = Worker::Must(Cluster::Open(home));
    const auto admin = Worker::Must(
        cluster->Login(test::CredentialOf("admin", test::kAdminPassword), Role::kAdmin));
    Worker::Must(admin->CreateUser("worker", Role::kCryptoUser, *password));
    worker.Tell("password", password->Read(kTest));
    const auto session = Worker::Must(cluster->Login(login(), Role::kCryptoUser));
    for (const KeyType type : kTypes) MakeKey(worker, *session, type);
  }
  TellIdentity(worker, home, login());
  {
    const ClusterPtr cluster = Worker::Must(Cluster::Open(home));
    const auto session = Worker::Must(cluster->Login(login(), Role::kCryptoUser));
    const std::vector<KeyPtr> keys = UseKeys(*session);
    in_use();
  }
  password.reset();
  worker.Wait();
}

std::string Names(const std::vector<Mapping>& found) {
  std::string names;
  for (const Mapping& mapping : found) {
    names += " " + (mapping.name.empty() ? "anonymous" : mapping.name);
  }
  return names;
}

bool IsMemory(const Mapping& mapping) { return !mapping.of_file(); }

class MemoryTest : public ::testing::Test {
 protected:
  MemoryTest() { cluster_.Close(); }
  void SetUp() override {
    if (test::kSanitized) GTEST_SKIP() << "a sanitizer's memory cannot be searched";
  }
  TestCluster cluster_;
};

TEST_F(MemoryTest, NothingSecretIsLeftAfterLogout) {
  Worker worker(
      [&](const Worker& self) { WorkWithKeys(self, cluster_.home(), [&self] { self.Wait(); }); });
  const Worker::Secrets secrets = worker.Heard();
  ASSERT_EQ(secrets.size(), 8) << "the worker died";
  for (const auto& [name, secret] : secrets) {
    EXPECT_FALSE(test::WhereIs(worker.process(), secret, IsMemory).empty())
        << name << " is not found while it is in use: the search is blind";
  }
  worker.Go();
  worker.Heard();
  for (const auto& [name, secret] : secrets) {
    EXPECT_EQ(Names(test::WhereIs(worker.process(), secret, IsMemory)), "") << name;
  }
  worker.Go();
  EXPECT_EQ(worker.End(), 0);
}

// What is in a core file by rights: OpenSSL keeps a loaded private key in the program's own heap.
// docs/threat-model.md says so.
bool IsOpenssls(const std::string& name) {
  return name != "marker" && name != "password" && !name.starts_with("identity") &&
         name != NameOf(KeyType::kAes);
}

class CoreFileTest : public MemoryTest {
 protected:
  // A worker that has keys loaded, and ends in a core file once it is let go.
  void Start() {
    worker_.emplace([&](const Worker& self) {
      if (secure_heap_ && CRYPTO_secure_malloc_init(1 << 20, 16) != 1) _exit(6);
      WorkWithKeys(self, cluster_.home(), [&] {
        std::string marker(32, '\0');
        for (std::size_t i = 0; i < marker.size(); ++i) marker[i] = static_cast<char>('0' + i);
        self.Tell("marker",
                  ByteView(reinterpret_cast<const std::uint8_t*>(marker.data()), marker.size()));
        self.Wait();
        const rlimit all{RLIM_INFINITY, RLIM_INFINITY};
        if (setrlimit(RLIMIT_CORE, &all) != 0 || chdir(directory_.path().c_str()) != 0) _exit(5);
        abort();
      });
    });
    secrets_ = worker_->Heard();
    ASSERT_EQ(secrets_.size(), 9) << "the worker died";
  }

  void ExpectOnlyTheMarkerIn(const std::function<bool(const std::string&)>& holds) {
    for (const auto& [name, secret] : secrets_) {
      if (IsOpenssls(name)) continue;
      EXPECT_EQ(holds(secret), name == "marker") << name;
    }
  }

  test::TemporaryDirectory directory_;
  bool secure_heap_ = false;
  std::optional<Worker> worker_;
  Worker::Secrets secrets_;
};

// By the kernel's rules: what is anonymous and not marked (core(5), the default filter).
TEST_F(CoreFileTest, WhatTheKernelWouldWriteHasNoSecret) {
  ASSERT_NO_FATAL_FAILURE(Start());
  ExpectOnlyTheMarkerIn([&](const std::string& secret) {
    return !test::WhereIs(worker_->process(), secret, [](const Mapping& mapping) {
              return IsMemory(mapping) && !mapping.dont_dump;
            }).empty();
  });
  kill(worker_->process(), SIGKILL);
}

TEST_F(CoreFileTest, TheKernelsOwnHasNoSecret) {
  std::string pattern;
  std::getline(std::ifstream("/proc/sys/kernel/core_pattern"), pattern);
  if (pattern.starts_with('|') || pattern.contains('/')) {
    GTEST_SKIP() << "core files go elsewhere: " << pattern;
  }
  rlimit limit{};
  if (geteuid() != 0 && getrlimit(RLIMIT_CORE, &limit) == 0 && limit.rlim_max != RLIM_INFINITY) {
    GTEST_SKIP() << "core files are limited for good";
  }
  ASSERT_NO_FATAL_FAILURE(Start());
  worker_->Go();
  const int status = worker_->End();
  ASSERT_TRUE(WIFSIGNALED(status) && WCOREDUMP(status)) << status;
  const fs::directory_iterator files(directory_.path());
  ASSERT_NE(files, fs::directory_iterator()) << "no core file";
  std::ifstream in(files->path(), std::ios::binary);
  const std::string core((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  ExpectOnlyTheMarkerIn([&](const std::string& secret) {
    return core.find(secret) != std::string::npos ||
           core.find(test::Reversed(secret)) != std::string::npos;
  });
}

// It is the program's to set up, for its whole process. OpenSSL puts the number of an EC key there;
// those of RSA keys, and EdDSA's, it does not (3.0), and they are not looked at.
TEST_F(CoreFileTest, ASecureHeapOfTheProgramTakesEcKeysToo) {
  secure_heap_ = true;
  ASSERT_NO_FATAL_FAILURE(Start());
  const auto in_core = [](const Mapping& mapping) {
    return IsMemory(mapping) && !mapping.dont_dump;
  };
  const std::string& scalar = secrets_[NameOf(KeyType::kEc)];
  EXPECT_EQ(Names(test::WhereIs(worker_->process(), scalar, in_core)), "");
  EXPECT_NE(Names(test::WhereIs(worker_->process(), secrets_["marker"], in_core)), "");
  kill(worker_->process(), SIGKILL);
}

}  // namespace
}  // namespace hsmcore
