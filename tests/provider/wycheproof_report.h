// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_PROVIDER_WYCHEPROOF_REPORT_H_
#define TESTS_PROVIDER_WYCHEPROOF_REPORT_H_

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "provider/wycheproof_vector.h"

namespace provider::test::wycheproof {

// The ways in which a vector is run: with a key that is held in the HSM and found by its URI, with
// one that a program handed to the provider, and with bare key bytes.
inline constexpr const char* kHeld = "held";
inline constexpr const char* kGiven = "given";
inline constexpr const char* kForwarded = "forwarded";

// What became of one vector in one way of running it.
struct Outcome {
  enum class Kind : std::uint8_t {
    kAccepted,      // the operation succeeded and gave what the vector says
    kRejected,      // the operation refused its input
    kContradicted,  // the operation succeeded and gave something else
    kNotRun,        // there is no such operation or key here
  };
  Kind kind;
  std::string reason;
};
inline Outcome Accepted() { return {Outcome::Kind::kAccepted, {}}; }
inline Outcome Rejected() { return {Outcome::Kind::kRejected, {}}; }
inline Outcome NotRun(std::string reason) { return {Outcome::Kind::kNotRun, std::move(reason)}; }
inline Outcome Contradicted(std::string_view what, ByteView got) {
  return {Outcome::Kind::kContradicted, std::string(what) + " is " + ToHex(got)};
}
// Accepted when what came out is what the vector says.
inline Outcome Compare(std::string_view what, ByteView got, ByteView expected) {
  return std::ranges::equal(got, expected) ? Accepted() : Contradicted(what, got);
}

// Judges the vectors of one file and counts them, for each way of running them.
class Report {
 public:
  explicit Report(std::string file) : file_(std::move(file)) {}

  void Judge(const Vector& vector, const std::string& way, const Outcome& outcome);
  // The whole file, or a group of it, is not run.
  void PassOver(std::size_t vectors, const std::string& reason);

  std::string ToText() const;
  bool ran_any() const;
  void WriteTo(const std::filesystem::path& directory) const;

 private:
  struct Counts {
    std::size_t passed = 0;
    std::size_t failed = 0;
    std::map<std::string, std::size_t> acceptable;  // by what was done and the flags
    std::map<std::string, std::size_t> deviations;  // invalid and accepted, by reason
    std::map<std::string, std::size_t> not_run;     // by reason
  };
  void Fail(Counts& counts, const Vector& vector, const std::string& way, const std::string& why);

  std::string file_;
  std::map<std::string, Counts> ways_;
};

}  // namespace provider::test::wycheproof

#endif  // TESTS_PROVIDER_WYCHEPROOF_REPORT_H_
