// SPDX-License-Identifier: Apache-2.0
#include "context.h"

#include <algorithm>
#include <cctype>
#include <string_view>
#include <utility>

#include "files.h"
#include "hsmcore/backup.h"
#include "hsmcore/settings.h"
#include "password.h"
#include "token_file.h"

namespace hsmctl {
namespace {

using hsmcore::Cluster;
using hsmcore::ClusterList;
using hsmcore::ClusterPtr;
using hsmcore::Credential;
using hsmcore::ErrorCode;
using hsmcore::Fail;
using hsmcore::ListedCluster;
using hsmcore::Result;
using hsmcore::Role;
using hsmcore::Session;

// Puts the user's name from the command line and the one beside the password together.
Result<Credential> ForUser(Credential credential, const LoginNames& names) {
  if (!names.user) return credential;
  if (!credential.user.empty() && !SameUser(credential.user, *names.user)) {
    return Fail(ErrorCode::kPinSource,
                *names.pin_source + " is for user " + credential.user + ", not " + *names.user);
  }
  credential.user = *names.user;
  return credential;
}

Result<Credential> CredentialFor(const LoginNames& names) {
  if (names.pin_source) {
    HSMCORE_TRY(Credential from_file, Credential::FromSource(AbsoluteSource(*names.pin_source)));
    return ForUser(std::move(from_file), names);
  }
  HSMCORE_TRY(std::optional<Credential> from_environment, hsmcore::CredentialFromEnvironment());
  const bool fits = from_environment && (!names.user || from_environment->user.empty() ||
                                         SameUser(from_environment->user, *names.user));
  if (fits) return ForUser(*std::move(from_environment), names);
  if (!names.user) {
    return Fail(ErrorCode::kLoginRequired,
                "give --user NAME to be asked for the password, or --pin-source file:PATH, or "
                "HSM_PIN=user:password in the environment");
  }
  HSMCORE_TRY(hsmcore::SecretBytes secret, AskPassword("Password for " + *names.user + ": "));
  return Credential{.user = *names.user, .secret = std::move(secret)};
}

Result<std::optional<Role>> RoleFromEnvironment() {
  const std::optional<std::string> name = hsmcore::Environment("HSM_ROLE");
  if (!name) return std::nullopt;
  const std::optional<Role> role = hsmcore::RoleByName(*name);
  if (!role) {
    return Fail(ErrorCode::kSetting,
                "HSM_ROLE is '" + *name + "'; it takes admin, crypto-user or auditor");
  }
  return role;
}

Result<Role> RoleOfUser(Cluster& cluster, const std::string& user) {
  HSMCORE_TRY(const auto users, cluster.Anonymous()->ListUsers());
  const auto found = std::ranges::find_if(
      users, [&](const hsmcore::UserInfo& info) { return SameUser(info.name, user); });
  return found == users.end() ? Role::kCryptoUser : found->role;
}

}  // namespace

std::string AbsoluteSource(const std::string& source) {
  constexpr std::string_view kScheme = "file:";
  const std::string path = source.starts_with(kScheme) ? source.substr(kScheme.size()) : source;
  return std::string(kScheme) + AbsolutePath(path).string();
}

bool SameUser(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

Result<ListedCluster> FindCluster(const std::string& name_or_id) {
  HSMCORE_TRY(const ClusterList list, ClusterList::Read());
  if (auto found = list.Find(name_or_id)) return *std::move(found);
  HSMCORE_TRY(ListedCluster usual, hsmcore::DefaultCluster());
  const Result<std::string> id = hsmcore::ClusterIdAt(usual.home);
  if (id && *id == name_or_id) return usual;
  const std::string known = list.Names();
  return Fail(ErrorCode::kHomeNotFound, "no cluster '" + name_or_id + "' in " +
                                            list.file().string() +
                                            (known.empty() ? "" : "; there are:" + known));
}

// Which one, and how it is used here; with --home nothing is known but that.
Result<ListedCluster> Context::Place(const std::optional<std::string>& named) const {
  if (!options_.home.empty()) {
    return ListedCluster{
        .name = {}, .home = AbsolutePath(options_.home), .user = {}, .pin_source = {}};
  }
  if (options_.cluster) return FindCluster(*options_.cluster);
  return named ? FindCluster(*named) : hsmcore::DefaultCluster();
}

Result<std::filesystem::path> Context::Home() const {
  HSMCORE_TRY(ListedCluster place, Place(std::nullopt));
  return std::move(place.home);
}

Result<Credential> Context::FindCredential(const LoginNames& names) const {
  return CredentialFor(names);
}

Result<ClusterPtr> Context::OpenCluster(const std::optional<std::string>& named) const {
  HSMCORE_TRY(const bool disabled, hsmcore::KeyAvailabilityCheckDisabled());
  HSMCORE_TRY(const ListedCluster place, Place(named));
  HSMCORE_TRY(ClusterPtr cluster, Cluster::Open(place.home));
  if (named && named != place.name && *named != cluster->id()) {
    return Fail(ErrorCode::kHomeNotFound,
                "the URI names cluster " + *named + "; the command line leads to " +
                    (place.name.empty() ? cluster->id() : place.name + " (" + cluster->id() + ")"));
  }
  if (disabled || options_.no_availability_check || place.no_availability_check) {
    cluster->DisableKeyAvailabilityCheck();
  }
  opened_.push_back(cluster);
  return cluster;
}

std::vector<std::string> Context::MakeDailyBackups() const {
  std::vector<std::string> said;
  for (const ClusterPtr& cluster : opened_) {
    const auto made = cluster->CreateDailyBackup(0);
    if (made && *made) said.push_back("made the daily backup " + (*made)->id);
    // Not the business of who may use the cluster and not write to its home.
    if (made || made.error().code() == hsmcore::ErrorCode::kHomeAccess) continue;
    said.push_back("the daily backup could not be made: " + made.error().Message());
  }
  return said;
}

Result<std::shared_ptr<Session>> Context::Login(Cluster& cluster, const LoginNames& names,
                                                std::optional<Role> role) const {
  HSMCORE_TRY(const std::optional<Role> wanted, RoleFromEnvironment());
  HSMCORE_TRY(const Credential credential, CredentialFor(names));
  if (wanted) role = wanted;
  if (!role) {
    HSMCORE_TRY(role, RoleOfUser(cluster, credential.user));
  }
  return LoginWith(cluster, credential, names, *role);
}

Result<std::shared_ptr<Session>> Context::LoginWith(Cluster& cluster, const Credential& credential,
                                                    const LoginNames& names, Role role) {
  if (!names.mfa_token) return cluster.Login(credential, role);
  HSMCORE_TRY(const auto tokens, ReadSignableTokens(*names.mfa_token, 2));
  return cluster.Login(credential, role, tokens);
}

}  // namespace hsmctl
