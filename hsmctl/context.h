// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_CONTEXT_H_
#define HSMCTL_CONTEXT_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hsmcore/cluster.h"
#include "hsmcore/cluster_list.h"

namespace hsmctl {

// Who logs in and where the password is, as far as the command line says it.
struct LoginNames {
  std::optional<std::string> user;
  std::optional<std::string> pin_source;
  std::optional<std::string> mfa_token;  // the file with the signed tokens of a user with MFA
};

struct GlobalOptions {
  std::string home;  // empty, and no cluster: hsmcore::DefaultCluster()
  std::optional<std::string> cluster;
  LoginNames login;
  bool no_availability_check = false;
};

// What every command works with.
class Context {
 public:
  explicit Context(const GlobalOptions& options) : options_(options) {}

  const LoginNames& login() const { return options_.login; }
  // What --cluster says, in the words of the command line.
  const std::optional<std::string>& cluster() const { return options_.cluster; }
  // Of --home, else --cluster, else hsmcore::DefaultCluster(). kHomeNotFound: no such cluster;
  // kSetting.
  hsmcore::Result<std::filesystem::path> Home() const;
  // `named` is what a URI says: it chooses where the command line does not, and has to agree with
  // it where that does.
  hsmcore::Result<hsmcore::ClusterPtr> OpenCluster(
      const std::optional<std::string>& named = std::nullopt) const;

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

  // The same with a credential that was found.
  static hsmcore::Result<std::shared_ptr<hsmcore::Session>> LoginWith(
      hsmcore::Cluster& cluster, const hsmcore::Credential& credential, const LoginNames& names,
      hsmcore::Role role);

  // The daily backup of every cluster that the command has opened, where it is due. What there is
  // to say about it, a line each; mostly nothing.
  std::vector<std::string> MakeDailyBackups() const;

 private:
  hsmcore::Result<hsmcore::ListedCluster> Place(const std::optional<std::string>& named) const;

  mutable std::vector<hsmcore::ClusterPtr> opened_;
  GlobalOptions options_;
};

// A cluster that this machine knows, by name or id. kHomeNotFound; kSetting.
hsmcore::Result<hsmcore::ListedCluster> FindCluster(const std::string& name_or_id);

// --pin-source and --password-source take relative paths, hsmcore does not.
std::string AbsoluteSource(const std::string& source);

// User names are the same in upper and lower case.
bool SameUser(std::string_view a, std::string_view b);

}  // namespace hsmctl

#endif  // HSMCTL_CONTEXT_H_
