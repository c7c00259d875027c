// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_CONTEXT_H_
#define HSMCTL_CONTEXT_H_

#include <memory>
#include <optional>
#include <string>

#include "hsmcore/cluster.h"

namespace hsmctl {

// Who logs in and where the password is, as far as the command line says it.
struct LoginNames {
  std::optional<std::string> user;
  std::optional<std::string> pin_source;
};

struct GlobalOptions {
  std::string home;  // empty: hsmcore::DefaultHome()
  LoginNames login;
  bool no_availability_check = false;
};

// What every command works with.
class Context {
 public:
  explicit Context(const GlobalOptions& options) : options_(options) {}

  const LoginNames& login() const { return options_.login; }
  std::filesystem::path Home() const;
  hsmcore::Result<hsmcore::ClusterPtr> OpenCluster() const;

  // The credential that Login would use. kLoginRequired, kPinSource, kPinFormat.
  hsmcore::Result<hsmcore::Credential> FindCredential(const LoginNames& names) const;

  // Logs in with the password that is found first: --pin-source, HSM_PIN (unless it is for another
  // user than the one named), the terminal. Errors: kLoginRequired, kPinSource, kPinFormat,
  // kSetting (HSM_ROLE), Cluster::Login's.
  //
  // The role is HSM_ROLE, else `role`, else the one that the user has.
  hsmcore::Result<std::shared_ptr<hsmcore::Session>> Login(hsmcore::Cluster& cluster,
                                                           const LoginNames& names,
                                                           std::optional<hsmcore::Role> role) const;

 private:
  GlobalOptions options_;
};

// --pin-source and --password-source take relative paths, hsmcore does not.
std::string AbsoluteSource(const std::string& source);

// User names are the same in upper and lower case.
bool SameUser(std::string_view a, std::string_view b);

}  // namespace hsmctl

#endif  // HSMCTL_CONTEXT_H_
