// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_TEST_CLUSTER_H_
#define TESTS_SUPPORT_TEST_CLUSTER_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "hsmcore/cluster.h"
#include "support/fips_module.h"
#include "support/temporary_directory.h"

namespace hsmcore::test {

inline constexpr const char* kAdminPassword = "adminpass1";
inline constexpr const char* kUserPassword = "apppass123";

inline Credential CredentialOf(std::string user, std::string_view password) {
  return {std::move(user), SecretBytes::CopyOf(password)};
}

inline KeySpec SpecOf(KeyType type, unsigned modulus_bits = 2048, Curve curve = Curve::kP256) {
  KeySpec spec;
  spec.type = type;
  spec.modulus_bits = modulus_bits;
  spec.curve = curve;
  return spec;
}
inline KeySpec Ed25519Spec() { return SpecOf(KeyType::kEd25519); }

// A cluster in a temporary home with the admin "admin" and the crypto user "app".
class TestCluster {
 public:
  explicit TestCluster(unsigned hsms = 3) : TestCluster(hsms, {}) {}
  // With a type and a mode of its own.
  TestCluster(unsigned hsms, ClusterOptions options) {
    if (options.mode == ClusterMode::kFips) InstallFipsModule();
    options.home = home();
    options.hsms = hsms;
    options.admin_password = SecretBytes::CopyOf(kAdminPassword);
    options.cost = PasswordCost::kLow;
    auto made = Cluster::Create(options);
    if (!made) {
      ADD_FAILURE() << made.error().Message();
      return;
    }
    cluster_ = *made;
    AddUser("app", kUserPassword);
  }

  std::filesystem::path home() const { return directory_.path() / "home"; }
  Cluster& operator*() { return *cluster_; }
  Cluster* operator->() { return cluster_.get(); }

  // Lets go of the cluster and opens it anew, as another process would.
  void Reopen() {
    cluster_.reset();
    auto opened = Cluster::Open(home());
    if (!opened) {
      ADD_FAILURE() << opened.error().Message();
    } else {
      cluster_ = *opened;
    }
  }
  void Close() { cluster_.reset(); }

  void AddUser(const std::string& name, std::string_view password, Role role = Role::kCryptoUser) {
    const Status made = Admin()->CreateUser(name, role, SecretBytes::CopyOf(password));
    if (!made) ADD_FAILURE() << made.error().Message();
  }

  std::shared_ptr<Session> Admin() {
    return LoginOrFail(CredentialOf("admin", kAdminPassword), Role::kAdmin);
  }
  std::shared_ptr<Session> User(const std::string& name = "app",
                                std::string_view password = kUserPassword) {
    return LoginOrFail(CredentialOf(name, password), Role::kCryptoUser);
  }

 private:
  std::shared_ptr<Session> LoginOrFail(const Credential& credential, Role role) {
    auto session = cluster_->Login(credential, role);
    if (!session) {
      ADD_FAILURE() << session.error().Message();
      return cluster_->Anonymous();
    }
    return *session;
  }

  TemporaryDirectory directory_;
  ClusterPtr cluster_;
};

// A cluster that the admin makes from a backup.
inline Result<ClusterPtr> CloneFrom(const std::filesystem::path& backup,
                                    const std::filesystem::path& home, unsigned hsms = 2) {
  ClusterOptions options;
  options.home = home;
  options.hsms = hsms;
  return Cluster::CreateFromBackup(options, backup, CredentialOf("admin", kAdminPassword), {});
}

// The code of an error, or "ok" (kInternal never is an expected one).
template <class T>
std::string CodeOf(const Result<T>& result) {
  return result ? "ok" : TextOf(result.error().code());
}
inline std::string Text(ErrorCode code) { return TextOf(code); }

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_TEST_CLUSTER_H_
