// SPDX-License-Identifier: Apache-2.0
#include "hsmcore/mechanism.h"

#include <algorithm>
#include <array>

namespace hsmcore {
namespace {

constexpr auto kEddsaInstances = std::to_array<EddsaRow>({
    {KeyType::kEd25519, EddsaInstance::kPure, "Ed25519", false, false},
    {KeyType::kEd25519, EddsaInstance::kContext, "Ed25519ctx", true, true},
    {KeyType::kEd25519, EddsaInstance::kPrehash, "Ed25519ph", true, false},
    {KeyType::kEd448, EddsaInstance::kPure, "Ed448", true, false},
    {KeyType::kEd448, EddsaInstance::kPrehash, "Ed448ph", true, false},
});

}  // namespace

std::span<const EddsaRow> AllEddsaInstances() { return kEddsaInstances; }

const EddsaRow* FindEddsa(KeyType type, EddsaInstance instance) {
  const auto* row = std::ranges::find_if(kEddsaInstances, [&](const EddsaRow& candidate) {
    return candidate.type == type && candidate.instance == instance;
  });
  return row == kEddsaInstances.end() ? nullptr : row;
}

}  // namespace hsmcore
