// SPDX-License-Identifier: Apache-2.0
#include "forwarded.h"

#include <algorithm>
#include <span>
#include <utility>

#include "dispatch.h"
#include "held_original.h"
#include "newer_openssl.h"
#include "provider_context.h"

namespace provider {
namespace {

// ---- Which functions take a provider context ----

template <int kId, class Type>
struct Replaced {
  static constexpr int kFunction = kId;
  using Signature = Type;
};

template <class... Entries>
struct Replacements {};

// kSlots: how many algorithms there can be; OpenSSL 3.0 has half of that or two thirds.
// kLast: the last function that is known here.
template <int kOperation>
struct Operation;

template <>
struct Operation<OSSL_OP_DIGEST> {
  static constexpr std::size_t kSlots = 48;
  static constexpr int kLast = kDigestCopyctx;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_DIGEST_NEWCTX, OSSL_FUNC_digest_newctx_fn>,
      Replaced<OSSL_FUNC_DIGEST_DIGEST, OSSL_FUNC_digest_digest_fn>,
      Replaced<OSSL_FUNC_DIGEST_GETTABLE_PARAMS, OSSL_FUNC_digest_gettable_params_fn>,
      Replaced<OSSL_FUNC_DIGEST_GETTABLE_CTX_PARAMS, OSSL_FUNC_digest_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_DIGEST_SETTABLE_CTX_PARAMS, OSSL_FUNC_digest_settable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_CIPHER> {
  static constexpr std::size_t kSlots = 224;
  static constexpr int kLast = OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_CIPHER_NEWCTX, OSSL_FUNC_cipher_newctx_fn>,
      Replaced<OSSL_FUNC_CIPHER_GETTABLE_PARAMS, OSSL_FUNC_cipher_gettable_params_fn>,
      Replaced<OSSL_FUNC_CIPHER_GETTABLE_CTX_PARAMS, OSSL_FUNC_cipher_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_CIPHER_SETTABLE_CTX_PARAMS, OSSL_FUNC_cipher_settable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_MAC> {
  static constexpr std::size_t kSlots = 24;
  static constexpr int kLast = OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_MAC_NEWCTX, OSSL_FUNC_mac_newctx_fn>,
      Replaced<OSSL_FUNC_MAC_GETTABLE_PARAMS, OSSL_FUNC_mac_gettable_params_fn>,
      Replaced<OSSL_FUNC_MAC_GETTABLE_CTX_PARAMS, OSSL_FUNC_mac_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_MAC_SETTABLE_CTX_PARAMS, OSSL_FUNC_mac_settable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_KDF> {
  static constexpr std::size_t kSlots = 48;
  static constexpr int kLast = OSSL_FUNC_KDF_SET_CTX_PARAMS;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_KDF_NEWCTX, OSSL_FUNC_kdf_newctx_fn>,
      Replaced<OSSL_FUNC_KDF_GETTABLE_PARAMS, OSSL_FUNC_kdf_gettable_params_fn>,
      Replaced<OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, OSSL_FUNC_kdf_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, OSSL_FUNC_kdf_settable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_RAND> {
  static constexpr std::size_t kSlots = 16;
  static constexpr int kLast = OSSL_FUNC_RAND_CLEAR_SEED;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_RAND_NEWCTX, OSSL_FUNC_rand_newctx_fn>,
      Replaced<OSSL_FUNC_RAND_GETTABLE_PARAMS, OSSL_FUNC_rand_gettable_params_fn>,
      Replaced<OSSL_FUNC_RAND_GETTABLE_CTX_PARAMS, OSSL_FUNC_rand_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_RAND_SETTABLE_CTX_PARAMS, OSSL_FUNC_rand_settable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_KEYMGMT> {
  static constexpr std::size_t kSlots = 24;
  static constexpr int kLast = OSSL_FUNC_KEYMGMT_DUP;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_KEYMGMT_NEW, OSSL_FUNC_keymgmt_new_fn>,
      Replaced<OSSL_FUNC_KEYMGMT_GEN_INIT, OSSL_FUNC_keymgmt_gen_init_fn>,
      Replaced<OSSL_FUNC_KEYMGMT_GEN_SETTABLE_PARAMS, OSSL_FUNC_keymgmt_gen_settable_params_fn>,
      Replaced<OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, OSSL_FUNC_keymgmt_gettable_params_fn>,
      Replaced<OSSL_FUNC_KEYMGMT_SETTABLE_PARAMS, OSSL_FUNC_keymgmt_settable_params_fn>>;
};

template <>
struct Operation<OSSL_OP_KEYEXCH> {
  static constexpr std::size_t kSlots = 8;
  static constexpr int kLast = OSSL_FUNC_KEYEXCH_GETTABLE_CTX_PARAMS;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_KEYEXCH_NEWCTX, OSSL_FUNC_keyexch_newctx_fn>,
      Replaced<OSSL_FUNC_KEYEXCH_SETTABLE_CTX_PARAMS, OSSL_FUNC_keyexch_settable_ctx_params_fn>,
      Replaced<OSSL_FUNC_KEYEXCH_GETTABLE_CTX_PARAMS, OSSL_FUNC_keyexch_gettable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_SIGNATURE> {
  static constexpr std::size_t kSlots = 8;
  static constexpr int kLast = OSSL_FUNC_SIGNATURE_SETTABLE_CTX_MD_PARAMS;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_SIGNATURE_NEWCTX, OSSL_FUNC_signature_newctx_fn>,
      Replaced<OSSL_FUNC_SIGNATURE_GETTABLE_CTX_PARAMS, OSSL_FUNC_signature_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS,
               OSSL_FUNC_signature_settable_ctx_params_fn>>;
};

template <>
struct Operation<OSSL_OP_KEM> {
  static constexpr std::size_t kSlots = 8;
  static constexpr int kLast = OSSL_FUNC_KEM_SETTABLE_CTX_PARAMS;
  using Entries = Replacements<
      Replaced<OSSL_FUNC_KEM_NEWCTX, OSSL_FUNC_kem_newctx_fn>,
      Replaced<OSSL_FUNC_KEM_GETTABLE_CTX_PARAMS, OSSL_FUNC_kem_gettable_ctx_params_fn>,
      Replaced<OSSL_FUNC_KEM_SETTABLE_CTX_PARAMS, OSSL_FUNC_kem_settable_ctx_params_fn>>;
};

// ---- What stands there instead ----

// Calls the original with the provider context that it knows in the place of ours: the first
// argument, or the second of two that are both contexts.
template <int kOperation, std::size_t kSlot, std::size_t kEntry, class Signature>
struct Replacement;

template <int kOperation, std::size_t kSlot, std::size_t kEntry, class Value, class... Arguments>
struct Replacement<kOperation, kSlot, kEntry, Value(void*, Arguments...)> {
  static Value Call(void* provctx, Arguments... arguments) {
    const Forwarded& forwarded = ProviderContext::From(provctx).forwarded;
    return reinterpret_cast<Value (*)(void*, Arguments...)>(forwarded.Original<kOperation>(
        kSlot, kEntry))(forwarded.OriginalContext<kOperation>(), arguments...);
  }
};

template <int kOperation, std::size_t kSlot, std::size_t kEntry, class Value>
struct Replacement<kOperation, kSlot, kEntry, Value(void*, void*)> {
  static Value Call(void* context, void* provctx) {
    const Forwarded& forwarded = ProviderContext::From(provctx).forwarded;
    return reinterpret_cast<Value (*)(void*, void*)>(forwarded.Original<kOperation>(kSlot, kEntry))(
        context, forwarded.OriginalContext<kOperation>());
  }
};

// The same for algorithms that take held keys.
constexpr const HeldOperation* HeldOperationOf(int operation) {
  switch (operation) {
    case OSSL_OP_CIPHER:
      return &kHeldCiphers;
    case OSSL_OP_MAC:
      return &kHeldMacs;
    case OSSL_OP_KDF:
      return &kHeldKdfs;
    default:
      return nullptr;
  }
}

template <int kOperation, std::size_t kSlot>
struct HeldReplacement {
  static const HeldOriginal& Original(void* provctx) {
    return ProviderContext::From(provctx).forwarded.Held<kOperation>(kSlot);
  }
  static void* New(void* provctx) {
    return HeldOperationOf(kOperation)->make(ProviderContext::From(provctx), Original(provctx));
  }
  static const OSSL_PARAM* Settable(void*, void* provctx) { return Original(provctx).settable(); }
  static const OSSL_PARAM* Gettable(void*, void* provctx) { return Original(provctx).gettable(); }
};

// NOLINTBEGIN(cppcoreguidelines-interfaces-global-init): addresses of functions are constants

#define HELD_ROWS(OPERATION, lower)                                           \
  template <std::size_t kSlot>                                                \
  struct HeldRows<OSSL_OP_##OPERATION, kSlot> {                               \
    using Functions = HeldReplacement<OSSL_OP_##OPERATION, kSlot>;            \
    static const OSSL_DISPATCH kRows[];                                       \
  };                                                                          \
  template <std::size_t kSlot>                                                \
  const OSSL_DISPATCH HeldRows<OSSL_OP_##OPERATION, kSlot>::kRows[] = {       \
      HSM_ENTRY(OPERATION##_NEWCTX, lower##_newctx, Functions::New),          \
      HSM_ENTRY(OPERATION##_SETTABLE_CTX_PARAMS, lower##_settable_ctx_params, \
                Functions::Settable),                                         \
      HSM_ENTRY(OPERATION##_GETTABLE_CTX_PARAMS, lower##_gettable_ctx_params, \
                Functions::Gettable),                                         \
      HSM_ENTRY_END,                                                          \
  }

// What of one slot's algorithm needs the provider context, when it takes held keys.
template <int kOperation, std::size_t kSlot>
struct HeldRows {
  static constexpr const OSSL_DISPATCH* kRows = nullptr;
};
HELD_ROWS(CIPHER, cipher);
HELD_ROWS(MAC, mac);
HELD_ROWS(KDF, kdf);
#undef HELD_ROWS

// The replacements of one slot.
template <int kOperation, std::size_t kSlot, class Entries, class Indices>
struct SlotRows;

template <int kOperation, std::size_t kSlot, class... Entries, std::size_t... kEntries>
struct SlotRows<kOperation, kSlot, Replacements<Entries...>, std::index_sequence<kEntries...>> {
  static const OSSL_DISPATCH kRows[];
};
template <int kOperation, std::size_t kSlot, class... Entries, std::size_t... kEntries>
const OSSL_DISPATCH SlotRows<kOperation, kSlot, Replacements<Entries...>,
                             std::index_sequence<kEntries...>>::kRows[] = {
    {Entries::kFunction,
     reinterpret_cast<void (*)()>(
         &Replacement<kOperation, kSlot, kEntries, typename Entries::Signature>::Call)}...};

template <int kOperation, class Entries, class Slots>
struct OperationRows;

template <int kOperation, class... Entries, std::size_t... kSlots>
struct OperationRows<kOperation, Replacements<Entries...>, std::index_sequence<kSlots...>> {
  static constexpr std::size_t kReplaced = sizeof...(Entries);
  static constexpr std::array<const OSSL_DISPATCH*, sizeof...(kSlots)> kBySlot = {
      SlotRows<kOperation, kSlots, Replacements<Entries...>,
               std::index_sequence_for<Entries...>>::kRows...};
  static constexpr std::array<const OSSL_DISPATCH*, sizeof...(kSlots)> kHeldBySlot = {
      HeldRows<kOperation, kSlots>::kRows...};
};

// NOLINTEND(cppcoreguidelines-interfaces-global-init)

// The name that the algorithm is known by first, of names with ':' between them.
std::string_view FirstName(const OSSL_ALGORITHM& algorithm) {
  const std::string_view names = algorithm.algorithm_names;
  return names.substr(0, names.find(':'));
}

std::span<const OSSL_ALGORITHM> RowsOf(const OSSL_ALGORITHM* algorithms) {
  std::size_t count = 0;
  while (algorithms != nullptr && algorithms[count].algorithm_names != nullptr) ++count;
  return {algorithms, count};
}

}  // namespace

// How the tables of one operation are made.
struct Forwarded::Plan {
  int operation;
  int last;
  std::size_t replaced;
  std::span<const OSSL_DISPATCH* const> by_slot;
  std::span<const OSSL_DISPATCH* const> held_by_slot;

  template <int kOperation>
  static constexpr Plan Of() {
    using Rules = Operation<kOperation>;
    using Rows =
        OperationRows<kOperation, typename Rules::Entries, std::make_index_sequence<Rules::kSlots>>;
    static_assert(Rows::kReplaced <= kMaxReplaced);
    return {kOperation, Rules::kLast, Rows::kReplaced, Rows::kBySlot, Rows::kHeldBySlot};
  }

  // Where a function stands among the replaced ones; `replaced`: it is not one of them.
  std::size_t EntryOf(int function) const {
    std::size_t entry = 0;
    while (entry < replaced && by_slot[0][entry].function_id != function) ++entry;
    return entry;
  }
};

const Forwarded::Plan* Forwarded::PlanOf(int operation) {
  static constexpr std::array kPlans = {
      Plan::Of<OSSL_OP_DIGEST>(),  Plan::Of<OSSL_OP_CIPHER>(),    Plan::Of<OSSL_OP_MAC>(),
      Plan::Of<OSSL_OP_KDF>(),     Plan::Of<OSSL_OP_RAND>(),      Plan::Of<OSSL_OP_KEYMGMT>(),
      Plan::Of<OSSL_OP_KEYEXCH>(), Plan::Of<OSSL_OP_SIGNATURE>(), Plan::Of<OSSL_OP_KEM>()};
  static_assert(std::ranges::equal(kPlans, kForwardedOperations, {}, &Plan::operation));
  const auto* const found = std::ranges::find(kPlans, operation, &Plan::operation);
  return found == kPlans.end() ? nullptr : found;
}

// True: the algorithm takes held keys. Its slot has what they need.
bool Forwarded::AddHeld(const Plan& plan, const OSSL_ALGORITHM& original, Table& table) {
  const HeldOperation* operation = HeldOperationOf(plan.operation);
  if (operation == nullptr || !operation->exists(original.algorithm_names)) return false;
  table.held.back() = std::make_shared<const HeldOriginal>(
      original, table.context, operation->settable_function, operation->gettable_function);
  return true;
}

// The row that an algorithm with held keys has instead; nullptr: none.
const OSSL_DISPATCH* Forwarded::HeldRow(const Plan& plan, std::size_t slot, int function) {
  const auto shared = HeldOperationOf(plan.operation)->functions;
  const auto found = std::ranges::find(shared, function, &OSSL_DISPATCH::function_id);
  if (found != shared.end()) return &*found;
  const OSSL_DISPATCH* row = plan.held_by_slot[slot];
  while (row->function_id != 0 && row->function_id != function) ++row;
  return row->function_id == 0 ? nullptr : row;
}

void Forwarded::AddRows(const Plan& plan, const OSSL_ALGORITHM& original, Table& table) {
  const std::size_t slot = table.originals.size();
  table.originals.emplace_back();
  table.held.emplace_back();
  const bool held = AddHeld(plan, original, table);
  for (const OSSL_DISPATCH* row = original.implementation; row->function_id != 0; ++row) {
    if (row->function_id > plan.last) continue;
    if (const OSSL_DISPATCH* own = held ? HeldRow(plan, slot, row->function_id) : nullptr) {
      table.rows.push_back(*own);
      continue;
    }
    const std::size_t entry = plan.EntryOf(row->function_id);
    if (entry == plan.replaced) {
      table.rows.push_back(*row);
    } else {
      table.originals[slot][entry] = row->function;
      table.rows.push_back(plan.by_slot[slot][entry]);
    }
  }
  if (held) {
    const auto added = HeldOperationOf(plan.operation)->added;
    table.rows.insert(table.rows.end(), added.begin(), added.end());
  }
  table.rows.push_back({0, nullptr});
}

Forwarded::Table Forwarded::Build(const Plan& plan, const hsmcore::Forwarding& source,
                                  const OSSL_ALGORITHM* held) {
  Table table;
  table.context = source.context();
  const std::span<const OSSL_ALGORITHM> own = RowsOf(held);
  table.algorithms.assign(own.begin(), own.end());
  std::vector<std::size_t> begins;  // the rows may still move
  for (const OSSL_ALGORITHM& original : RowsOf(source.Algorithms(plan.operation))) {
    if (table.originals.size() == plan.by_slot.size()) break;
    if (!source.Offers(plan.operation, original) ||
        std::ranges::find(own, FirstName(original), FirstName) != own.end()) {
      continue;
    }
    begins.push_back(table.rows.size());
    AddRows(plan, original, table);
    table.algorithms.push_back({original.algorithm_names,
                                source.claims_fips() ? "provider=hsm,fips=yes" : "provider=hsm",
                                nullptr, original.algorithm_description});
  }
  for (std::size_t i = 0; i < begins.size(); ++i) {
    table.algorithms[own.size() + i].implementation = table.rows.data() + begins[i];
  }
  table.algorithms.push_back({nullptr, nullptr, nullptr, nullptr});
  return table;
}

Result<hsmcore::ForwardingPtr> Forwarded::Source() const {
  HSMCORE_TRY(const auto source, source_.Get([this]() -> Result<hsmcore::ForwardingPtr> {
    HSMCORE_TRY(const hsmcore::ModeRules rules, access_.Rules());
    return hsmcore::Forwarding::Open(rules);
  }));
  return source.get();
}

Result<const OSSL_ALGORITHM*> Forwarded::Algorithms(int operation,
                                                    const OSSL_ALGORITHM* held) const {
  const Plan* plan = PlanOf(operation);
  if (plan == nullptr) return held;
  const auto index = static_cast<std::size_t>(std::ranges::find(kForwardedOperations, operation) -
                                              kForwardedOperations.begin());
  HSMCORE_TRY(const auto table, tables_[index].Get([&]() -> Result<Table> {
    HSMCORE_TRY(const hsmcore::ForwardingPtr source, Source());
    return Build(*plan, *source, held);
  }));
  return table.get().algorithms.data();
}

}  // namespace provider
