// SPDX-License-Identifier: Apache-2.0
#include "crypto/library.h"

#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <cstddef>
#include <mutex>
#include <new>

#include "base/fork_guard.h"
#include "base/text.h"
#include "crypto/fips_module.h"
#include "crypto/twin_provider.h"
#include "hsmcore/key.h"

namespace hsmcore::crypto {
namespace {

struct Registry {
  struct Entry {
    Library* library = nullptr;
    std::size_t users = 0;
  };
  ForkMutex mutex;
  std::array<Entry, 2> entries;  // by kind

  Entry& Of(LibraryKind kind) { return entries.at(static_cast<std::size_t>(kind)); }
};

// What KindFor has settled for FIPS mode.
enum class Settled : std::uint8_t { kNot, kPolicyOnly, kModule };
constinit std::atomic<Settled> fips_settled = Settled::kNot;

// Never destroyed: the last user may let go while OPENSSL_cleanup() runs, after the destructors of
// statics.
Registry& TheRegistry() {
  alignas(Registry) static std::array<std::byte, sizeof(Registry)> storage;
  static auto* const registry = new (storage.data()) Registry;
  return *registry;
}

}  // namespace

Result<LibraryKind> KindFor(ClusterMode mode) {
  if (mode != ClusterMode::kFips) return LibraryKind::kDefault;
  Settled settled = fips_settled.load(std::memory_order_acquire);
  if (settled == Settled::kNot) {
    HSMCORE_TRY(const auto files, LocateFipsModule());
    if (files) HSMCORE_CHECK(Library::Acquire(LibraryKind::kFips));
    const Settled found = files ? Settled::kModule : Settled::kPolicyOnly;
    // Of two threads that find different things, the first one has settled it.
    if (fips_settled.compare_exchange_strong(settled, found)) settled = found;
  }
  return settled == Settled::kModule ? LibraryKind::kFips : LibraryKind::kDefault;
}

Result<LibraryPtr> Library::Acquire(LibraryKind kind) {
  Registry& registry = TheRegistry();
  std::unique_lock lock(registry.mutex);
  Registry::Entry& entry = registry.Of(kind);
  if (entry.library == nullptr) {
    HSMCORE_TRY(entry.library, Create(kind));
  }
  Library* const library = entry.library;
  ++entry.users;
  lock.unlock();  // without memory for it, the pointer calls Release(), which locks
  return LibraryPtr(library, &Library::Release);
}

namespace {

Result<OSSL_PROVIDER*> LoadProvider(LibraryKind kind, OSSL_LIB_CTX* context) {
  if (kind == LibraryKind::kFips) {
    HSMCORE_TRY(const auto files, LocateFipsModule());
    if (files) return LoadFipsModule(context, *files);
    return Fail(ErrorCode::kFipsModule, "there is none on this machine");
  }
  const ErrorMark errors;
  if (OSSL_PROVIDER* provider = OSSL_PROVIDER_load(context, "default")) return provider;
  return errors.Fail(ErrorCode::kCryptoFailure, "OpenSSL's default provider");
}

}  // namespace

Result<Library*> Library::Create(LibraryKind kind) {
  const ErrorMark errors;
  OSSL_LIB_CTX* context = OSSL_LIB_CTX_new();
  if (context == nullptr) {
    return errors.Fail(ErrorCode::kCryptoFailure, "OpenSSL gives no library context");
  }
  const auto provider = LoadProvider(kind, context);
  if (!provider) {
    OSSL_LIB_CTX_free(context);
    return std::unexpected(provider.error());
  }
  auto* const library = new Library(kind, context, *provider);
  // The module's file need not be there any more when it is wanted again.
  library->several_threads_.store(kind == LibraryKind::kFips);
  return library;
}

// A context that another thread has used must outlive that thread, and nobody tells us when it
// ends: then it stays here for the next user.
void Library::Release(const Library* library) {
  Registry& registry = TheRegistry();
  const std::lock_guard lock(registry.mutex);
  Registry::Entry& entry = registry.Of(library->kind());
  if (--entry.users != 0 || !library->OnlyThisThreadUsedIt()) return;
  entry.library = nullptr;
  delete library;
}

Library::~Library() {
  const ErrorMark errors;
  for (const std::atomic<EVP_MD*>& digest : digests_) EVP_MD_free(digest.load());
  for (const std::atomic<EVP_PKEY*>& key : parameters_) EVP_PKEY_free(key.load());
  OSSL_PROVIDER_unload(provider_);
  OSSL_LIB_CTX_free(context_);
}

bool Library::OnlyThisThreadUsedIt() const {
  const pthread_t first = first_thread_.load();
  return !several_threads_.load() && (first == pthread_t{} || first == pthread_self());
}

void Library::NoteThread() const {
  const pthread_t self = pthread_self();
  pthread_t first = first_thread_.load(std::memory_order_relaxed);
  if (first == self) return;
  if (first == pthread_t{} && first_thread_.compare_exchange_strong(first, self)) return;
  // Read first: a store at each operation would send the cache line from core to core.
  if (!several_threads_.load(std::memory_order_relaxed)) several_threads_.store(true);
}

Status Library::KeepForForwarding() const {
  const std::lock_guard lock(TheRegistry().mutex);
  several_threads_.store(true);
  if (has_twin_) return {};
  HSMCORE_CHECK(LoadTwin(context_, provider_));
  has_twin_ = true;
  return {};
}

Result<const EVP_MD*> Library::Fetch(Digest digest) const {
  if (digest == Digest::kNone) return Fail(ErrorCode::kDigest, "a digest is needed here");
  std::atomic<EVP_MD*>& slot = digests_[static_cast<std::size_t>(digest)];
  if (EVP_MD* ready = slot.load(std::memory_order_acquire)) return ready;
  const LibraryScope scope(*this);
  EVP_MD* fetched = EVP_MD_fetch(context_, RowOf(digest).name, nullptr);
  if (fetched == nullptr) return scope.Fail(ErrorCode::kDigest, RowOf(digest).name);
  EVP_MD* winner = nullptr;
  if (slot.compare_exchange_strong(winner, fetched, std::memory_order_acq_rel)) return fetched;
  EVP_MD_free(fetched);
  return winner;
}

Result<EVP_PKEY*> Library::Parameters(Curve curve) const {
  std::atomic<EVP_PKEY*>& slot = parameters_.at(static_cast<std::size_t>(curve));
  if (EVP_PKEY* ready = slot.load(std::memory_order_acquire)) return ready;
  const LibraryScope scope(*this);
  std::string group = RowOf(curve).name;
  const std::array params = {
      OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group.data(), 0),
      OSSL_PARAM_construct_end()};
  const PkeyCtxPtr context(EVP_PKEY_CTX_new_from_name(context_, "EC", nullptr));
  EVP_PKEY* made = nullptr;
  if (context == nullptr || EVP_PKEY_paramgen_init(context.get()) != 1 ||
      EVP_PKEY_CTX_set_params(context.get(), params.data()) != 1 ||
      EVP_PKEY_paramgen(context.get(), &made) != 1) {
    return scope.Fail(ErrorCode::kKeySize, group);
  }
  EVP_PKEY* winner = nullptr;
  if (slot.compare_exchange_strong(winner, made, std::memory_order_acq_rel)) return made;
  EVP_PKEY_free(made);
  return winner;
}

bool Library::Offers(int operation, std::string_view name) const {
  int no_cache = 0;
  const OSSL_ALGORITHM* const offered =
      OSSL_PROVIDER_query_operation(provider_, operation, &no_cache);
  bool found = false;
  for (const OSSL_ALGORITHM* row = offered; row != nullptr && row->algorithm_names != nullptr;
       ++row) {
    const std::string_view names = row->algorithm_names;
    found = found || names.substr(0, names.find(':')) == name;
  }
  OSSL_PROVIDER_unquery_operation(provider_, operation, offered);
  return found;
}

bool Library::HasEddsaInstances() const {
  Answer answer = eddsa_instances_.load(std::memory_order_relaxed);
  if (answer == Answer::kUnknown) {
    const LibraryScope scope(*this);
    const OpensslPtr<EVP_SIGNATURE, EVP_SIGNATURE_free> eddsa(
        EVP_SIGNATURE_fetch(context_, "ED25519", nullptr));
    const OSSL_PARAM* settable =
        eddsa == nullptr ? nullptr : EVP_SIGNATURE_settable_ctx_params(eddsa.get());
    const bool has =
        settable != nullptr && OSSL_PARAM_locate_const(settable, "instance") != nullptr;
    answer = has ? Answer::kYes : Answer::kNo;
    eddsa_instances_.store(answer, std::memory_order_relaxed);
  }
  return answer == Answer::kYes;
}

ErrorMark::ErrorMark() : before_(ERR_peek_last_error()) { ERR_set_mark(); }
ErrorMark::~ErrorMark() { ERR_pop_to_mark(); }

std::string Library::ProviderName() const {
  char* name = nullptr;
  char* version = nullptr;
  std::array params = {OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_NAME, &name, 0),
                       OSSL_PARAM_construct_utf8_ptr(OSSL_PROV_PARAM_VERSION, &version, 0),
                       OSSL_PARAM_construct_end()};
  const ErrorMark errors;
  if (OSSL_PROVIDER_get_params(provider_, params.data()) != 1 || name == nullptr) return "unnamed";
  return version == nullptr ? std::string(name) : Cat(name, " ", version);
}

std::string_view ErrorMark::Reason() const {
  const OpensslError newest = ERR_peek_last_error();
  const char* reason = newest == before_ ? nullptr : ERR_reason_error_string(newest);
  return reason == nullptr ? std::string_view{} : reason;
}

std::unexpected<Error> ErrorMark::Fail(ErrorCode code, std::string_view what,
                                       std::source_location where) const {
  const std::string_view reason = Reason();
  return hsmcore::Fail(code, reason.empty() ? std::string(what) : Cat(what, ": ", reason), where);
}

std::unexpected<Error> LibraryScope::Fail(ErrorCode code, std::string_view what,
                                          std::source_location where) const {
  if (kind_ == LibraryKind::kDefault) return ErrorMark::Fail(code, what, where);
  const std::string_view reason = Reason();
  return hsmcore::Fail(code,
                       Cat(what, reason.empty() ? "" : ": ", reason,
                           " (the cluster is in FIPS mode, and OpenSSL's FIPS module does not have "
                           "this, or does not allow it)"),
                       where);
}

}  // namespace hsmcore::crypto

namespace hsmcore {

std::string FipsModule::Summary() const {
  if (!problem.empty()) return "cannot be used";
  return policy_only() ? "policy only" : name;
}

FipsModule FindFipsModule() {
  using crypto::LibraryKind;
  const auto kind = crypto::KindFor(ClusterMode::kFips);
  if (!kind) return {{}, kind.error().Message()};
  if (*kind != LibraryKind::kFips) return {};
  const auto library = crypto::Library::Acquire(LibraryKind::kFips);
  if (!library) return {{}, library.error().Message()};
  return {(*library)->ProviderName(), {}};
}

bool IsAvailable(KeyType type) {
  if (IsSecret(type)) return true;
  const auto library = crypto::Library::Acquire();
  return library && (*library)->Offers(OSSL_OP_KEYMGMT, RowOf(type).openssl);
}

bool HasSignature(std::string_view name) {
  const auto library = crypto::Library::Acquire();
  return library && (*library)->Offers(OSSL_OP_SIGNATURE, name);
}

bool HasEddsaInstances() {
  const auto library = crypto::Library::Acquire();
  return library && (*library)->HasEddsaInstances();
}

}  // namespace hsmcore
