// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_PROCESS_MEMORY_H_
#define TESTS_SUPPORT_PROCESS_MEMORY_H_

#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

namespace hsmcore::test {

// AddressSanitizer has secrets in its own heap; it and ThreadSanitizer map terabytes.
#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool kAddressSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kAddressSanitized = __has_feature(address_sanitizer);
#else
inline constexpr bool kAddressSanitized = false;
#endif
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kSanitized = true;
#elif defined(__has_feature)
inline constexpr bool kSanitized = kAddressSanitized || __has_feature(thread_sanitizer);
#else
inline constexpr bool kSanitized = kAddressSanitized;
#endif

// A mapping of a process, as /proc/PID/smaps has it.
struct Mapping {
  std::uintptr_t begin = 0;
  std::uintptr_t end = 0;
  std::string rights;
  std::string name;        // "[heap]", "[stack]", a file, or nothing
  bool dont_dump = false;  // MADV_DONTDUMP
  bool locked = false;

  bool of_file() const { return name.starts_with('/'); }
  bool holds(const void* address) const {
    const auto value = reinterpret_cast<std::uintptr_t>(address);
    return begin <= value && value < end;
  }
};

inline std::vector<Mapping> MappingsOf(pid_t process) {
  std::vector<Mapping> mappings;
  std::ifstream smaps("/proc/" + std::to_string(process) + "/smaps");
  for (std::string line; std::getline(smaps, line);) {
    const std::size_t space = line.find(' ');
    const std::string first = line.substr(0, space);
    if (line.starts_with("VmFlags:")) {
      mappings.back().dont_dump = line.find(" dd") != std::string::npos;
      mappings.back().locked = line.find(" lo") != std::string::npos;
    } else if (!first.ends_with(':')) {
      Mapping mapping;
      std::istringstream in(line);
      char dash = 0;
      std::string skipped;
      in >> std::hex >> mapping.begin >> dash >> mapping.end >> mapping.rights >> skipped >>
          skipped >> skipped;
      std::getline(in >> std::ws, mapping.name);
      mappings.push_back(std::move(mapping));
    }
  }
  return mappings;
}

inline std::string BytesOf(pid_t process, const Mapping& mapping) {
  const int memory = open(("/proc/" + std::to_string(process) + "/mem").c_str(), O_RDONLY);
  std::string content(mapping.end - mapping.begin, '\0');
  std::size_t got = 0;
  while (memory >= 0 && got < content.size()) {
    const ssize_t more = pread(memory, content.data() + got, content.size() - got,
                               static_cast<off_t>(mapping.begin + got));
    if (more <= 0) break;
    got += static_cast<std::size_t>(more);
  }
  close(memory);
  content.resize(got);
  return content;
}

// As OpenSSL's numbers lie in memory: from the last byte to the first.
inline std::string Reversed(std::string bytes) {
  std::ranges::reverse(bytes);
  return bytes;
}

// Where a secret is in the memory of another process, in its own order of bytes or the other.
inline std::vector<Mapping> WhereIs(pid_t process, const std::string& secret,
                                    const std::function<bool(const Mapping&)>& counts) {
  std::vector<Mapping> found;
  for (const Mapping& mapping : MappingsOf(process)) {
    if (!mapping.rights.starts_with('r') || mapping.name == "[vvar]" || !counts(mapping)) continue;
    const std::string content = BytesOf(process, mapping);
    if (content.find(secret) != std::string::npos ||
        content.find(Reversed(secret)) != std::string::npos) {
      found.push_back(mapping);
    }
  }
  return found;
}

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_PROCESS_MEMORY_H_
