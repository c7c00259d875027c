// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_KEY_OBJECT_H_
#define PROVIDER_KEY_OBJECT_H_

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <optional>

#include "hsmcore/key.h"
#include "hsmcore/session.h"
#include "provider_context.h"

namespace provider {

// Key pairs come first in KeyType, and secret keys after them.
inline constexpr std::size_t kPairTypes = static_cast<std::size_t>(hsmcore::KeyType::kAes);

// libcrypto's name of a key type: the first name of its rows in the algorithm tables.
const char* AlgorithmName(hsmcore::KeyType type);

// What libcrypto holds as the "key data" of an EVP_PKEY: a key, or nothing yet, or the domain
// parameters of an EC key whose public point comes later (a TLS peer's).
//
// A persistent key that was generated here and is freed unused by the process that made it is
// deleted again: that is how `genpkey` or `req -newkey` that fails after the key was made, and
// before its reference was written, leaves nothing behind. Used means: handed to an operation,
// exported, written to a file, or copied.
class KeyObject {
 public:
  KeyObject(const ProviderContext& provider, hsmcore::KeyType type)
      : provider_(provider), type_(type) {}
  ~KeyObject();
  KeyObject(const KeyObject&) = delete;
  KeyObject& operator=(const KeyObject&) = delete;

  // A key that `session` loaded, generated or imported.
  static std::unique_ptr<KeyObject> Of(const ProviderContext& provider, hsmcore::KeyPtr key,
                                       std::shared_ptr<hsmcore::Session> session);

  const Core& core() const { return provider_.core; }
  const ProviderContext& provider() const { return provider_; }
  hsmcore::KeyType type() const { return type_; }

  const hsmcore::KeyPtr& key() const { return key_; }  // nullptr: none yet
  bool has_private() const { return key_ != nullptr && key_->has_private(); }
  const std::optional<hsmcore::Curve>& curve() const { return curve_; }

  // The key, or kOperationState. Marks it as used.
  Result<hsmcore::KeyPtr> Use() const;
  void MarkUsed() const { unused_.store(false, std::memory_order_relaxed); }
  void DeleteUnlessUsed();

  void SetKey(hsmcore::KeyPtr key, std::shared_ptr<hsmcore::Session> session);
  // A public key that no cluster holds, in the mode of the provider's home.
  Status SetPublic(hsmcore::PublicMaterial material);
  void SetCurve(hsmcore::Curve curve) { curve_ = curve; }

  // The URI for a reference file; kSessionKey and kPublicKeyOnly say what to do instead.
  Result<std::string> ReferenceUri() const;

  // A copy of the parts that `selection` names. Marks this key as used.
  Result<std::unique_ptr<KeyObject>> Copy(int selection) const;

 private:
  const ProviderContext& provider_;
  const hsmcore::KeyType type_;
  hsmcore::KeyPtr key_;
  std::shared_ptr<hsmcore::Session> session_;
  std::optional<hsmcore::Curve> curve_;
  pid_t maker_ = 0;  // the process that generated it, while that matters
  mutable std::atomic<bool> unused_ = false;
};

// Hands a key to libcrypto as an object of a store or a decoder; keymgmt's load takes it over, and
// what nobody takes is freed here. False: the caller did not want it.
Result<bool> HandOver(std::unique_ptr<KeyObject> object, OSSL_CALLBACK* callback, void* argument);

}  // namespace provider

#endif  // PROVIDER_KEY_OBJECT_H_
