// SPDX-License-Identifier: Apache-2.0
#include "bench/handshake.h"

#include <openssl/bio.h>

#include "bench/compare.h"

namespace bench {
namespace {

using SslPtr = std::unique_ptr<SSL, SslFree>;

// One step of one side; false when it cannot go on for another reason than missing input.
bool Step(SSL* side) {
  const int done = SSL_do_handshake(side);
  return done == 1 || SSL_get_error(side, done) == SSL_ERROR_WANT_READ;
}

}  // namespace

SslContextPtr NewServer(OSSL_LIB_CTX* library, EVP_PKEY* key, const std::string& certificate) {
  SslContextPtr context(SSL_CTX_new_ex(library, nullptr, TLS_server_method()));
  if (context == nullptr ||
      SSL_CTX_use_certificate_chain_file(context.get(), certificate.c_str()) != 1 ||
      SSL_CTX_use_PrivateKey(context.get(), key) != 1 ||
      SSL_CTX_set_num_tickets(context.get(), 0) != 1) {
    Stop("no TLS server with the certificate " + certificate);
  }
  return context;
}

SslContextPtr NewClient(OSSL_LIB_CTX* library) {
  SslContextPtr context(SSL_CTX_new_ex(library, nullptr, TLS_client_method()));
  if (context == nullptr) Stop("no TLS client");
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_NONE, nullptr);
  return context;
}

bool Handshake(SSL_CTX* server, SSL_CTX* client) {
  const SslPtr server_side(SSL_new(server));
  const SslPtr client_side(SSL_new(client));
  BIO* server_end = nullptr;
  BIO* client_end = nullptr;
  if (BIO_new_bio_pair(&server_end, 0, &client_end, 0) != 1) return false;
  SSL_set_bio(server_side.get(), server_end, server_end);
  SSL_set_bio(client_side.get(), client_end, client_end);
  SSL_set_accept_state(server_side.get());
  SSL_set_connect_state(client_side.get());
  while (SSL_is_init_finished(server_side.get()) != 1) {
    if (!Step(client_side.get()) || !Step(server_side.get())) return false;
  }
  return SSL_is_init_finished(client_side.get()) == 1;
}

}  // namespace bench
