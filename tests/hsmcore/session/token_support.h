// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_HSMCORE_SESSION_TOKEN_SUPPORT_H_
#define TESTS_HSMCORE_SESSION_TOKEN_SUPPORT_H_

#include <gtest/gtest.h>

#include <ctime>
#include <memory>
#include <string>

#include "cluster/core.h"
#include "crypto/asymmetric_key.h"
#include "hsmcore/key_reference.h"
#include "hsmcore/quorum.h"
#include "support/test_cluster.h"
#include "vault/sealing.h"

namespace hsmcore::test {

// Somebody with a key pair of his own, who signs tokens as openssl would.
class TokenSigner {
 public:
  explicit TokenSigner(KeyType type = KeyType::kEd25519, unsigned bits = 2048)
      : pair_(crypto::GenerateReadyPair(SpecOf(type, bits)).value()) {}

  Bytes PublicKey() const { return EncodeSpki(pair_.material.public_part).value(); }
  Bytes Sign(ByteView token) const {
    SignMechanism mechanism;
    if (TypeOf(pair_.material.public_part) == KeyType::kEd25519) {
      mechanism.kind = SignMechanism::Kind::kEddsa;
      mechanism.digest = Digest::kNone;
    }
    Bytes signature(1024);
    signature.resize(pair_.ready->Sign(mechanism, token, signature).value());
    return signature;
  }
  SignableToken Signed(SignableToken token) const {
    token.signature = Sign(token.token);
    return token;
  }
  std::vector<SignableToken> Signed(std::vector<SignableToken> tokens) const {
    for (SignableToken& token : tokens) token.signature = Sign(token.token);
    return tokens;
  }
  // Appends the approval of the admin `name`.
  void Approve(QuorumToken& token, const std::string& name, Role role = Role::kAdmin) const {
    QuorumApproval approval;
    approval.username = name;
    approval.role = role;
    approval.signature = Sign(token.token());
    token.signatures.push_back(std::move(approval));
  }
  Status Register(Session& session) const {
    auto token = session.NewRegistration();
    if (!token) return std::unexpected(token.error());
    return session.RegisterTokenKey(PublicKey(), Signed(*std::move(token)));
  }

 private:
  crypto::ReadyPair pair_;
};

// The same store, as another process has it open.
inline std::shared_ptr<cluster::Core> OpenBeside(TestCluster& cluster) {
  auto core =
      cluster::OpenCore(cluster.home(), cluster::ReadClusterFile(cluster.home()).value()).value();
  core->config = cluster::ReadConfig(*core).value();
  return core;
}

}  // namespace hsmcore::test

#endif  // TESTS_HSMCORE_SESSION_TOKEN_SUPPORT_H_
