// SPDX-License-Identifier: Apache-2.0
#include "users/approvals.h"

#include <algorithm>
#include <utility>

namespace hsmcore::users {

void Approvals::Present(QuorumToken token) {
  Forget(token);
  if (tokens_.size() >= kMaxKeyTokens) tokens_.pop_front();
  tokens_.push_back(std::move(token));
}

const QuorumToken* Approvals::Find(QuorumService service, KeyHandle key) const {
  const auto found = std::ranges::find_if(tokens_, [&](const QuorumToken& token) {
    return token.service == service && token.key == key.PrivateHalf();
  });
  return found == tokens_.end() ? nullptr : &*found;
}

void Approvals::Forget(const QuorumToken& token) {
  // A copy: it may be one of those that go.
  const Bytes text = token.approval_data;
  std::erase_if(tokens_, [&](const QuorumToken& held) { return held.approval_data == text; });
}

}  // namespace hsmcore::users
