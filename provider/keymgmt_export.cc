// SPDX-License-Identifier: Apache-2.0
#include <openssl/bn.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/param_build.h>

#include <array>
#include <memory>
#include <span>
#include <string>

#include "keymgmt.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::KeyType;
using hsmcore::RsaPublic;

struct Free {
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
  void operator()(BIGNUM* number) const { BN_free(number); }
};
template <class T>
using Ptr = std::unique_ptr<T, Free>;

// Collects values; the numbers have to live until the parameters are made of them.
struct Collector {
  Ptr<OSSL_PARAM_BLD> builder{OSSL_PARAM_BLD_new()};
  std::array<Ptr<BIGNUM>, 2> numbers;
  std::size_t used = 0;

  bool Number(const char* key, ByteView big_endian) {
    auto& number = numbers.at(used++);
    number.reset(BN_bin2bn(big_endian.data(), static_cast<int>(big_endian.size()), nullptr));
    return number != nullptr && OSSL_PARAM_BLD_push_BN(builder.get(), key, number.get()) == 1;
  }
  bool Text(const char* key, const char* text) const {
    return OSSL_PARAM_BLD_push_utf8_string(builder.get(), key, text, 0) == 1;
  }
  bool Octets(const char* key, ByteView octets) const {
    return OSSL_PARAM_BLD_push_octet_string(builder.get(), key, octets.data(), octets.size()) == 1;
  }
  bool Int(const char* key, int value) const {
    return OSSL_PARAM_BLD_push_int(builder.get(), key, value) == 1;
  }
};

// One exported value: which selections ask for it, and how it is put in. `put` leaves out what the
// key does not have.
struct Row {
  const char* key;
  unsigned type;
  int selection;
  bool (*put)(Collector&, const char* key, const KeyObject&);
};

constexpr int kPublic = OSSL_KEYMGMT_SELECT_KEYPAIR;
constexpr int kDomain = OSSL_KEYMGMT_SELECT_DOMAIN_PARAMETERS;
constexpr int kOther = OSSL_KEYMGMT_SELECT_OTHER_PARAMETERS;

const RsaPublic& RsaOf(const KeyObject& object) {
  return std::get<RsaPublic>(object.key()->public_part());
}

bool PutModulus(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr || out.Number(key, RsaOf(object).modulus);
}
bool PutExponent(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr || out.Number(key, RsaOf(object).exponent);
}
bool PutPssDigest(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr || !RsaOf(object).pss ||
         out.Text(key, RowOf(RsaOf(object).pss->digest).name);
}
bool PutPssMgfDigest(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr || !RsaOf(object).pss ||
         out.Text(key, RowOf(RsaOf(object).pss->mgf_digest).name);
}
bool PutPssSaltLength(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr || !RsaOf(object).pss ||
         out.Int(key, RsaOf(object).pss->min_salt_length);
}
bool PutGroup(Collector& out, const char* key, const KeyObject& object) {
  return !object.curve() || out.Text(key, RowOf(*object.curve()).name);
}
bool PutEncoding(Collector& out, const char* key, const KeyObject&) {
  return out.Text(key, OSSL_PKEY_EC_ENCODING_GROUP);
}
bool PutPointFormat(Collector& out, const char* key, const KeyObject&) {
  return out.Text(key, OSSL_PKEY_EC_POINT_CONVERSION_FORMAT_UNCOMPRESSED);
}
bool PutPoint(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr ||
         out.Octets(key, std::get<hsmcore::EcPublic>(object.key()->public_part()).point);
}
bool PutRaw(Collector& out, const char* key, const KeyObject& object) {
  return object.key() == nullptr ||
         out.Octets(key, std::get<hsmcore::RawPublic>(object.key()->public_part()).key);
}

constexpr std::array kRsaRows = {
    Row{OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, kPublic, PutModulus},
    Row{OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, kPublic, PutExponent},
};
constexpr std::array kRsaPssRows = {
    Row{OSSL_PKEY_PARAM_RSA_N, OSSL_PARAM_UNSIGNED_INTEGER, kPublic, PutModulus},
    Row{OSSL_PKEY_PARAM_RSA_E, OSSL_PARAM_UNSIGNED_INTEGER, kPublic, PutExponent},
    Row{OSSL_PKEY_PARAM_RSA_DIGEST, OSSL_PARAM_UTF8_STRING, kOther, PutPssDigest},
    Row{OSSL_PKEY_PARAM_RSA_MGF1_DIGEST, OSSL_PARAM_UTF8_STRING, kOther, PutPssMgfDigest},
    Row{OSSL_PKEY_PARAM_RSA_PSS_SALTLEN, OSSL_PARAM_INTEGER, kOther, PutPssSaltLength},
};
// A curve goes out by its name only: with explicit parameters beside it, the receiver would write
// those into certificates.
constexpr std::array kEcRows = {
    Row{OSSL_PKEY_PARAM_GROUP_NAME, OSSL_PARAM_UTF8_STRING, kDomain, PutGroup},
    Row{OSSL_PKEY_PARAM_EC_ENCODING, OSSL_PARAM_UTF8_STRING, kDomain, PutEncoding},
    Row{OSSL_PKEY_PARAM_EC_POINT_CONVERSION_FORMAT, OSSL_PARAM_UTF8_STRING, kDomain,
        PutPointFormat},
    Row{OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, kPublic, PutPoint},
};
constexpr std::array kRawRows = {
    Row{OSSL_PKEY_PARAM_PUB_KEY, OSSL_PARAM_OCTET_STRING, kPublic, PutRaw},
};

// The announced list for the selections in `kSelection`.
template <auto& kRows, int kSelection>
consteval auto Announce() {
  std::array<OSSL_PARAM, std::size(kRows) + 1> list{};
  std::size_t used = 0;
  for (const Row& row : kRows) {
    if ((row.selection & kSelection) != 0) list[used++] = Announcement(row.key, row.type);
  }
  return list;
}
template <auto& kRows, int kSelection>
struct List {
  static constexpr auto kParams = Announce<kRows, kSelection>();
};

struct TypeRows {
  std::span<const Row> rows;
  const OSSL_PARAM* keys;
  const OSSL_PARAM* parameters;
  const OSSL_PARAM* both;
};
template <auto& kRows>
constexpr TypeRows RowsWithLists() {
  return {kRows,        List<kRows, kPublic>::kParams.data(),
          List < kRows, kDomain | kOther > ::kParams.data(),
          List < kRows, kPublic | kDomain | kOther > ::kParams.data()};
}

constexpr TypeRows kRsaType = RowsWithLists<kRsaRows>();
constexpr TypeRows kRsaPssType = RowsWithLists<kRsaPssRows>();
constexpr TypeRows kEcType = RowsWithLists<kEcRows>();
constexpr TypeRows kRawType = RowsWithLists<kRawRows>();

const TypeRows& RowsOf(KeyType type) {
  const hsmcore::KeyForm form = hsmcore::RowOf(type).form;
  if (form == hsmcore::KeyForm::kEc) return kEcType;
  if (form == hsmcore::KeyForm::kRsa) return type == KeyType::kRsaPss ? kRsaPssType : kRsaType;
  return kRawType;
}

}  // namespace

const OSSL_PARAM* ExportTypes(KeyType type, int selection) {
  const bool keys = (selection & kPublic) != 0;
  const bool parameters = (selection & (kDomain | kOther)) != 0;
  if (keys && parameters) return RowsOf(type).both;
  if (keys) return RowsOf(type).keys;
  return parameters ? RowsOf(type).parameters : nullptr;
}

Status ExportKey(const KeyObject& object, int selection, OSSL_CALLBACK* callback, void* argument) {
  if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 && object.has_private()) {
    // The reason says it all; no text is made, because OpenSSL 3.0 asks before each signature
    // whether the key could not move to another provider.
    return Fail(ErrorCode::kPrivateKeyHeld, {});
  }
  Collector out;
  if (out.builder == nullptr) return Fail(ErrorCode::kOutOfMemory, {});
  for (const Row& row : RowsOf(object.type()).rows) {
    if ((row.selection & selection) != 0 && !row.put(out, row.key, object)) {
      return Fail(ErrorCode::kOutOfMemory, {});
    }
  }
  const Ptr<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(out.builder.get()));
  if (params == nullptr) return Fail(ErrorCode::kOutOfMemory, {});
  object.MarkUsed();
  if (callback(params.get(), argument) != 1) {
    return Fail(ErrorCode::kNotSupported, "the other provider did not take the key");
  }
  return {};
}

}  // namespace provider
