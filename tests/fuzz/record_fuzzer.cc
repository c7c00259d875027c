// SPDX-License-Identifier: Apache-2.0
// Records of the store: nothing that stands in an HSM's file may do more than not open.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>

#include "cluster/config.h"
#include "keys/record.h"
#include "keys/trusted_mark.h"
#include "users/challenge.h"
#include "users/quorum_policy.h"
#include "users/record.h"
#include "users/recovery.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace hsmcore;  // NOLINT(google-build-using-namespace): a program of one function
  const ByteView bytes(data, size);
  const Bytes nobody(32);
  if (const auto key = keys::DecodeRecord("key/0000000000040000", bytes)) {
    if (key->SignedBy(nobody)) std::abort();
    if (keys::IndexPaths(key->record).size() > 4) std::abort();
  }
  if (const auto user = users::DecodeRecord("user/crypto-user/app", bytes)) {
    if (users::SignedBy(*user, nobody)) std::abort();
  }
  if (cluster::Config::Decode(bytes, nobody, "cluster-x")) std::abort();
  if (users::Recovery::Decode(bytes, {})) std::abort();
  if (users::Recovery::PublicKeyIn(bytes).value_or(Bytes()).size() > size) std::abort();
  if (users::QuorumPolicy::Decode(bytes, {})) std::abort();
  if (const auto challenge = users::Challenge::Decode(bytes)) {
    const Bytes again = challenge->Encode();
    if (!std::equal(again.begin(), again.end(), data, data + size)) std::abort();
  }
  const std::string mark = keys::TrustedPath({0x40000});
  if (keys::IsGenuineMark(mark, bytes, {{"user/admin/admin", nobody}})) std::abort();
  return 0;
}
