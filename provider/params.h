// SPDX-License-Identifier: Apache-2.0
#ifndef PROVIDER_PARAMS_H_
#define PROVIDER_PARAMS_H_

#include <openssl/core.h>
#include <openssl/params.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "core.h"

namespace provider {

// ---- Typed views of one OSSL_PARAM ----
// A wrong type or a value out of range is kInvalidArgument; the detail names the parameter.

Result<std::string_view> GetText(const OSSL_PARAM& param);  // valid as long as the parameter is
Result<int> GetInt(const OSSL_PARAM& param);
Result<unsigned> GetUnsigned(const OSSL_PARAM& param);
Result<std::size_t> GetSize(const OSSL_PARAM& param);
Result<ByteView> GetOctets(const OSSL_PARAM& param);
Result<Bytes> GetInteger(const OSSL_PARAM& param);  // unsigned, big-endian, no leading zeros
Result<hsmcore::Digest> GetDigest(const OSSL_PARAM& param);  // kDigest: the detail has the name
Result<hsmcore::Digest> FindDigest(std::string_view name);   // the same
Status PutDigest(OSSL_PARAM& param, hsmcore::Digest digest);

// A parameter whose data is nullptr is a question for the size. Too small a buffer is
// kBufferTooSmall.
Status PutText(OSSL_PARAM& param, std::string_view text);
Status PutTextPointer(OSSL_PARAM& param, const char* text);  // that lives as long as the provider
Status PutInt(OSSL_PARAM& param, int value);
Status PutUnsigned(OSSL_PARAM& param, unsigned value);
Status PutSize(OSSL_PARAM& param, std::size_t value);
Status PutOctets(OSSL_PARAM& param, ByteView octets);
Status PutOctetPointer(OSSL_PARAM& param, ByteView octets);
Status PutInteger(OSSL_PARAM& param, ByteView big_endian);

inline bool IsText(const OSSL_PARAM& param) {
  return param.data_type == OSSL_PARAM_UTF8_STRING || param.data_type == OSSL_PARAM_UTF8_PTR;
}

// ---- Tables ----

// One parameter of a context: what is announced, and what is done with it. nullptr stands where it
// cannot be set or read.
template <class Context>
struct ParamRow {
  using Set = Status (*)(Context&, const OSSL_PARAM&);
  using Get = Status (*)(const Context&, OSSL_PARAM&);

  // The three forms are apart because g++ with -fsanitize=undefined does not take the comparison of
  // a function's address with nullptr for a constant.
  constexpr ParamRow() = default;
  constexpr ParamRow(const char* name, unsigned kind, Set setter, Get getter)
      : key(name), type(kind), set(setter), get(getter), settable(true), gettable(true) {}
  constexpr ParamRow(const char* name, unsigned kind, Set setter, std::nullptr_t)
      : key(name), type(kind), set(setter), settable(true) {}
  constexpr ParamRow(const char* name, unsigned kind, std::nullptr_t, Get getter)
      : key(name), type(kind), get(getter), gettable(true) {}

  const char* key = nullptr;
  unsigned type = 0;
  Set set = nullptr;
  Get get = nullptr;
  bool settable = false;
  bool gettable = false;
};

// For parameters that OpenSSL's own provider takes and that have no meaning for a held key
// (property queries of digests that are not fetched).
template <class Context>
Status Ignore(Context&, const OSSL_PARAM&) {
  return {};
}

// For a text with which only one value can be asked for. kNotSupported.
Status CheckOnlyValue(const OSSL_PARAM& param, std::string_view allowed);

// Rows that several tables share, and the rows of one.
template <class Context, std::size_t N, std::size_t M>
consteval std::array<ParamRow<Context>, N + M> Join(
    const std::array<ParamRow<Context>, N>& first, const std::array<ParamRow<Context>, M>& second) {
  std::array<ParamRow<Context>, N + M> rows{};
  std::copy(second.begin(), second.end(), std::copy(first.begin(), first.end(), rows.begin()));
  return rows;
}

constexpr OSSL_PARAM Announcement(const char* key, unsigned type) {
  return {key, type, nullptr, 0, OSSL_PARAM_UNMODIFIED};
}

// The lists that libcrypto is told, made from the same rows that SetAll and GetAll walk.
template <class Context, std::size_t N>
consteval std::array<OSSL_PARAM, N + 1> Settable(const std::array<ParamRow<Context>, N>& rows) {
  std::array<OSSL_PARAM, N + 1> list{};
  std::size_t used = 0;
  for (const auto& row : rows) {
    if (row.settable) list[used++] = Announcement(row.key, row.type);
  }
  return list;
}
template <class Context, std::size_t N>
consteval std::array<OSSL_PARAM, N + 1> Gettable(const std::array<ParamRow<Context>, N>& rows) {
  std::array<OSSL_PARAM, N + 1> list{};
  std::size_t used = 0;
  for (const auto& row : rows) {
    if (row.gettable) list[used++] = Announcement(row.key, row.type);
  }
  return list;
}

// Sets what is there, in the order of the rows (a padding mode before its salt length, however the
// caller ordered them). Unknown parameters are skipped, as everywhere in OpenSSL.
template <class Context>
Status SetAll(Context& context, std::span<const ParamRow<Context>> rows, const OSSL_PARAM* params) {
  if (params == nullptr || params->key == nullptr) return {};
  for (const auto& row : rows) {
    if (!row.settable) continue;
    const OSSL_PARAM* param = OSSL_PARAM_locate_const(params, row.key);
    if (param != nullptr) HSMCORE_CHECK(row.set(context, *param));
  }
  return {};
}
template <class Context>
Status GetAll(const Context& context, std::span<const ParamRow<Context>> rows, OSSL_PARAM* params) {
  if (params == nullptr) return {};
  for (const auto& row : rows) {
    if (!row.gettable) continue;
    OSSL_PARAM* param = OSSL_PARAM_locate(params, row.key);
    if (param != nullptr) HSMCORE_CHECK(row.get(context, *param));
  }
  return {};
}

}  // namespace provider

#endif  // PROVIDER_PARAMS_H_
