// SPDX-License-Identifier: Apache-2.0
#include "access.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "hsmcore/backup.h"

namespace provider {
namespace {

using hsmcore::Credential;
using hsmcore::KeyUri;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;

constexpr std::size_t kMaxPassphrase = 1024;
// A backup of so many takes a second or two, once a day. It is what CloudHSM's largest type holds;
// of more, hsmctl makes it.
constexpr std::uint64_t kMostKeysInPassing = 20'000;

std::string UserText(const std::string& user) {
  return user.empty() ? "a crypto user" : "user '" + user + "'";
}

std::unexpected<Error> NoPassword(const std::string& user) {
  return Fail(ErrorCode::kLoginRequired,
              "no password for " + UserText(user) +
                  ": give pin-source=file:/path in the key's URI, HSM_PIN=user:password in the "
                  "environment, pin-source in the provider's section of openssl.cnf, or -passin");
}

std::unexpected<Error> NobodyToAsk(const std::string& user) {
  return Fail(ErrorCode::kLoginRequired,
              "no password for " + UserText(user) +
                  ", and OpenSSL asks for none where a key is made: give HSM_PIN=user:password in "
                  "the environment, or pin-source in the provider's section of openssl.cnf");
}

Credential Copy(const Credential& credential) {
  return {credential.user, credential.secret.Clone()};
}

// User names are the same in upper and lower case.
bool SameUser(std::string_view a, std::string_view b) {
  return a.size() == b.size() && OPENSSL_strncasecmp(a.data(), b.data(), a.size()) == 0;
}

bool IsForOther(const Credential& credential, const KeyUri& uri) {
  return uri.user && !credential.user.empty() && !SameUser(credential.user, *uri.user);
}

// Asks libcrypto once. Empty: nobody answered.
Result<SecretBytes> Ask(const Prompt& prompt, const std::string& user) {
  if (prompt.callback == nullptr) return NobodyToAsk(user);
  std::string info = user.empty() ? "HSM user (user:password)" : "HSM user " + user;
  const std::array<OSSL_PARAM, 2> params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PASSPHRASE_PARAM_INFO, info.data(), 0),
      OSSL_PARAM_construct_end()};
  SecretBytes answer(kMaxPassphrase);
  const std::span<std::uint8_t> buffer = answer.Write(SecretAccess{"read a passphrase"});
  std::size_t size = 0;
  if (prompt.callback(reinterpret_cast<char*>(buffer.data()), buffer.size(), &size, params.data(),
                      prompt.argument) != 1 ||
      size == 0 || size > buffer.size()) {
    return NoPassword(user);
  }
  answer.Truncate(size);
  return answer;
}

// "user:" may stand before the password; with the user known, another name there is part of it.
Result<Credential> FromAnswer(const SecretBytes& answer, const std::string& user) {
  HSMCORE_TRY(Credential credential, Credential::FromPin(answer));
  if (user.empty() || SameUser(credential.user, user)) return credential;
  return Credential{user, answer.Clone()};
}

}  // namespace

Access::~Access() {
  Place* place = named_.load();
  while (place != nullptr) delete std::exchange(place, place->next);
}

// Without a lock, as PublishOnce. Two threads that ask for a new name at once may each add it. A
// name that leads nowhere is not kept: there is no end of those.
Result<std::reference_wrapper<const Access::Place>> Access::PlaceOf(const KeyUri& uri) const {
  if (!uri.cluster) return std::cref(default_);
  Place* first = named_.load(std::memory_order_acquire);
  for (const Place* place = first; place != nullptr; place = place->next) {
    if (place->name == uri.cluster) return std::cref(*place);
  }
  auto added = std::make_unique<Place>(uri.cluster);
  HSMCORE_CHECK(SettingsOf(*added));
  added->next = first;
  while (!named_.compare_exchange_weak(added->next, added.get(), std::memory_order_acq_rel)) {
  }
  return std::cref(*added.release());
}

Result<std::reference_wrapper<const ClusterSettings>> Access::SettingsOf(const Place& place) const {
  return place.settings.Get([&]() -> Result<ClusterSettings> {
    return place.name ? ReadNamedSettings(core_, *place.name) : ReadDefaultSettings(core_);
  });
}

Result<hsmcore::ModeRules> Access::Rules() const {
  HSMCORE_TRY(const hsmcore::ModeRules& rules, rules_.Get([this]() -> Result<hsmcore::ModeRules> {
    HSMCORE_TRY(const std::filesystem::path home, ReadDefaultHome(core_));
    return hsmcore::Cluster::RulesAt(home);
  }));
  return rules;
}

Result<hsmcore::ClusterPtr> Access::Open(const Place& place) const {
  HSMCORE_TRY(const ClusterSettings& settings, SettingsOf(place));
  HSMCORE_TRY(const hsmcore::ClusterPtr& cluster,
              place.cluster.Get([&] { return hsmcore::Cluster::Open(settings.home); }));
  if (settings.no_availability_check) cluster->DisableKeyAvailabilityCheck();
  HSMCORE_TRY(const hsmcore::ModeRules rules, Rules());
  if (cluster->rules() == rules) return cluster;
  if (place.name) {
    return Fail(ErrorCode::kModeForbids,
                "cluster '" + *place.name + "' works in another mode than the default one, and " +
                    "a program's provider works in one: make '" + *place.name +
                    "' the default of this program with home or HSM_HOME");
  }
  return Fail(ErrorCode::kModeForbids,
              "the cluster at " + cluster->home().string() +
                  " was made since this program began to use the provider, which works in another "
                  "mode; start the program again");
}

std::optional<std::string> Access::NameOf(std::string_view cluster_id) const {
  const auto leads_there = [&](const Place& place) {
    const hsmcore::ClusterPtr* open = place.cluster.Ready();
    return open != nullptr && (*open)->id() == cluster_id;
  };
  if (leads_there(default_)) return std::nullopt;
  for (const Place* place = named_.load(std::memory_order_acquire); place != nullptr;
       place = place->next) {
    if (leads_there(*place)) return place->name;
  }
  return std::nullopt;
}

// What the settings and the environment say; the file of `pin-source` is read at each login,
// because the credential in it may have been replaced by a new one, and what was read first serves
// a process that can no longer read it.
Result<std::optional<Credential>> Access::Configured(const Place& place, const KeyUri& uri) const {
  HSMCORE_TRY(const ClusterSettings& settings, SettingsOf(place));
  const auto environment = [&] {
    return settings.environment_pin && !IsForOther(*settings.environment_pin, uri);
  };
  if (!settings.own_pin && environment()) return Copy(*settings.environment_pin);
  if (!settings.pin_source.empty()) {
    Result<Credential> fresh = Credential::FromSource(settings.pin_source);
    HSMCORE_TRY(const Credential& first, place.pin_file.Get([&fresh]() -> Result<Credential> {
      if (!fresh) return std::unexpected(fresh.error());
      return Copy(*fresh);
    }));
    Credential credential = fresh ? *std::move(fresh) : Copy(first);
    if (!IsForOther(credential, uri)) return credential;
  }
  if (settings.pin && !IsForOther(*settings.pin, uri)) return Copy(*settings.pin);
  if (settings.own_pin && environment()) return Copy(*settings.environment_pin);
  return std::nullopt;
}

Result<std::optional<Credential>> Access::AtHand(const Place& place, const KeyUri& uri) const {
  if (uri.pin_value) {
    HSMCORE_TRY(Credential credential, Credential::FromPin(*uri.pin_value));
    if (!IsForOther(credential, uri)) return credential;
  }
  if (uri.pin_source) {
    HSMCORE_TRY(Credential credential, Credential::FromSource(*uri.pin_source));
    if (!IsForOther(credential, uri)) return credential;
  }
  return Configured(place, uri);
}

Result<std::string> Access::UserFor(const Place& place, hsmcore::Cluster& cluster,
                                    const KeyUri& uri) const {
  if (uri.user) return *uri.user;
  HSMCORE_TRY(const ClusterSettings& settings, SettingsOf(place));
  if (!settings.user.empty()) return settings.user;
  HSMCORE_TRY(const std::optional<std::string> only, cluster.OnlyCryptoUser());
  return only.value_or("");
}

Result<SessionPtr> Access::Login(const KeyUri& uri, const Prompt& prompt) const {
  HSMCORE_TRY(const Place& place, PlaceOf(uri));
  HSMCORE_TRY(const hsmcore::ClusterPtr cluster, Open(place));
  HSMCORE_TRY(std::optional<Credential> credential, AtHand(place, uri));
  if (!credential || credential->user.empty()) {
    HSMCORE_TRY(std::string user, UserFor(place, *cluster, uri));
    if (credential) {
      credential->user = std::move(user);
    } else {
      HSMCORE_TRY(const SecretBytes answer, Ask(prompt, user));
      HSMCORE_TRY(credential, FromAnswer(answer, user));
    }
  }
  if (credential->user.empty()) {
    return Fail(ErrorCode::kLoginRequired,
                "the cluster has more than one crypto user: name one with user= in the key's URI, "
                "as user:password in the PIN, or with user in the provider's section of "
                "openssl.cnf");
  }
  HSMCORE_TRY(SessionPtr session, cluster->Login(*credential, hsmcore::Role::kCryptoUser));
  HSMCORE_TRY(auto approvals, hsmcore::ApprovalsFromEnvironment());
  for (hsmcore::QuorumToken& token : approvals) session->PresentApproval(std::move(token));
  // Who loads or makes a key is not in a hurry, and must not fail for the sake of a backup.
  [[maybe_unused]] const auto backup = cluster->CreateDailyBackup(kMostKeysInPassing);
  return session;
}

Result<SessionPtr> Access::LoginWithoutAsking(const KeyUri& uri) const {
  HSMCORE_TRY(const Place& place, PlaceOf(uri));
  HSMCORE_TRY(const std::optional<Credential> credential, AtHand(place, uri));
  return credential ? Login(uri, Prompt{}) : Anonymous(uri);
}

Result<SessionPtr> Access::Anonymous(const KeyUri& uri) const {
  HSMCORE_TRY(const Place& place, PlaceOf(uri));
  HSMCORE_TRY(const hsmcore::ClusterPtr cluster, Open(place));
  return cluster->Anonymous();
}

}  // namespace provider
