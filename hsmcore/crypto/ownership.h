// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_CRYPTO_OWNERSHIP_H_
#define HSMCORE_CRYPTO_OWNERSHIP_H_

#include <string>
#include <string_view>

#include "hsmcore/types.h"

// By which a cluster belongs to somebody: a key of the cluster, and the certificate that the
// owner's CA gave for it (AWS CloudHSM's cluster CSR and customerCA). All certificates are PEM.
namespace hsmcore::crypto {

// CloudHSM's limit for each of the two.
inline constexpr std::size_t kMaxCertificateText = 5000;

struct ClusterRequest {
  std::string csr;  // PKCS#10 (RFC 2986), P-256 with SHA-256; the common name is the cluster's id
  SecretBytes key;  // PKCS#8, PEM
};

struct OwnerCertificates {
  std::string certificate;   // of the cluster's key
  std::string trust_anchor;  // the CA's, self-signed
};

Result<ClusterRequest> NewClusterRequest(std::string_view cluster_id);

// kInvalidArgument, with what is wrong: a text that is no certificate or too long; a trust anchor
// that is no self-signed CA with RSA of 2048 or 4096 bits (RFC 5280 4.2.1.9), or not valid now; a
// certificate that is for another key or name than the request, or not signed by the anchor, or not
// valid now.
Status CheckOwner(const std::string& csr, const OwnerCertificates& owner);

// ECDSA with SHA-256. `key` as in ClusterRequest.
Result<Bytes> SignAsCluster(const SecretBytes& key, ByteView message);
// False: the certificate's key did not sign `message`, or `anchor` did not sign the certificate.
bool SignedByCluster(const OwnerCertificates& owner, ByteView message, ByteView signature);

// The name in a certificate (RFC 2253), for people; empty when it is none.
std::string SubjectOf(const std::string& certificate);

}  // namespace hsmcore::crypto

#endif  // HSMCORE_CRYPTO_OWNERSHIP_H_
