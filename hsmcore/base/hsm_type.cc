// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/hsm_type.h"

#include <algorithm>
#include <array>

namespace hsmcore {
namespace {

constexpr auto kTypes = std::to_array<HsmTypeRow>({
    {"hsm1.medium", 3'300, 0, 250, 126, false},
    {"hsm2m.medium", 16'666, 3'333, 1'024, 127, true},
    {"unlimited", 0, 0, 0, 127, true},
});

}  // namespace

std::span<const HsmTypeRow> AllHsmTypes() { return kTypes; }

const HsmTypeRow* FindHsmType(std::string_view name) {
  const auto* const found = std::ranges::find(kTypes, name, &HsmTypeRow::name);
  return found == kTypes.end() ? nullptr : found;
}

}  // namespace hsmcore
