// SPDX-License-Identifier: Apache-2.0
#include "cluster_settings.h"

#include <string_view>
#include <utility>

#include "hsmcore/cluster_list.h"
#include "hsmcore/settings.h"

namespace provider {
namespace {

using hsmcore::ClusterList;
using hsmcore::Credential;
using hsmcore::ListedCluster;
using hsmcore::SecretBytes;

// `prefix` is empty for the provider's section, "cluster.NAME." for what that refers to.
Result<std::optional<Credential>> ReadPin(const Core& core, const std::string& prefix) {
  auto text = core.Setting((prefix + "pin").c_str());
  if (!text) return std::nullopt;
  const SecretBytes pin = SecretBytes::CopyOf(std::string_view(*text));
  hsmcore::WipeMemory(text->data(), text->size());
  HSMCORE_TRY(Credential credential, Credential::FromPin(pin));
  return std::optional(std::move(credential));
}

// What is the same for every cluster, or said for none.
Result<ClusterSettings> ReadCommon(const Core& core) {
  ClusterSettings settings;
  settings.user = core.Setting("user").value_or("");
  settings.pin_source = core.Setting("pin-source").value_or("");
  HSMCORE_TRY(settings.pin, ReadPin(core, ""));
  HSMCORE_TRY(settings.environment_pin, hsmcore::CredentialFromEnvironment());
  HSMCORE_TRY(settings.no_availability_check, hsmcore::KeyAvailabilityCheckDisabled());
  constexpr const char* kNoCheck = "disable-key-availability-check";
  if (const auto value = core.Setting(kNoCheck)) {
    HSMCORE_TRY(const bool disabled, hsmcore::YesOrNo(kNoCheck, *value));
    settings.no_availability_check = settings.no_availability_check || disabled;
  }
  return settings;
}

// Lays what is said for one cluster over the rest.
void Apply(ListedCluster cluster, std::optional<Credential> pin, ClusterSettings& settings) {
  settings.home = std::move(cluster.home);
  if (!cluster.user.empty()) settings.user = std::move(cluster.user);
  settings.no_availability_check = settings.no_availability_check || cluster.no_availability_check;
  settings.own_pin = pin || !cluster.pin_source.empty();
  if (!settings.own_pin) return;
  settings.pin_source = std::move(cluster.pin_source);
  settings.pin = std::move(pin);
}

// What the environment or the provider's section says; nothing: the list and the usual place count.
Result<std::optional<std::filesystem::path>> OwnHome(const Core& core) {
  const auto environment = hsmcore::Environment("HSM_HOME");
  const auto setting = environment ? environment : core.Setting("home");
  if (!setting) return std::nullopt;
  std::filesystem::path home(*setting);
  if (home.is_absolute()) return home;
  return Fail(ErrorCode::kSetting, std::string(environment ? "HSM_HOME" : "home") + " is '" +
                                       home.string() + "'; it has to be an absolute path");
}

std::unexpected<Error> Unknown(const std::string& name, const ClusterList& list) {
  const std::string known = list.Names();
  return Fail(ErrorCode::kHomeNotFound,
              "the URI names cluster '" + name + "'; name it in " + list.file().string() +
                  (known.empty() ? "" : " (there are:" + known + ")") + ", or with cluster." +
                  name + " = SECTION in the provider's section of openssl.cnf");
}

}  // namespace

Result<std::filesystem::path> ReadDefaultHome(const Core& core) {
  HSMCORE_TRY(std::optional<std::filesystem::path> own, OwnHome(core));
  if (own) return *std::move(own);
  HSMCORE_TRY(ListedCluster listed, hsmcore::DefaultCluster());
  return std::move(listed.home);
}

Result<ClusterSettings> ReadDefaultSettings(const Core& core) {
  HSMCORE_TRY(ClusterSettings settings, ReadCommon(core));
  HSMCORE_TRY(std::optional<std::filesystem::path> own, OwnHome(core));
  if (own) {
    settings.home = *std::move(own);
    return settings;
  }
  HSMCORE_TRY(ListedCluster listed, hsmcore::DefaultCluster());
  settings.home = std::move(listed.home);
  if (settings.user.empty()) settings.user = std::move(listed.user);
  if (settings.pin_source.empty() && !settings.pin) settings.pin_source = listed.pin_source;
  settings.no_availability_check = settings.no_availability_check || listed.no_availability_check;
  return settings;
}

Result<ClusterSettings> ReadNamedSettings(const Core& core, const std::string& name) {
  HSMCORE_TRY(ClusterSettings settings, ReadCommon(core));
  const std::string prefix = "cluster." + name + ".";
  const auto own = [&](std::string_view setting) {
    return core.Setting((prefix + std::string(setting)).c_str());
  };
  if (hsmcore::IsClusterName(name) && own("home")) {
    HSMCORE_TRY(ListedCluster cluster,
                hsmcore::ReadListedCluster(name, "openssl.cnf, cluster." + name, own));
    HSMCORE_TRY(std::optional<Credential> pin, ReadPin(core, prefix));
    Apply(std::move(cluster), std::move(pin), settings);
    return settings;
  }
  HSMCORE_TRY(const ClusterList list, ClusterList::Read());
  if (std::optional<ListedCluster> cluster = list.Find(name)) {
    Apply(*std::move(cluster), std::nullopt, settings);
    return settings;
  }
  HSMCORE_TRY(const std::filesystem::path home, ReadDefaultHome(core));
  const Result<std::string> id = hsmcore::ClusterIdAt(home);
  if (!id || *id != name) return Unknown(name, list);
  return ReadDefaultSettings(core);
}

}  // namespace provider
