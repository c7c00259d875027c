// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_FORWARDED_SUPPORT_H_
#define TESTS_PROVIDER_FORWARDED_SUPPORT_H_

#include <openssl/kdf.h>
#include <openssl/params.h>

#include <algorithm>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "provider/provider_fixture.h"

namespace provider::test {

inline constexpr const char* kHsm = "provider=hsm";
inline constexpr const char* kDefault = "provider=default";

// One row for each kind of algorithm that EVP fetches.
template <class T>
struct Evp;
#define EVP_KIND(TYPE)                                      \
  template <>                                               \
  struct Evp<TYPE> {                                        \
    static constexpr auto kFetch = TYPE##_fetch;            \
    static constexpr auto kFree = TYPE##_free;              \
    static constexpr auto kName = TYPE##_get0_name;         \
    static constexpr auto kNames = TYPE##_names_do_all;     \
    static constexpr auto kProvider = TYPE##_get0_provider; \
    static constexpr auto kAll = TYPE##_do_all_provided;    \
  }
EVP_KIND(EVP_MD);
EVP_KIND(EVP_CIPHER);
EVP_KIND(EVP_MAC);
EVP_KIND(EVP_KDF);
EVP_KIND(EVP_RAND);
EVP_KIND(EVP_KEYMGMT);
EVP_KIND(EVP_KEYEXCH);
EVP_KIND(EVP_SIGNATURE);
#undef EVP_KIND

template <class T>
using Method = std::shared_ptr<T>;

template <class T>
Method<T> Fetch(const Library& library, const std::string& name, const char* query) {
  T* method = Evp<T>::kFetch(library.get(), name.c_str(), query);
  EXPECT_NE(method, nullptr) << name << " " << query << ": " << ErrorDetails();
  return {method, Evp<T>::kFree};
}

// All names of each algorithm that a provider offers, sorted.
template <class T>
std::vector<std::vector<std::string>> NamesOf(const Library& library, const char* provider) {
  struct Walk {
    std::string provider;
    std::vector<std::vector<std::string>> found;
  } walk{provider, {}};
  Evp<T>::kAll(
      library.get(),
      [](T* method, void* argument) {
        auto& state = *static_cast<Walk*>(argument);
        if (OSSL_PROVIDER_get0_name(Evp<T>::kProvider(method)) != state.provider) return;
        Evp<T>::kNames(
            method,
            [](const char* name, void* list) {
              static_cast<std::vector<std::string>*>(list)->emplace_back(name);
            },
            &state.found.emplace_back());
        std::ranges::sort(state.found.back());
      },
      &walk);
  std::ranges::sort(walk.found);
  return walk.found;
}

// A name of each algorithm that the HSM provider offers.
template <class T>
std::vector<std::string> OneNameOfEach(const Library& library) {
  std::vector<std::string> list;
  for (const auto& names : NamesOf<T>(library, "hsm")) list.push_back(names.front());
  EXPECT_FALSE(list.empty());
  return list;
}

// "key:type" of each entry; "none" for no list at all.
inline std::vector<std::string> KeysOf(const OSSL_PARAM* list) {
  if (list == nullptr) return {"none"};
  std::vector<std::string> keys;
  for (; list->key != nullptr; ++list) {
    keys.push_back(std::string(list->key) + ":" + std::to_string(list->data_type));
  }
  return keys;
}

// Random bytes from a seed that a failing test prints.
class Random {
 public:
  Bytes operator()(std::size_t size) {
    Bytes bytes(size);
    for (auto& byte : bytes) byte = static_cast<std::uint8_t>(engine_());
    return bytes;
  }
  std::size_t Below(std::size_t limit) { return engine_() % limit; }
  std::string Trace() const { return "seed " + std::to_string(seed_); }

 private:
  std::random_device::result_type seed_ = std::random_device{}();
  std::mt19937 engine_{seed_};
};

// A list of parameters that owns its values.
class Params {
 public:
  Params& Text(const char* key, const std::string& value) {
    // Some of OpenSSL's functions read up to a NUL.
    Bytes text(value.begin(), value.end());
    text.push_back(0);
    return Add(key, OSSL_PARAM_UTF8_STRING, std::move(text));
  }
  Params& Octets(const char* key, Bytes value) {
    return Add(key, OSSL_PARAM_OCTET_STRING, std::move(value));
  }
  Params& Number(const char* key, std::uint64_t value) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    return Add(key, OSSL_PARAM_UNSIGNED_INTEGER, Bytes(bytes, bytes + sizeof value));
  }
  Params& Integer(const char* key, int value) {
    const auto* bytes = reinterpret_cast<const std::uint8_t*>(&value);
    return Add(key, OSSL_PARAM_INTEGER, Bytes(bytes, bytes + sizeof value));
  }
  // Valid until the next change.
  const OSSL_PARAM* get() {
    list_.clear();
    for (auto& row : rows_) {
      const std::size_t size = row.value.size() - (row.type == OSSL_PARAM_UTF8_STRING ? 1 : 0);
      list_.push_back({row.key, row.type, row.value.data(), size, 0});
    }
    list_.push_back(OSSL_PARAM_construct_end());
    return list_.data();
  }

 private:
  struct Row {
    const char* key;
    unsigned type;
    Bytes value;
  };
  Params& Add(const char* key, unsigned type, Bytes value) {
    rows_.push_back({key, type, std::move(value)});
    return *this;
  }

  std::vector<Row> rows_;
  std::vector<OSSL_PARAM> list_;
};

}  // namespace provider::test

#endif  // TESTS_PROVIDER_FORWARDED_SUPPORT_H_
