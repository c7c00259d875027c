// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_HSM_TYPE_H_
#define HSMCORE_HSM_TYPE_H_

#include <cstdint>
#include <span>
#include <string_view>

namespace hsmcore {

// What a cluster may hold, by the type of its HSMs (AWS CloudHSM's quotas). A pair is one key. 0:
// as much as there is room for.
struct HsmTypeRow {
  const char* name;
  std::uint64_t keys;
  std::uint64_t asymmetric_keys;  // of these
  std::uint64_t users;
  std::size_t label_bytes;
  bool non_fips;  // may be in NON_FIPS mode
};

std::span<const HsmTypeRow> AllHsmTypes();
// nullptr: not known. Clusters of such a type, from before types were checked, have no quotas.
const HsmTypeRow* FindHsmType(std::string_view name);

}  // namespace hsmcore

#endif  // HSMCORE_HSM_TYPE_H_
