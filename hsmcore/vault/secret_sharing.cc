// SPDX-License-Identifier: Apache-2.0
#include "vault/secret_sharing.h"

#include <sodium.h>

#include <algorithm>
#include <memory>
#include <numeric>
#include <set>

#include "vault/sealing.h"

extern "C" {
#include <libgfshare.h>
}

namespace hsmcore::vault {
namespace {

constexpr SecretAccess kSplit{"split a secret"};
constexpr SecretAccess kJoin{"join the shares of a secret"};

struct FreeSharing {
  void operator()(gfshare_ctx* context) const { gfshare_ctx_free(context); }
};
using Sharing = std::unique_ptr<gfshare_ctx, FreeSharing>;

void FillRandom(unsigned char* out, unsigned size) { randombytes_buf(out, size); }

// The library has one source of random numbers for the process, none at first, and overwrites with
// it what it frees. Set anew each time: somebody else may have set his.
Status Prepare() {
  HSMCORE_CHECK(Ready());
  gfshare_fill_rand = FillRandom;
  return {};
}

std::unexpected<Error> NoMemory() {
  return Fail(ErrorCode::kOutOfMemory, "no memory to share a secret");
}

}  // namespace

Result<std::vector<SecretBytes>> SplitSecret(const SecretBytes& secret, unsigned threshold,
                                             std::size_t count) {
  if (threshold < 2 || threshold > count || count > kMaxShares || secret.empty()) {
    return Fail(ErrorCode::kInternal, "a secret cannot be split like that");
  }
  HSMCORE_CHECK(Prepare());
  Bytes numbers(count);
  std::iota(numbers.begin(), numbers.end(), std::uint8_t{1});
  const Sharing sharing(gfshare_ctx_init_enc(numbers.data(), static_cast<unsigned>(count),
                                             static_cast<unsigned char>(threshold),
                                             static_cast<unsigned>(secret.size())));
  if (sharing == nullptr) return NoMemory();
  SecretBytes copy = secret.Clone();  // the library takes no const
  gfshare_ctx_enc_setsecret(sharing.get(), copy.Write(kSplit).data());
  std::vector<SecretBytes> shares;
  for (std::size_t i = 0; i < count; ++i) {
    SecretBytes& share = shares.emplace_back(1 + secret.size());
    share.Write(kSplit)[0] = numbers[i];
    gfshare_ctx_enc_getshare(sharing.get(), static_cast<unsigned char>(i),
                             share.Write(kSplit).data() + 1);
  }
  return shares;
}

Result<SecretBytes> JoinShares(const std::vector<SecretBytes>& shares) {
  Bytes numbers;
  for (const SecretBytes& share : shares) {
    if (share.size() < 2 || share.size() != shares.front().size()) {
      return Fail(ErrorCode::kRecordDamaged, "a share of a secret has a wrong length");
    }
    numbers.push_back(share.Read(kJoin)[0]);
  }
  const std::set<std::uint8_t> distinct(numbers.begin(), numbers.end());
  // The secret itself would be number 0.
  if (numbers.empty() || distinct.size() != numbers.size() || distinct.contains(0)) {
    return Fail(ErrorCode::kRecordDamaged, "the shares of a secret are not of one splitting");
  }
  HSMCORE_CHECK(Prepare());
  const std::size_t size = shares.front().size() - 1;
  const Sharing sharing(gfshare_ctx_init_dec(numbers.data(), static_cast<unsigned>(numbers.size()),
                                             static_cast<unsigned>(size)));
  if (sharing == nullptr) return NoMemory();
  for (std::size_t i = 0; i < shares.size(); ++i) {
    SecretBytes copy = shares[i].Clone();  // the library takes no const
    gfshare_ctx_dec_giveshare(sharing.get(), static_cast<unsigned char>(i),
                              copy.Write(kJoin).data() + 1);
  }
  SecretBytes secret(size);
  gfshare_ctx_dec_extract(sharing.get(), secret.Write(kJoin).data());
  return secret;
}

}  // namespace hsmcore::vault
