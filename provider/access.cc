// SPDX-License-Identifier: Apache-2.0
#include "access.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/params.h>

#include <array>
#include <span>
#include <string_view>
#include <utility>

#include "hsmcore/settings.h"

namespace provider {
namespace {

using hsmcore::Credential;
using hsmcore::KeyUri;
using hsmcore::SecretAccess;
using hsmcore::SecretBytes;

constexpr std::size_t kMaxPassphrase = 1024;

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

Result<std::filesystem::path> Access::ReadHome() const {
  const auto environment = hsmcore::Environment("HSM_HOME");
  const auto setting = environment ? environment : core_.Setting("home");
  std::filesystem::path home = setting ? std::filesystem::path(*setting) : hsmcore::DefaultHome();
  if (home.is_absolute()) return home;
  return Fail(ErrorCode::kSetting, std::string(environment ? "HSM_HOME" : "home") + " is '" +
                                       home.string() + "'; it has to be an absolute path");
}

Result<hsmcore::ModeRules> Access::Rules() const {
  HSMCORE_TRY(const hsmcore::ModeRules& rules, rules_.Get([this]() -> Result<hsmcore::ModeRules> {
    HSMCORE_TRY(const std::filesystem::path home, ReadHome());
    return hsmcore::Cluster::RulesAt(home);
  }));
  return rules;
}

Result<Access::Settings> Access::ReadSettings() const {
  Settings settings;
  HSMCORE_TRY(settings.home, ReadHome());
  settings.user = core_.Setting("user").value_or("");
  settings.pin_source = core_.Setting("pin-source").value_or("");
  HSMCORE_TRY(settings.no_availability_check, hsmcore::KeyAvailabilityCheckDisabled());
  constexpr const char* kNoCheck = "disable-key-availability-check";
  if (const auto value = core_.Setting(kNoCheck)) {
    HSMCORE_TRY(const bool disabled, hsmcore::YesOrNo(kNoCheck, *value));
    settings.no_availability_check = settings.no_availability_check || disabled;
  }
  HSMCORE_TRY(settings.environment_pin, hsmcore::CredentialFromEnvironment());
  if (auto text = core_.Setting("pin")) {
    const SecretBytes pin = SecretBytes::CopyOf(std::string_view(*text));
    hsmcore::WipeMemory(text->data(), text->size());
    HSMCORE_TRY(settings.pin, Credential::FromPin(pin));
  }
  return settings;
}

Result<hsmcore::ClusterPtr> Access::Open(const KeyUri& uri) const {
  HSMCORE_TRY(const Settings& settings, settings_.Get([this] { return ReadSettings(); }));
  HSMCORE_TRY(const hsmcore::ClusterPtr& cluster,
              cluster_.Get([&] { return hsmcore::Cluster::Open(settings.home); }));
  if (settings.no_availability_check) cluster->DisableKeyAvailabilityCheck();
  HSMCORE_TRY(const hsmcore::ModeRules rules, Rules());
  if (cluster->rules() != rules) {
    return Fail(ErrorCode::kModeForbids, "the cluster at " + cluster->home().string() +
                                             " was made since this program began to use the "
                                             "provider, which works in another mode; start the "
                                             "program again");
  }
  if (uri.cluster && *uri.cluster != cluster->id()) {
    return Fail(ErrorCode::kHomeNotFound, "the URI names cluster '" + *uri.cluster +
                                              "'; the one at " + cluster->home().string() + " is " +
                                              cluster->id());
  }
  return cluster;
}

// Read at each login, because the credential in it may have been replaced by a new one; what was
// read first serves a process that can no longer read the file.
Result<Credential> Access::FromPinFile(const std::string& source) const {
  Result<Credential> fresh = Credential::FromSource(source);
  HSMCORE_TRY(const Credential& first, pin_file_.Get([&fresh]() -> Result<Credential> {
    if (!fresh) return std::unexpected(fresh.error());
    return Copy(*fresh);
  }));
  return fresh ? std::move(fresh) : Copy(first);
}

Result<std::optional<Credential>> Access::AtHand(const KeyUri& uri) const {
  if (uri.pin_value) {
    HSMCORE_TRY(Credential credential, Credential::FromPin(*uri.pin_value));
    if (!IsForOther(credential, uri)) return credential;
  }
  if (uri.pin_source) {
    HSMCORE_TRY(Credential credential, Credential::FromSource(*uri.pin_source));
    if (!IsForOther(credential, uri)) return credential;
  }
  HSMCORE_TRY(const Settings& settings, settings_.Get([this] { return ReadSettings(); }));
  if (settings.environment_pin && !IsForOther(*settings.environment_pin, uri)) {
    return Copy(*settings.environment_pin);
  }
  if (!settings.pin_source.empty()) {
    HSMCORE_TRY(Credential credential, FromPinFile(settings.pin_source));
    if (!IsForOther(credential, uri)) return credential;
  }
  if (settings.pin && !IsForOther(*settings.pin, uri)) return Copy(*settings.pin);
  return std::nullopt;
}

Result<std::string> Access::UserFor(hsmcore::Cluster& cluster, const KeyUri& uri) const {
  if (uri.user) return *uri.user;
  HSMCORE_TRY(const Settings& settings, settings_.Get([this] { return ReadSettings(); }));
  if (!settings.user.empty()) return settings.user;
  HSMCORE_TRY(const std::optional<std::string> only, cluster.OnlyCryptoUser());
  return only.value_or("");
}

Result<SessionPtr> Access::Login(const KeyUri& uri, const Prompt& prompt) const {
  HSMCORE_TRY(const hsmcore::ClusterPtr cluster, Open(uri));
  HSMCORE_TRY(std::optional<Credential> credential, AtHand(uri));
  if (!credential || credential->user.empty()) {
    HSMCORE_TRY(std::string user, UserFor(*cluster, uri));
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
  return cluster->Login(*credential, hsmcore::Role::kCryptoUser);
}

Result<SessionPtr> Access::LoginWithoutAsking(const KeyUri& uri) const {
  HSMCORE_TRY(const std::optional<Credential> credential, AtHand(uri));
  return credential ? Login(uri, Prompt{}) : Anonymous(uri);
}

Result<SessionPtr> Access::Anonymous(const KeyUri& uri) const {
  HSMCORE_TRY(const hsmcore::ClusterPtr cluster, Open(uri));
  return cluster->Anonymous();
}

}  // namespace provider
