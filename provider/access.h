// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_ACCESS_H_
#define PROVIDER_ACCESS_H_

#include <openssl/core.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "core.h"
#include "hsmcore/cluster.h"
#include "hsmcore/credential.h"
#include "hsmcore/key_uri.h"
#include "hsmcore/session.h"
#include "publish_once.h"

namespace provider {

using SessionPtr = std::shared_ptr<hsmcore::Session>;

// libcrypto's passphrase callback for one load: -passin, nginx's ssl_password_file, a prompt.
struct Prompt {
  OSSL_PASSPHRASE_CALLBACK* callback = nullptr;
  void* argument = nullptr;
};

// Which cluster, which user, which password.
//
// Home: the environment's HSM_HOME, else `home` of the provider's section, else
// hsmcore::DefaultHome(). It has to be an absolute path.
//
// Password: the first of these that is there is used, and no other is tried when it is wrong.
//   1. pin-value of the URI          4. `pin-source` of the provider's section
//   2. pin-source of the URI         5. `pin` of the provider's section
//   3. HSM_PIN in the environment    6. OpenSSL's passphrase callback, at most once for a load
// A PIN that names another user than the URI does is passed over.
//
// User: `user` of the URI, else the part of the PIN before its colon, else `user` of the provider's
// section, else the only crypto user of the cluster. The prompt names the user that is known before
// it; what is typed is his password, with or without "user:" before it.
//
// Everything is read at first use and then kept, as is the open cluster (only the file of
// `pin-source` is read again where it can be): a server that has lost its
// environment or its right to the home (a chroot, a worker under another user) goes on. Nothing is
// read or opened before. Safe for any number of threads, and across fork().
class Access {
 public:
  explicit Access(const Core& core) : core_(core) {}

  // Logs in as the crypto user that `uri` and the settings name. kLoginRequired: the detail lists
  // how to give a password; a prompt without callback is that of a program that makes a key, where
  // there is no URI and nobody is asked. Otherwise the errors of Cluster::Open and Cluster::Login.
  Result<SessionPtr> Login(const hsmcore::KeyUri& uri, const Prompt& prompt) const;

  // As Login, but where that would have to ask, gives a session without login.
  Result<SessionPtr> LoginWithoutAsking(const hsmcore::KeyUri& uri) const;

  // A session without login: public keys, and session keys of this process.
  Result<SessionPtr> Anonymous(const hsmcore::KeyUri& uri) const;

  // The mode of the cluster at the home; NON_FIPS where there is none. Needs no login and no
  // password, and reads one small file, once. Errors: kSetting, and those of Cluster::RulesAt.
  Result<hsmcore::ModeRules> Rules() const;

 private:
  struct Settings {
    std::filesystem::path home;
    std::string user;
    std::optional<hsmcore::Credential> environment_pin;
    bool no_availability_check = false;
    std::string pin_source;
    std::optional<hsmcore::Credential> pin;
  };

  Result<std::filesystem::path> ReadHome() const;
  Result<Settings> ReadSettings() const;
  Result<hsmcore::ClusterPtr> Open(const hsmcore::KeyUri& uri) const;
  Result<std::optional<hsmcore::Credential>> AtHand(const hsmcore::KeyUri& uri) const;
  Result<hsmcore::Credential> FromPinFile(const std::string& source) const;
  Result<std::string> UserFor(hsmcore::Cluster& cluster, const hsmcore::KeyUri& uri) const;

  const Core& core_;
  PublishOnce<Settings> settings_;
  PublishOnce<hsmcore::ModeRules> rules_;
  PublishOnce<hsmcore::ClusterPtr> cluster_;
  PublishOnce<hsmcore::Credential> pin_file_;
};

}  // namespace provider

#endif  // PROVIDER_ACCESS_H_
