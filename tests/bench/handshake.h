// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCH_HANDSHAKE_H_
#define TESTS_BENCH_HANDSHAKE_H_

#include <openssl/ssl.h>

#include <memory>
#include <string>

namespace bench {

struct SslFree {
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
  void operator()(SSL* connection) const { SSL_free(connection); }
};
using SslContextPtr = std::unique_ptr<SSL_CTX, SslFree>;

// A TLS 1.3 server with a key, and the PEM file of its certificate.
SslContextPtr NewServer(OSSL_LIB_CTX* library, EVP_PKEY* key, const std::string& certificate);

// A client that believes everything, so that its share of the work is small.
SslContextPtr NewClient(OSSL_LIB_CTX* library);

// A full handshake in memory.
bool Handshake(SSL_CTX* server, SSL_CTX* client);

}  // namespace bench

#endif  // TESTS_BENCH_HANDSHAKE_H_
