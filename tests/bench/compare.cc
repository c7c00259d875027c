// SPDX-License-Identifier: Apache-2.0
#include "bench/compare.h"

#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <barrier>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <fstream>
#include <string>
#include <thread>

namespace bench {
namespace {

using Clock = std::chrono::steady_clock;

// What one thread did in a slice.
struct Lap {
  double count = 0;
  double wall = 0;
  double cpu = 0;
};

Lap RunFor(const Operation& operation, std::chrono::milliseconds slice) {
  Lap lap;
  const double cpu = ThreadCpu();
  const auto start = Clock::now();
  auto now = start;
  for (; now - start < slice; now = Clock::now()) {
    if (!operation()) Stop("an operation failed");
    ++lap.count;
  }
  lap.wall = std::chrono::duration<double>(now - start).count();
  lap.cpu = ThreadCpu() - cpu;
  return lap;
}

Sample PerOperation(const std::vector<Lap>& laps) {
  double rate = 0;
  double count = 0;
  double cpu = 0;
  for (const Lap& lap : laps) {
    rate += lap.count / lap.wall;
    count += lap.count;
    cpu += lap.cpu;
  }
  return {1 / rate, cpu / count};
}

// In each pair the other one begins, so that neither gains from coming first.
bool HsmsTurn(unsigned turn) { return ((turn + 1) / 2) % 2 == 0; }

void PrintValues(const char* name, const std::vector<Sample>& samples, double Sample::* member) {
  std::printf(", \"%s\": [", name);
  const char* comma = "";
  for (const Sample& sample : samples) {
    std::printf("%s%.6g", comma, sample.*member);
    comma = ", ";
  }
  std::printf("]");
}

std::size_t ResidentKilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    std::size_t kilobytes = 0;
    if (word == "VmRSS:" && status >> kilobytes) return kilobytes;
  }
  Stop("no VmRSS in /proc/self/status");
}

}  // namespace

Samples Compare(const Operation& hsm, const Operation& standard, unsigned threads,
                const Plan& plan) {
  Samples samples;
  std::vector<Lap> laps(threads);
  std::barrier line(static_cast<std::ptrdiff_t>(threads));
  const auto run = [&](std::size_t index) {
    // The first pair warms up.
    for (unsigned turn = 0; turn < 2 * (plan.rounds + 1); ++turn) {
      line.arrive_and_wait();
      laps[index] = RunFor(HsmsTurn(turn) ? hsm : standard, plan.slice);
      line.arrive_and_wait();
      if (index != 0 || turn < 2) continue;
      (HsmsTurn(turn) ? samples.hsm : samples.standard).push_back(PerOperation(laps));
    }
  };
  std::vector<std::jthread> others;
  for (std::size_t i = 1; i < threads; ++i) others.emplace_back(run, i);
  run(0);
  return samples;
}

Samples CompareSingle(const SelfMeasured& hsm, const SelfMeasured& standard, unsigned rounds) {
  Samples samples;
  for (unsigned turn = 0; turn < 2 * (rounds + 1); ++turn) {
    const Sample sample = HsmsTurn(turn) ? hsm() : standard();
    if (turn < 2) continue;
    (HsmsTurn(turn) ? samples.hsm : samples.standard).push_back(sample);
  }
  return samples;
}

double ThreadCpu() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Sample InChild(const SelfMeasured& measured) {
  std::array<int, 2> pipe{};
  if (::pipe(pipe.data()) != 0) Stop("no pipe");
  const pid_t child = fork();
  if (child < 0) Stop("no child process");
  if (child == 0) {
    const Sample sample = measured();
    const bool written = write(pipe[1], &sample, sizeof sample) == sizeof sample;
    _exit(written ? 0 : 1);
  }
  close(pipe[1]);
  Sample sample;
  if (read(pipe[0], &sample, sizeof sample) != sizeof sample) Stop("a child process failed");
  close(pipe[0]);
  waitpid(child, nullptr, 0);
  return sample;
}

void Print(std::string_view name, std::string_view unit, const Samples& samples) {
  std::printf(R"({"name": "%s", "unit": "%s")", std::string(name).c_str(),
              std::string(unit).c_str());
  PrintValues("hsm", samples.hsm, &Sample::wall);
  PrintValues("default", samples.standard, &Sample::wall);
  PrintValues("hsm_cpu", samples.hsm, &Sample::cpu);
  PrintValues("default_cpu", samples.standard, &Sample::cpu);
  std::printf("}\n");
  std::fflush(stdout);
}

// Caches fill in the first tenth; after that nothing may grow.
void MeasureMemory(std::string_view name, const Operation& operation, unsigned operations) {
  std::size_t before = 0;
  for (unsigned i = 0; i < operations + operations / 10; ++i) {
    if (i == operations / 10) before = ResidentKilobytes();
    if (!operation()) Stop(name);
  }
  std::printf(R"({"memory": "%s", "operations": %u, "before": %zu, "after": %zu})",
              std::string(name).c_str(), operations, before, ResidentKilobytes());
  std::printf("\n");
  std::fflush(stdout);
}

void Stop(std::string_view what) {
  std::fprintf(stderr, "bench: %s\n", std::string(what).c_str());
  std::_Exit(1);
}

}  // namespace bench
