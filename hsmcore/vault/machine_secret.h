// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_VAULT_MACHINE_SECRET_H_
#define HSMCORE_VAULT_MACHINE_SECRET_H_

#include "hsmcore/types.h"

namespace hsmcore::vault {

// A machine credential: 256 random bits that need no slow hash, with an id that says which of a
// user's credentials it opens. Written as Credential::kMachinePrefix and base64url.
struct MachineSecret {
  static constexpr std::size_t kIdBytes = 8;
  Bytes id;
  SecretBytes secret;

  static MachineSecret New();
  // kCredentialUnknown: not of that form.
  static Result<MachineSecret> FromText(const SecretBytes& text);
  SecretBytes ToText() const;

  // The key that opens what was sealed for this credential.
  SecretBytes SealKey() const;
};

}  // namespace hsmcore::vault

#endif  // HSMCORE_VAULT_MACHINE_SECRET_H_
