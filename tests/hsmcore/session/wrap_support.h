// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_SESSION_WRAP_SUPPORT_H_
#define TESTS_HSMCORE_SESSION_WRAP_SUPPORT_H_

#include <initializer_list>
#include <string>

#include "hsmcore/wrap.h"
#include "support/session_support.h"

namespace hsmcore::test {

// What a new key may do, beside its defaults.
inline KeyTemplate FormOf(KeyType type, const std::string& label,
                          std::initializer_list<Attribute> allowed, bool token = true) {
  KeyTemplate form = IsSecret(type) ? KeyTemplate::Secret() : KeyTemplate();
  form.private_half.label = form.public_half.label = label;
  form.private_half.flags.Set(Attribute::kToken, token);
  for (const Attribute attribute : allowed) {
    const bool on_public = attribute == Attribute::kWrap && !IsSecret(type);
    (on_public ? form.public_half : form.private_half).flags.Set(attribute, true);
  }
  return form;
}

inline KeyPtr Make(Session& session, KeyType type, const std::string& label,
                   std::initializer_list<Attribute> allowed = {}, bool token = true) {
  auto key = session.Generate(SpecOf(type), FormOf(type, label, allowed, token));
  if (!key) ADD_FAILURE() << key.error().Message();
  return key ? *key : nullptr;
}

// An AES or RSA key that wraps and unwraps.
inline KeyPtr MakeWrapper(Session& session, KeyType type, const std::string& label = "kek",
                          bool token = true) {
  return Make(session, type, label, {Attribute::kWrap, Attribute::kUnwrap}, token);
}

inline WrapMechanism Method(WrapMechanism::Kind kind) {
  WrapMechanism mechanism;
  mechanism.kind = kind;
  return mechanism;
}

inline UnwrapForm Form(KeyType type, const std::string& label) {
  return {type, {{"label", label}}};
}

}  // namespace hsmcore::test

#endif  // TESTS_HSMCORE_SESSION_WRAP_SUPPORT_H_
