// SPDX-License-Identifier: Apache-2.0
#include "provider/wycheproof_report.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <numeric>
#include <sstream>

#include "provider/provider_fixture.h"

namespace provider::test::wycheproof {
namespace {

constexpr std::size_t kMaxFailuresShown = 10;

constexpr const char* kExplicitCurve =
    "OpenSSL's decoder finds the named curve for explicit parameters and does not look at the "
    "cofactor; the point is one of that curve";

// Vectors that OpenSSL itself sees in another way before the provider gets to see them.
struct DeviationRow {
  const char* way;
  const char* flag;
  const char* and_flag;
  const char* reason;
};
constexpr auto kDeviations = std::to_array<DeviationRow>({
    {kGiven, "NoCofactor", "UnnamedCurve", kExplicitCurve},
    {kGiven, "LargeCofactor", "UnnamedCurve", kExplicitCurve},
});

const DeviationRow* DeviationOf(const Vector& vector, const std::string& way) {
  const auto* const found = std::ranges::find_if(kDeviations, [&](const DeviationRow& row) {
    return way == row.way && vector.Has(row.flag) && vector.Has(row.and_flag);
  });
  return found == kDeviations.end() ? nullptr : found;
}

std::string Joined(const std::vector<std::string>& words) {
  std::string text;
  for (const std::string& word : words) text += (text.empty() ? "" : ", ") + word;
  return text.empty() ? "no flag" : text;
}

std::size_t Sum(const std::map<std::string, std::size_t>& counts) {
  return std::accumulate(counts.begin(), counts.end(), std::size_t{0},
                         [](std::size_t sum, const auto& count) { return sum + count.second; });
}

}  // namespace

void Report::Fail(Counts& counts, const Vector& vector, const std::string& way,
                  const std::string& why) {
  ++counts.failed;
  if (counts.failed > kMaxFailuresShown) return;
  ADD_FAILURE() << file_ << " [" << way << "] tcId " << vector.id << " (" << vector.comment << "; "
                << Joined(vector.flags) << "): " << why;
}

void Report::Judge(const Vector& vector, const std::string& way, const Outcome& outcome) {
  using enum Outcome::Kind;
  Counts& counts = ways_[way];
  const std::string errors = ErrorDetails();
  if (outcome.kind == kNotRun) {
    ++counts.not_run[outcome.reason];
  } else if (vector.expected == Expected::kInvalid) {
    const DeviationRow* deviation = DeviationOf(vector, way);
    if (outcome.kind == kRejected) {
      ++counts.passed;
    } else if (outcome.kind == kAccepted && deviation != nullptr) {
      ++counts.passed;
      ++counts.deviations[deviation->reason];
    } else {
      Fail(counts, vector, way, "invalid, but accepted; " + outcome.reason);
    }
  } else if (outcome.kind == kContradicted) {
    Fail(counts, vector, way, outcome.reason);
  } else if (vector.expected == Expected::kAcceptable) {
    const char* done = outcome.kind == kAccepted ? "accepted: " : "refused: ";
    ++counts.acceptable[done + Joined(vector.flags)];
    ++counts.passed;
  } else if (outcome.kind == kRejected) {
    Fail(counts, vector, way, "valid, but refused: " + errors);
  } else {
    ++counts.passed;
  }
}

void Report::PassOver(std::size_t vectors, const std::string& reason) {
  ways_["any"].not_run[reason] += vectors;
}

std::string Report::ToText() const {
  std::ostringstream text;
  for (const auto& [way, counts] : ways_) {
    text << file_ << " [" << way << "]: " << counts.passed << " passed, " << counts.failed
         << " failed, " << Sum(counts.not_run) << " not run\n";
    for (const auto& [what, count] : counts.acceptable) {
      text << "    acceptable, " << count << " " << what << "\n";
    }
    for (const auto& [reason, count] : counts.deviations) {
      text << "    invalid, " << count << " accepted: " << reason << "\n";
    }
    for (const auto& [reason, count] : counts.not_run) {
      text << "    not run, " << count << ": " << reason << "\n";
    }
  }
  return text.str();
}

bool Report::ran_any() const {
  return std::ranges::any_of(
      ways_, [](const auto& way) { return way.second.passed + way.second.failed > 0; });
}

void Report::WriteTo(const std::filesystem::path& directory) const {
  std::filesystem::create_directories(directory);
  std::ofstream out(directory / (file_ + ".txt"));
  out << ToText();
  EXPECT_TRUE(out.flush()) << "no report could be written in " << directory;
}

}  // namespace provider::test::wycheproof
