// SPDX-License-Identifier: Apache-2.0
#include "key_object.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <unistd.h>

#include <utility>

#include "guard.h"

namespace provider {

using hsmcore::KeyPtr;

const char* AlgorithmName(hsmcore::KeyType type) { return hsmcore::RowOf(type).openssl; }

std::unique_ptr<KeyObject> KeyObject::Of(const ProviderContext& provider, KeyPtr key,
                                         std::shared_ptr<hsmcore::Session> session) {
  auto object = std::make_unique<KeyObject>(provider, key->type());
  object->SetKey(std::move(key), std::move(session));
  return object;
}

KeyObject::~KeyObject() {
  if (!unused_.load(std::memory_order_relaxed) || maker_ != getpid()) return;
  Guard(core(),
        [this] { return session_->Delete(key_->private_info()->handle, /*whole_pair=*/true); });
}

Result<KeyPtr> KeyObject::Use() const {
  if (key_ == nullptr) return Fail(ErrorCode::kOperationState, "the key object holds no key yet");
  MarkUsed();
  return key_;
}

void KeyObject::DeleteUnlessUsed() {
  maker_ = getpid();
  unused_.store(true, std::memory_order_relaxed);
}

void KeyObject::SetKey(KeyPtr key, std::shared_ptr<hsmcore::Session> session) {
  key_ = std::move(key);
  session_ = std::move(session);
  if (const auto* ec = std::get_if<hsmcore::EcPublic>(&key_->public_part())) curve_ = ec->curve;
}

Status KeyObject::SetPublic(hsmcore::PublicMaterial material) {
  HSMCORE_TRY(const hsmcore::ModeRules rules, provider_.access.Rules());
  HSMCORE_TRY(KeyPtr key, hsmcore::Key::FromPublic(std::move(material), rules));
  SetKey(std::move(key), nullptr);
  return {};
}

Result<std::string> KeyObject::ReferenceUri() const {
  if (!has_private() || session_ == nullptr) {
    return Fail(ErrorCode::kPublicKeyOnly, "only a private key in the HSM has a reference");
  }
  if (!key_->is_token()) {
    return Fail(ErrorCode::kSessionKey,
                "the key ends with this process and cannot be referred to from a file; generate it "
                "with -pkeyopt hsm-label:NAME to keep it");
  }
  HSMCORE_TRY(hsmcore::KeyUri uri, session_->ReferenceUri(*key_));
  uri.cluster = provider_.access.NameOf(session_->cluster_id());
  return uri.ToString();
}

Result<std::unique_ptr<KeyObject>> KeyObject::Copy(int selection) const {
  MarkUsed();
  auto copy = std::make_unique<KeyObject>(provider_, type_);
  if ((selection & OSSL_KEYMGMT_SELECT_ALL_PARAMETERS) != 0) copy->curve_ = curve_;
  if (key_ == nullptr || (selection & OSSL_KEYMGMT_SELECT_KEYPAIR) == 0) return copy;
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || !key_->has_private()) {
    copy->SetKey(key_, session_);
  } else {
    HSMCORE_CHECK(copy->SetPublic(key_->public_part()));
  }
  return copy;
}

Result<bool> HandOver(std::unique_ptr<KeyObject> object, OSSL_CALLBACK* callback, void* argument) {
  std::string type = AlgorithmName(object->type());
  int object_type = OSSL_OBJECT_PKEY;
  KeyObject* slot = object.release();
  const std::array<OSSL_PARAM, 4> params = {
      OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &object_type),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA_TYPE, type.data(), 0),
      OSSL_PARAM_construct_octet_string(OSSL_OBJECT_PARAM_REFERENCE, static_cast<void*>(&slot),
                                        sizeof(void*)),
      OSSL_PARAM_construct_end()};
  const bool wanted = callback(params.data(), argument) == 1;
  const std::unique_ptr<KeyObject> left_over(slot);
  return wanted;
}

}  // namespace provider
