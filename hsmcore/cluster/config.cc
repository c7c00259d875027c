// SPDX-License-Identifier: Apache-2.0
#include "cluster/config.h"

#include "base/cbor.h"
#include "vault/sealing.h"

namespace hsmcore::cluster {
namespace {

constexpr std::string_view kContext = "hsm cluster config v1";
constexpr std::string_view kWhat = "the cluster's configuration record";
constexpr unsigned kVersion = 1;

}  // namespace

Bytes Config::OwnedRoot(std::string_view cluster_id, ByteView root) {
  return cbor::Encode({{"context", "hsm cluster owner v1"},
                       {"id", std::string(cluster_id)},
                       {"root", cbor::Blob(root)}});
}

Bytes Config::Encode(const vault::Identity& admin) const {
  cbor::Value fields = {{"id", id},
                        {"type", type},
                        {"mode", NameOf(mode)},
                        {"ml-dsa", switches.ml_dsa},
                        {"ecdsa-weak-hash", switches.ecdsa_with_weak_hash},
                        {"cost", static_cast<unsigned>(cost)},
                        {"created", created}};
  if (owned()) {
    fields["certificate"] = owner.certificate;
    fields["trust-anchor"] = owner.trust_anchor;
    fields["owner-sig"] = cbor::Blob(owner_signature);
  }
  const Bytes body = cbor::Encode(fields);
  return cbor::Encode({{"v", kVersion},
                       {"body", cbor::Blob(body)},
                       {"sig", cbor::Blob(admin.Sign(kContext, body))}});
}

Result<Config> Config::Decode(ByteView record, ByteView root, std::string_view cluster_id) {
  HSMCORE_TRY(const cbor::Value outer, cbor::Decode(record, kWhat));
  cbor::Reader in(outer, kWhat);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  const Bytes body = in.Blob("body");
  if (!vault::VerifySignature(root, kContext, body, in.Blob("sig"))) in.Refuse("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_TRY(const cbor::Value inner, cbor::Decode(body, kWhat));
  cbor::Reader fields(inner, kWhat);
  Config config;
  config.id = fields.Text("id");
  config.type = fields.Text("type");
  config.mode = fields.Text("mode") == NameOf(ClusterMode::kFips) ? ClusterMode::kFips
                                                                  : ClusterMode::kNonFips;
  // Clusters of before there were switches have none.
  if (fields.Has("ml-dsa")) {
    config.switches.ml_dsa = fields.Flag("ml-dsa");
    config.switches.ecdsa_with_weak_hash = fields.Flag("ecdsa-weak-hash");
  }
  const std::uint64_t cost = fields.Number("cost");
  config.cost = static_cast<PasswordCost>(cost);
  config.created = fields.Signed("created");
  if (fields.Has("certificate")) {
    config.owner = {fields.Text("certificate"), fields.Text("trust-anchor")};
    config.owner_signature = fields.Blob("owner-sig");
  }
  if (config.id != cluster_id) fields.Refuse("id");
  if (cost > static_cast<std::uint64_t>(PasswordCost::kSensitive)) fields.Refuse("cost");
  HSMCORE_CHECK(fields.Finish());
  return config;
}

}  // namespace hsmcore::cluster

namespace hsmcore {

const char* NameOf(ClusterMode mode) { return mode == ClusterMode::kFips ? "FIPS" : "NON_FIPS"; }

}  // namespace hsmcore
