// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_FORWARDED_H_
#define PROVIDER_FORWARDED_H_

#include <openssl/core.h>
#include <openssl/core_dispatch.h>

#include <array>
#include <cstddef>
#include <memory>
#include <vector>

#include "core.h"
#include "hsmcore/forwarding.h"
#include "publish_once.h"

namespace provider {

class Access;
class HeldOriginal;
struct HeldOperation;

// The operations of which algorithms are forwarded. The last four are those of the key types that
// are not held (EVP_PKEY's view of MACs and KDFs, Diffie-Hellman, TLS's hybrids); beside those,
// their tables have the held key types.
inline constexpr std::array kForwardedOperations = {
    OSSL_OP_DIGEST,  OSSL_OP_CIPHER,  OSSL_OP_MAC,       OSSL_OP_KDF, OSSL_OP_RAND,
    OSSL_OP_KEYMGMT, OSSL_OP_KEYEXCH, OSSL_OP_SIGNATURE, OSSL_OP_KEM};

// OpenSSL's own algorithms under this provider's name. Their dispatch tables are copied, and only
// the functions that take a provider context are replaced: by ones that call the original with the
// context it knows. What newctx gives is the original's context, so every other call goes from
// libcrypto into OpenSSL's code as if we were not there.
//
// A replacement has no place for state. It finds its original by its number: each algorithm of an
// operation has a slot, and each slot has functions of its own (forwarded.cc). A slot's number and
// the provider context lead to the original.
//
// Functions of later OpenSSL versions, which are not known here, are left out of the copies:
// libcrypto treats them all as optional, and one of them could take a provider context.
//
// An algorithm that takes held keys (held_original.h) gets the rows of its operation's contexts
// instead, which stand around the original's contexts. That is an indirect call more for these
// algorithms only: digests, random generators and whatever takes no held key go on as above.
//
// Tables are made when an operation is first asked for, and then kept. Safe for any number of
// threads, and across fork().
class Forwarded {
 public:
  using Function = void (*)();

  explicit Forwarded(const Access& access) : access_(access) {}

  // `held` first, up to its row without names, then what is forwarded. `held` may be nullptr.
  Result<const OSSL_ALGORITHM*> Algorithms(int operation, const OSSL_ALGORITHM* held) const;

  // Where the forwarded algorithms come from; opened at first use, in the mode of the cluster.
  Result<hsmcore::ForwardingPtr> Source() const;

  // The original of a replaced function. Only for functions of tables that Algorithms gave.
  template <int kOperation>
  Function Original(std::size_t slot, std::size_t entry) const {
    return tables_[IndexOf(kOperation)].Ready()->originals[slot][entry];
  }
  template <int kOperation>
  void* OriginalContext() const {
    return tables_[IndexOf(kOperation)].Ready()->context;
  }

  // Of an algorithm that takes held keys.
  template <int kOperation>
  const HeldOriginal& Held(std::size_t slot) const {
    return *tables_[IndexOf(kOperation)].Ready()->held[slot];
  }

 private:
  static constexpr std::size_t kMaxReplaced = 5;

  struct Table {
    std::vector<OSSL_ALGORITHM> algorithms;
    std::vector<OSSL_DISPATCH> rows;
    std::vector<std::array<Function, kMaxReplaced>> originals;  // by slot
    std::vector<std::shared_ptr<const HeldOriginal>> held;      // by slot; nullptr: takes no key
    void* context = nullptr;
  };
  struct Plan;

  static consteval std::size_t IndexOf(int operation) {
    std::size_t index = 0;
    while (kForwardedOperations.at(index) != operation) ++index;
    return index;
  }

  static const Plan* PlanOf(int operation);
  static Table Build(const Plan& plan, const hsmcore::Forwarding& source,
                     const OSSL_ALGORITHM* held);
  static bool AddHeld(const Plan& plan, const OSSL_ALGORITHM& original, Table& table);
  static const OSSL_DISPATCH* HeldRow(const Plan& plan, std::size_t slot, int function);
  static void AddRows(const Plan& plan, const OSSL_ALGORITHM& original, Table& table);

  const Access& access_;
  PublishOnce<hsmcore::ForwardingPtr> source_;
  std::array<PublishOnce<Table>, kForwardedOperations.size()> tables_;
};

}  // namespace provider

#endif  // PROVIDER_FORWARDED_H_
