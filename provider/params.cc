// SPDX-License-Identifier: Apache-2.0
#include "params.h"

#include <openssl/bn.h>

#include <cstring>
#include <memory>

namespace provider {
namespace {

struct BnFree {
  void operator()(BIGNUM* number) const { BN_free(number); }
};
using BnPtr = std::unique_ptr<BIGNUM, BnFree>;

std::unexpected<Error> Bad(const OSSL_PARAM& param, const char* expected) {
  return Fail(ErrorCode::kInvalidArgument,
              "parameter '" + std::string(param.key) + "' takes " + expected);
}

Status Put(OSSL_PARAM& param, int ok) {
  if (ok == 1) return {};
  return Fail(ErrorCode::kBufferTooSmall,
              "parameter '" + std::string(param.key) + "' has another type or too small a buffer");
}

}  // namespace

Result<std::string_view> GetText(const OSSL_PARAM& param) {
  if (!IsText(param) || param.data == nullptr) return Bad(param, "a text");
  if (param.data_type == OSSL_PARAM_UTF8_PTR) {
    const char* text = *static_cast<const char* const*>(param.data);
    if (text == nullptr) return Bad(param, "a text");
    return std::string_view(text);
  }
  const char* text = static_cast<const char*>(param.data);
  return std::string_view(text, strnlen(text, param.data_size));
}

Result<int> GetInt(const OSSL_PARAM& param) {
  int value = 0;
  if (OSSL_PARAM_get_int(&param, &value) != 1) return Bad(param, "a number");
  return value;
}

Result<unsigned> GetUnsigned(const OSSL_PARAM& param) {
  unsigned value = 0;
  if (OSSL_PARAM_get_uint(&param, &value) != 1) return Bad(param, "a number that is not negative");
  return value;
}

Result<std::size_t> GetSize(const OSSL_PARAM& param) {
  std::size_t value = 0;
  if (OSSL_PARAM_get_size_t(&param, &value) != 1) {
    return Bad(param, "a number that is not negative");
  }
  return value;
}

Result<ByteView> GetOctets(const OSSL_PARAM& param) {
  const void* data = nullptr;
  std::size_t size = 0;
  if (OSSL_PARAM_get_octet_string_ptr(&param, &data, &size) != 1 ||
      (data == nullptr && size != 0)) {
    return Bad(param, "bytes");
  }
  return ByteView(static_cast<const std::uint8_t*>(data), size);
}

Result<Bytes> GetInteger(const OSSL_PARAM& param) {
  BIGNUM* raw = nullptr;
  const int ok = OSSL_PARAM_get_BN(&param, &raw);
  const BnPtr number(raw);
  if (ok != 1) return Bad(param, "a large number");
  Bytes bytes(static_cast<std::size_t>(BN_num_bytes(number.get())));
  BN_bn2bin(number.get(), bytes.data());
  return bytes;
}

Result<hsmcore::Digest> FindDigest(std::string_view name) {
  const auto digest = hsmcore::DigestByName(name);
  if (!digest) {
    return Fail(ErrorCode::kDigest, "'" + std::string(name.substr(0, 40)) + "' is not supported");
  }
  return *digest;
}

Result<hsmcore::Digest> GetDigest(const OSSL_PARAM& param) {
  HSMCORE_TRY(const std::string_view name, GetText(param));
  return FindDigest(name);
}

Status CheckOnlyValue(const OSSL_PARAM& param, std::string_view allowed) {
  HSMCORE_TRY(const std::string_view text, GetText(param));
  if (text == allowed) return {};
  return Fail(ErrorCode::kNotSupported,
              "'" + std::string(param.key) + "' can only be " + std::string(allowed));
}

Status PutDigest(OSSL_PARAM& param, hsmcore::Digest digest) {
  return PutText(param, RowOf(digest).name);
}

Status PutText(OSSL_PARAM& param, std::string_view text) {
  return Put(param, OSSL_PARAM_set_utf8_string(&param, std::string(text).c_str()));
}
Status PutTextPointer(OSSL_PARAM& param, const char* text) {
  return Put(param, OSSL_PARAM_set_utf8_ptr(&param, text));
}
Status PutInt(OSSL_PARAM& param, int value) {
  return Put(param, OSSL_PARAM_set_int(&param, value));
}
Status PutUnsigned(OSSL_PARAM& param, unsigned value) {
  return Put(param, OSSL_PARAM_set_uint(&param, value));
}
Status PutSize(OSSL_PARAM& param, std::size_t value) {
  return Put(param, OSSL_PARAM_set_size_t(&param, value));
}
Status PutOctets(OSSL_PARAM& param, ByteView octets) {
  return Put(param, OSSL_PARAM_set_octet_string(&param, octets.data(), octets.size()));
}
Status PutOctetPointer(OSSL_PARAM& param, ByteView octets) {
  return Put(param, OSSL_PARAM_set_octet_ptr(&param, octets.data(), octets.size()));
}

Status PutInteger(OSSL_PARAM& param, ByteView big_endian) {
  const BnPtr number(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
  if (number == nullptr) return Fail(ErrorCode::kOutOfMemory, {});
  return Put(param, OSSL_PARAM_set_BN(&param, number.get()));
}

}  // namespace provider
