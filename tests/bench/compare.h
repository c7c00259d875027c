// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_BENCH_COMPARE_H_
#define TESTS_BENCH_COMPARE_H_

#include <chrono>
#include <functional>
#include <string_view>
#include <vector>

namespace bench {

// What one operation cost, in seconds: by the clock on the wall (all threads together) and of the
// processor.
struct Sample {
  double wall = 0;
  double cpu = 0;
};

// Pairs of samples: hsm[i] and standard[i] were taken one right after the other.
struct Samples {
  std::vector<Sample> hsm;
  std::vector<Sample> standard;
};

// False: it failed, and there is nothing to be measured.
using Operation = std::function<bool()>;

struct Plan {
  unsigned rounds = 15;
  std::chrono::milliseconds slice{50};
};

// Runs both in turns, a slice each, on `threads` threads at once.
Samples Compare(const Operation& hsm, const Operation& standard, unsigned threads,
                const Plan& plan);

// Takes single samples in turns, where an operation measures itself.
using SelfMeasured = std::function<Sample()>;
Samples CompareSingle(const SelfMeasured& hsm, const SelfMeasured& standard, unsigned rounds);

// What this thread has used of the processor, in seconds.
double ThreadCpu();

// A sample from a fresh child process, which is over when this returns.
Sample InChild(const SelfMeasured& measured);

// One line of JSON with every sample, for scripts/bench, which does the statistics.
void Print(std::string_view name, std::string_view unit, const Samples& samples);

// Repeats the operation and prints the resident memory before and after as a line of JSON.
void MeasureMemory(std::string_view name, const Operation& operation, unsigned operations);

[[noreturn]] void Stop(std::string_view what);

}  // namespace bench

#endif  // TESTS_BENCH_COMPARE_H_
