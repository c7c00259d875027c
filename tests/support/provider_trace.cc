// SPDX-License-Identifier: Apache-2.0
// Records which of OpenSSL's own algorithms a program uses, and by which provider:
//
//   LD_PRELOAD=provider_trace.so HSM_PROVIDER_TRACE=FILE program...
//
// FILE gets a line "WHO OPERATION NAME" when an algorithm is used for the first time: WHO is the
// provider of the program's own library context that it was used by ("default", "base"), or
// "private" for every other context, such as the HSM's.
//
// What a fetch returns proves little: libcrypto's own fetches do not go through the PLT, and what
// is fetched need not be used. So this goes where every use begins: the functions of OpenSSL's
// dispatch tables that are given the provider's context (newctx, new, gen_init, ...). Without one
// of them there is no context, and no key, that anything could be done with. The tables are
// patched in the process's memory before main(), so the program runs unchanged, and whatever in it
// calls them is seen, libcrypto itself included.
#include <fcntl.h>
#include <openssl/core_dispatch.h>
#include <openssl/crypto.h>
#include <openssl/provider.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <utility>

namespace {

// OpenSSL 3.5's operation on EVP_SKEY, which 3.0's headers lack.
constexpr int kOpSkeymgmt = 15;
constexpr int kSkeymgmtImport = 2;
constexpr int kSkeymgmtGenerate = 4;

// Where a use begins. Each of these functions has the provider context as its first argument.
struct Beginning {
  int operation;
  int function;
  const char* text;
};
constexpr std::array kBeginnings = {
    Beginning{OSSL_OP_DIGEST, OSSL_FUNC_DIGEST_NEWCTX, "digest"},
    Beginning{OSSL_OP_DIGEST, OSSL_FUNC_DIGEST_DIGEST, "digest"},
    Beginning{OSSL_OP_CIPHER, OSSL_FUNC_CIPHER_NEWCTX, "cipher"},
    Beginning{OSSL_OP_MAC, OSSL_FUNC_MAC_NEWCTX, "mac"},
    Beginning{OSSL_OP_KDF, OSSL_FUNC_KDF_NEWCTX, "kdf"},
    Beginning{OSSL_OP_RAND, OSSL_FUNC_RAND_NEWCTX, "rand"},
    Beginning{OSSL_OP_KEYMGMT, OSSL_FUNC_KEYMGMT_NEW, "keymgmt"},
    Beginning{OSSL_OP_KEYMGMT, OSSL_FUNC_KEYMGMT_GEN_INIT, "keymgmt"},
    Beginning{OSSL_OP_KEYEXCH, OSSL_FUNC_KEYEXCH_NEWCTX, "keyexch"},
    Beginning{OSSL_OP_SIGNATURE, OSSL_FUNC_SIGNATURE_NEWCTX, "signature"},
    Beginning{OSSL_OP_ASYM_CIPHER, OSSL_FUNC_ASYM_CIPHER_NEWCTX, "asym_cipher"},
    Beginning{OSSL_OP_KEM, OSSL_FUNC_KEM_NEWCTX, "kem"},
    Beginning{kOpSkeymgmt, kSkeymgmtImport, "skeymgmt"},
    Beginning{kOpSkeymgmt, kSkeymgmtGenerate, "skeymgmt"},
};

using Function = void (*)();

constexpr std::size_t kSlots = 1024;
struct Slot {
  Function original = nullptr;
  const char* operation = nullptr;
  std::string name;
  // Providers that have been written down for this function: a bit for each of the program's own,
  // the first bit for every other context.
  std::atomic<unsigned> seen = 0;
};

struct Trace {
  int file = -1;
  std::size_t used = 0;
  std::array<Slot, kSlots> slots;
};

// Never destroyed: programs use algorithms while they end.
Trace& TheTrace() {
  static auto* const trace = new Trace;
  return *trace;
}

[[noreturn]] void GiveUp(const char* why) {
  std::fprintf(stderr, "provider_trace: %s\n", why);
  std::abort();
}

// The program's own provider with this context, and its number.
struct Owner {
  const void* context;
  unsigned number = 0;
  unsigned found = 0;
  std::string name = "private";
};

int Compare(OSSL_PROVIDER* provider, void* argument) {
  auto& owner = *static_cast<Owner*>(argument);
  ++owner.number;
  if (OSSL_PROVIDER_get0_provider_ctx(provider) == owner.context) {
    owner.found = owner.number;
    owner.name = OSSL_PROVIDER_get0_name(provider);
  }
  return 1;
}

// Asked anew each time: an address can come back after a library context was freed.
void Note(Slot& slot, const void* context) {
  Owner owner{context};
  OSSL_PROVIDER_do_all(nullptr, Compare, &owner);
  const unsigned bit = 1U << owner.found;
  if ((slot.seen.fetch_or(bit) & bit) != 0) return;
  const std::string line = owner.name + " " + slot.operation + " " + slot.name + "\n";
  if (write(TheTrace().file, line.data(), line.size()) != static_cast<ssize_t>(line.size())) {
    GiveUp("the trace cannot be written");
  }
}

// Stands for every function of the table: whatever its arguments are, they are integers and
// pointers in registers, six at most.
template <std::size_t kSlot>
void* Call(void* context, void* a, void* b, void* c, void* d, void* e) {
  Slot& slot = TheTrace().slots[kSlot];
  Note(slot, context);
  using Any = void* (*)(void*, void*, void*, void*, void*, void*);
  return reinterpret_cast<Any>(slot.original)(context, a, b, c, d, e);
}

template <std::size_t... kIndices>
constexpr std::array<Function, sizeof...(kIndices)> AllCalls(std::index_sequence<kIndices...>) {
  return {reinterpret_cast<Function>(&Call<kIndices>)...};
}
const std::array<Function, kSlots>& Calls() {
  static const auto calls = AllCalls(std::make_index_sequence<kSlots>());
  return calls;
}

void Replace(OSSL_DISPATCH* row, Function function) {
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const auto begin = reinterpret_cast<std::uintptr_t>(row) / page * page;
  const auto end = reinterpret_cast<std::uintptr_t>(row + 1);
  if (mprotect(reinterpret_cast<void*>(begin), end - begin, PROT_READ | PROT_WRITE) != 0) {
    GiveUp("OpenSSL's tables cannot be made writable");
  }
  row->function = function;
}

// Algorithms can share a table; then the first one's name stands for all.
void Patch(const Beginning& beginning, const OSSL_ALGORITHM& algorithm) {
  Trace& trace = TheTrace();
  for (const OSSL_DISPATCH* row = algorithm.implementation; row->function_id != 0; ++row) {
    if (row->function_id != beginning.function ||
        std::ranges::find(Calls(), row->function) != Calls().end()) {
      continue;
    }
    if (trace.used == kSlots) GiveUp("there are more algorithms than slots");
    Slot& slot = trace.slots[trace.used];
    slot.original = row->function;
    slot.operation = beginning.text;
    slot.name.assign(algorithm.algorithm_names, std::strcspn(algorithm.algorithm_names, ":"));
    Replace(const_cast<OSSL_DISPATCH*>(row), Calls()[trace.used++]);
  }
}

__attribute__((constructor)) void Begin() {
  const char* path = std::getenv("HSM_PROVIDER_TRACE");
  if (path == nullptr) return;
  TheTrace().file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (TheTrace().file < 0) GiveUp("HSM_PROVIDER_TRACE names a file that cannot be opened");
  OSSL_LIB_CTX* library = OSSL_LIB_CTX_new();
  for (const char* name : {"default", "base"}) {
    OSSL_PROVIDER* provider = OSSL_PROVIDER_load(library, name);
    if (provider == nullptr) GiveUp("OpenSSL's own providers do not load");
    for (const Beginning& beginning : kBeginnings) {
      int no_cache = 0;
      const OSSL_ALGORITHM* algorithm =
          OSSL_PROVIDER_query_operation(provider, beginning.operation, &no_cache);
      for (; algorithm != nullptr && algorithm->algorithm_names != nullptr; ++algorithm) {
        Patch(beginning, *algorithm);
      }
    }
    OSSL_PROVIDER_unload(provider);
  }
  OSSL_LIB_CTX_free(library);
}

}  // namespace
