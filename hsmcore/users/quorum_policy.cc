// SPDX-License-Identifier: Apache-2.0
#include "users/quorum_policy.h"

#include <algorithm>

#include "users/setting.h"

namespace hsmcore {
namespace {

constexpr std::array kNames = {"user", "quorum", "cluster", "key-management", "key-usage"};

}  // namespace

const char* NameOf(QuorumService service) { return kNames[static_cast<std::size_t>(service)]; }

std::optional<QuorumService> QuorumServiceByName(std::string_view name) {
  const auto* const found = std::ranges::find(kNames, name);
  if (found == kNames.end()) return std::nullopt;
  return static_cast<QuorumService>(found - kNames.begin());
}

namespace users {

Bytes QuorumPolicy::Encode(const vault::Identity& signing_admin) const {
  cbor::Value fields = cbor::Value::object();
  for (std::size_t i = 0; i < values.size(); ++i) fields[kNames[i]] = values[i];
  return kForm.Encode({{"values", fields}}, signer, signing_admin);
}

Result<QuorumPolicy> QuorumPolicy::Decode(ByteView record,
                                          const std::map<std::string, Bytes>& trusted) {
  QuorumPolicy policy;
  HSMCORE_CHECK(kForm.Decode(record, trusted, [&](cbor::Reader& fields) {
    cbor::Reader values(fields.Map("values"), "the quorum policy");
    for (std::size_t i = 0; i < policy.values.size(); ++i) {
      const std::uint64_t value = values.Number(kNames[i]);
      policy.values[i] = static_cast<unsigned>(value);
      if (value < kNoQuorum || value > kMaxQuorum) fields.Refuse("values");
    }
    policy.signer = fields.Text("signer");
  }));
  return policy;
}

Result<QuorumPolicy> ReadQuorumPolicy(cluster::Core& core) {
  HSMCORE_TRY(auto policy, ReadSetting<QuorumPolicy>(core));
  return policy ? *std::move(policy) : QuorumPolicy();
}

}  // namespace users
}  // namespace hsmcore
