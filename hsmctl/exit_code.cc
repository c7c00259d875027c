// SPDX-License-Identifier: Apache-2.0
#include "exit_code.h"

namespace hsmctl {

// No default: the compiler reports an error code that has no exit code.
// NOLINTNEXTLINE(readability-function-size): one line for each error code
ExitCode ExitCodeOf(hsmcore::ErrorCode code) {
  using enum hsmcore::ErrorCode;
  switch (code) {
    case kInvalidArgument:
    case kUserName:
    case kAttributeUnknown:
    case kAttributeValue:
    case kKeySize:
    case kTokenKey:
    case kUri:
    case kSetting:
      return kUsage;

    case kLoginRequired:
    case kPasswordWrong:
    case kUserNotFound:
    case kGroupNotFound:
    case kUserLocked:
    case kPinFormat:
    case kPinSource:
    case kCredentialUnknown:
    case kTokenRefused:
    case kMfaRequired:
      return kLogin;

    case kKeyNotFound:
    case kKeyAmbiguous:
    case kKeyGone:
      return kNoOneKey;

    case kQuotaExceeded:
    case kModeForbids:
    case kBackupState:
    case kClusterState:
    case kUserExists:
    case kGroupExists:
    case kPasswordPolicy:
    case kRoleForbids:
    case kQuorumRequired:
    case kAttributeForbids:
    case kAttributeReadOnly:
    case kKeyTypeMismatch:
    case kPrivateKeyHeld:
    case kSecretKeyHeld:
    case kSessionKey:
    case kKeyNotShared:
    case kKeyInactive:
    case kKeyUsedUp:
    case kPublicKeyOnly:
    case kMechanism:
      return kPolicy;

    case kHomeNotFound:
    case kHomeAccess:
    case kHomeDamaged:
    case kHomeNewer:
    case kHomeExists:
    case kStorageFull:
    case kStorageReadOnly:
    case kStorageIo:
    case kStorageConflict:
    case kStorageBusy:
    case kNoHsmInService:
    case kKeyAvailability:
    case kRecordDamaged:
    case kKeyDamaged:
    case kBackupNotFound:
    case kBackupDamaged:
      return kStorage;

    case kInternal:
    case kOutOfMemory:
    case kNotSupported:
    case kBufferTooSmall:
    case kOperationState:
    case kFileAccess:
    case kKeyImport:
    case kDigest:
    case kDataLength:
    case kDecryption:
    case kCryptoFailure:
    case kSelfTest:
    case kFipsModule:
    case kReference:
      return kFailure;
  }
  return kFailure;
}

}  // namespace hsmctl
