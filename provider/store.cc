// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/store.h>

#include <array>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dispatch.h"
#include "guard.h"
#include "key_object.h"
#include "params.h"

namespace provider {
namespace {

using hsmcore::KeyClass;
using hsmcore::KeyHandle;
using hsmcore::KeyQuery;
using hsmcore::KeyUri;

// The objects behind one hsm: URI.
//
constexpr const char* kNoSecretKeys =
    "a secret key cannot be loaded as an object; type can be private or public here";

// A URI that names a key (object, id or handle) gives exactly that one: the private half, after a
// login; or the public half and without login, with type=public or where the application expects a
// public key. So does any other URI where the application expects a key: it takes the first that it
// gets, and which one that is must not be left to chance.
//
// Otherwise a URI that names no key lists what is visible: with a password at hand each pair once
// as a private key, and the public keys that stand alone; without one, the public keys. Nobody is
// asked for a password here. Secret keys are no objects that OSSL_STORE could hand over on every
// version; an application that expects nothing in particular sees their URIs.
class Store {
 public:
  Store(const ProviderContext& provider, KeyUri uri) : provider_(provider), uri_(std::move(uri)) {}

  const Core& core() const { return provider_.core; }

  // False: nothing (more) is there.
  Result<bool> Load(OSSL_CALLBACK* callback, void* argument, const Prompt& prompt);
  bool at_end() const { return at_end_; }
  Status Set(const OSSL_PARAM* params);
  Status Expect(const OSSL_PARAM& param);

 private:
  struct Item {
    KeyHandle handle;
    bool with_private = false;
    std::string description;  // of a secret key
  };

  bool WantsPrivate() const {
    return uri_.klass != KeyClass::kPublicKey && expected_ != OSSL_STORE_INFO_PUBKEY;
  }
  bool WantsNoKey() const;
  bool WantsOne() const {
    return uri_.names_a_key() || expected_ == OSSL_STORE_INFO_PKEY ||
           expected_ == OSSL_STORE_INFO_PUBKEY;
  }
  Result<std::unique_ptr<KeyObject>> LoadOne(const Prompt& prompt);
  Result<std::unique_ptr<KeyObject>> LoadNext();
  Status List();
  void AddToList(const hsmcore::KeyInfo& info);

  const ProviderContext& provider_;
  const KeyUri uri_;
  int expected_ = 0;  // an OSSL_STORE_INFO_ type; 0 is anything
  SessionPtr session_;
  bool listed_ = false;
  std::vector<Item> items_;
  std::size_t next_ = 0;
  bool failed_ = false;
  bool at_end_ = false;
};

// OSSL_STORE_INFO_NAME: the URI of what is there.
bool HandOverName(KeyHandle handle, const std::optional<std::string>& cluster,
                  std::string description, OSSL_CALLBACK* callback, void* argument) {
  KeyUri uri;
  uri.cluster = cluster;
  uri.handle = handle;
  uri.klass = KeyClass::kSecretKey;
  std::string name = uri.ToString();
  int object_type = OSSL_OBJECT_NAME;
  const std::array<OSSL_PARAM, 4> params = {
      OSSL_PARAM_construct_int(OSSL_OBJECT_PARAM_TYPE, &object_type),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DATA, name.data(), 0),
      OSSL_PARAM_construct_utf8_string(OSSL_OBJECT_PARAM_DESC, description.data(), 0),
      OSSL_PARAM_construct_end()};
  return callback(params.data(), argument) == 1;
}

// A store of certificates can be searched by subject, a store of keys cannot.
Status RefuseSearch(Store&, const OSSL_PARAM&) {
  return Fail(ErrorCode::kNotSupported,
              "keys in the HSM are found by the URI: hsm:LABEL, hsm:id=%..");
}

constexpr auto kRows = std::to_array<ParamRow<Store>>({
    {OSSL_STORE_PARAM_EXPECT, OSSL_PARAM_INTEGER,
     [](Store& store, const OSSL_PARAM& param) { return store.Expect(param); }, nullptr},
    {OSSL_STORE_PARAM_PROPERTIES, OSSL_PARAM_UTF8_STRING, Ignore<Store>, nullptr},
    {OSSL_STORE_PARAM_INPUT_TYPE, OSSL_PARAM_UTF8_STRING, Ignore<Store>, nullptr},
    {OSSL_STORE_PARAM_SUBJECT, OSSL_PARAM_OCTET_STRING, RefuseSearch, nullptr},
});
constexpr auto kSettable = Settable(kRows);

Status Store::Set(const OSSL_PARAM* params) { return SetAll<Store>(*this, kRows, params); }

Status Store::Expect(const OSSL_PARAM& param) {
  HSMCORE_TRY(expected_, GetInt(param));
  return {};
}

bool Store::WantsNoKey() const {
  return expected_ != 0 && expected_ != OSSL_STORE_INFO_PKEY && expected_ != OSSL_STORE_INFO_PUBKEY;
}

// After a failure one more call ends the walk: libcrypto remembers an error only while the end is
// not reached, and programs go on calling until it is.
Result<bool> Store::Load(OSSL_CALLBACK* callback, void* argument, const Prompt& prompt) {
  if (failed_ || at_end_ || WantsNoKey()) {
    at_end_ = true;
    return false;
  }
  if (!WantsOne()) HSMCORE_CHECK(List());
  if (!WantsOne() && next_ == items_.size()) {
    at_end_ = true;
    return false;
  }
  if (!WantsOne() && !items_[next_].description.empty()) {
    const Item& secret = items_[next_++];
    at_end_ = next_ == items_.size();
    return HandOverName(secret.handle, uri_.cluster, secret.description, callback, argument);
  }
  auto object = WantsOne() ? LoadOne(prompt) : LoadNext();
  if (!object) {
    // One bad key does not hide the others of a listing.
    failed_ = WantsOne();
    return std::unexpected(std::move(object).error());
  }
  at_end_ = WantsOne() || next_ == items_.size();
  return HandOver(*std::move(object), callback, argument);
}

Result<std::unique_ptr<KeyObject>> Store::LoadOne(const Prompt& prompt) {
  if (expected_ == OSSL_STORE_INFO_PKEY && !WantsPrivate()) {
    return Fail(ErrorCode::kPublicKeyOnly,
                "the program needs the private key and the URI says type=public: drop type=public, "
                "or use -pubin where the program can do with the public key");
  }
  if (uri_.klass == KeyClass::kSecretKey) return Fail(ErrorCode::kNotSupported, kNoSecretKeys);
  HSMCORE_TRY(SessionPtr session, WantsPrivate() ? provider_.access.Login(uri_, prompt)
                                                 : provider_.access.Anonymous(uri_));
  const KeyQuery query = KeyQuery::FromUri(uri_);
  auto key = session->Load(query, WantsPrivate());
  const bool try_public = expected_ == 0 && !uri_.klass;
  if (!key && try_public && key.error().code() == ErrorCode::kKeyNotFound) {
    auto public_key = session->Load(query, /*want_private=*/false);
    if (public_key) key = std::move(public_key);
  }
  if (!key) return std::unexpected(std::move(key).error());
  return KeyObject::Of(provider_, *std::move(key), std::move(session));
}

Status Store::List() {
  if (listed_) return {};
  failed_ = true;  // until it is done
  HSMCORE_TRY(session_, WantsPrivate() ? provider_.access.LoginWithoutAsking(uri_)
                                       : provider_.access.Anonymous(uri_));
  HSMCORE_TRY(const std::vector<hsmcore::KeyInfo> found, session_->Find(KeyQuery::FromUri(uri_)));
  for (const auto& info : found) AddToList(info);
  listed_ = true;
  failed_ = false;
  return {};
}

void Store::AddToList(const hsmcore::KeyInfo& info) {
  if (info.klass == KeyClass::kSecretKey) {
    if (expected_ != 0) return;
    items_.push_back({info.handle, false,
                      std::string(NameOf(info.type())) + " key '" + info.attributes.label + "'"});
    return;
  }
  const bool is_private = info.klass == KeyClass::kPrivateKey;
  if (is_private && !WantsPrivate()) return;
  // In the order of handles a public half follows its private half.
  const bool shown_already =
      !items_.empty() && items_.back().handle == info.handle.PrivateHalf() && !is_private;
  if (!shown_already) items_.push_back({info.handle, is_private, {}});
}

Result<std::unique_ptr<KeyObject>> Store::LoadNext() {
  const Item item = items_[next_++];
  KeyQuery query;
  query.handle = item.handle;
  HSMCORE_TRY(hsmcore::KeyPtr key, session_->Load(query, item.with_private));
  return KeyObject::Of(provider_, std::move(key), session_);
}

// ---- C callbacks ----

Store& Of(void* ctx) { return *static_cast<Store*>(ctx); }

void* Open(void* provctx, const char* uri) {
  const auto& provider = ProviderContext::From(provctx);
  return Guard(provider.core, [&]() -> Result<std::unique_ptr<Store>> {
    HSMCORE_TRY(KeyUri parsed, KeyUri::Parse(uri));
    if (parsed.certificate) {
      return Fail(ErrorCode::kNotSupported, "type can be private or public");
    }
    if (parsed.klass == KeyClass::kSecretKey && parsed.names_a_key()) {
      return Fail(ErrorCode::kNotSupported, kNoSecretKeys);
    }
    return std::make_unique<Store>(provider, std::move(parsed));
  });
}

int Load(void* ctx, OSSL_CALLBACK* callback, void* argument, OSSL_PASSPHRASE_CALLBACK* ask,
         void* ask_argument) {
  return Guard(Of(ctx).core(),
               [&] { return Of(ctx).Load(callback, argument, Prompt{ask, ask_argument}); });
}

int Eof(void* ctx) { return Of(ctx).at_end() ? 1 : 0; }

int Close(void* ctx) {
  delete static_cast<Store*>(ctx);
  return 1;
}

int SetParams(void* ctx, const OSSL_PARAM* params) {
  return Guard(Of(ctx).core(), [&] { return Of(ctx).Set(params); });
}
const OSSL_PARAM* SettableParams(void*) { return kSettable.data(); }

}  // namespace

// There is no export_object: with it, libcrypto would rather move a public key of the HSM into
// another provider than leave it here.
const OSSL_DISPATCH kStore[] = {
    HSM_ENTRY(STORE_OPEN, store_open, Open),
    HSM_ENTRY(STORE_LOAD, store_load, Load),
    HSM_ENTRY(STORE_EOF, store_eof, Eof),
    HSM_ENTRY(STORE_CLOSE, store_close, Close),
    HSM_ENTRY(STORE_SET_CTX_PARAMS, store_set_ctx_params, SetParams),
    HSM_ENTRY(STORE_SETTABLE_CTX_PARAMS, store_settable_ctx_params, SettableParams),
    HSM_ENTRY_END,
};

}  // namespace provider
