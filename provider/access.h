// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_ACCESS_H_
#define PROVIDER_ACCESS_H_

#include <openssl/core.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "cluster_settings.h"
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
// Cluster: the one that `cluster` of the URI names (ReadNamedSettings), else the default one
// (ReadDefaultHome). A home has to be an absolute path.
//
// Password: the first of these that is there is used, and no other is tried when it is wrong.
//   1. pin-value of the URI          5. `pin-source` of the provider's section
//   2. pin-source of the URI         6. `pin` of the provider's section
//   3. what is said for the cluster  7. OpenSSL's passphrase callback, at most once for a load
//      that the URI names
//   4. HSM_PIN in the environment
// A PIN that names another user than the URI does is passed over.
//
// User: `user` of the URI, else the part of the PIN before its colon, else `user` of the cluster's
// settings or the provider's section, else the only crypto user of the cluster. The prompt names
// the user that is known before it; what is typed is his password, with or without "user:" before
// it.
//
// Approvals for keys with a quorum: HSM_APPROVAL in the environment, read at each login.
//
// Everything else is read at first use of a cluster and then kept, as is the open cluster (only the
// file of `pin-source` is read again where it can be): a server that has lost its environment or
// its right to the home (a chroot, a worker under another user) goes on. Nothing is read or opened
// before. Safe for any number of threads, and across fork().
class Access {
 public:
  explicit Access(const Core& core) : core_(core) {}
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;

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

  // What a URI has to say so that it leads to the cluster with this id: the name by which this
  // process came to it. Nothing: it is the default one.
  std::optional<std::string> NameOf(std::string_view cluster_id) const;

 private:
  // One cluster that was asked for. They are linked, and never removed.
  struct Place {
    explicit Place(std::optional<std::string> named) : name(std::move(named)) {}
    const std::optional<std::string> name;  // nothing: the default one
    PublishOnce<ClusterSettings> settings;
    PublishOnce<hsmcore::ClusterPtr> cluster;
    PublishOnce<hsmcore::Credential> pin_file;
    Place* next = nullptr;
  };

  Result<std::reference_wrapper<const Place>> PlaceOf(const hsmcore::KeyUri& uri) const;
  Result<std::reference_wrapper<const ClusterSettings>> SettingsOf(const Place& place) const;
  Result<hsmcore::ClusterPtr> Open(const Place& place) const;
  Result<std::optional<hsmcore::Credential>> Configured(const Place& place,
                                                        const hsmcore::KeyUri& uri) const;
  Result<std::optional<hsmcore::Credential>> AtHand(const Place& place,
                                                    const hsmcore::KeyUri& uri) const;
  Result<std::string> UserFor(const Place& place, hsmcore::Cluster& cluster,
                              const hsmcore::KeyUri& uri) const;

  const Core& core_;
  const Place default_{std::nullopt};
  mutable std::atomic<Place*> named_ = nullptr;
  PublishOnce<hsmcore::ModeRules> rules_;
};

}  // namespace provider

#endif  // PROVIDER_ACCESS_H_
