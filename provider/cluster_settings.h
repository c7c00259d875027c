// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_CLUSTER_SETTINGS_H_
#define PROVIDER_CLUSTER_SETTINGS_H_

#include <filesystem>
#include <optional>
#include <string>

#include "core.h"
#include "hsmcore/credential.h"

namespace provider {

// Where a cluster is, and how this process logs in there when a URI does not say it.
struct ClusterSettings {
  std::filesystem::path home;
  std::string user;
  std::optional<hsmcore::Credential> environment_pin;
  std::string pin_source;
  std::optional<hsmcore::Credential> pin;
  // pin_source or pin are said for this very cluster: they come before the environment's.
  bool own_pin = false;
  bool no_availability_check = false;
};

// The home of the cluster that is used where none is named: the environment's HSM_HOME, else `home`
// of the provider's section, else hsmcore::DefaultCluster(). kSetting.
Result<std::filesystem::path> ReadDefaultHome(const Core& core);

// The settings of that cluster: the provider's section, and the list's for what that does not say.
// Errors: kSetting, kPinFormat.
Result<ClusterSettings> ReadDefaultSettings(const Core& core);

// The settings of the cluster that a URI names: by `cluster.NAME = SECTION` in the provider's
// section, else in the list of hsmcore/cluster_list.h by name or id. What is not said for it is
// taken from the provider's section, without `home`. The list is read anew each time.
// kHomeNotFound: no such cluster, and it is not the default one's id either. kSetting, kPinFormat.
Result<ClusterSettings> ReadNamedSettings(const Core& core, const std::string& name);

}  // namespace provider

#endif  // PROVIDER_CLUSTER_SETTINGS_H_
