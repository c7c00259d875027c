// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target without a fuzzer: every file of its corpus, and a fixed number of mutants of
// each, from a seed that is printed. So the targets run in every build, with any compiler.
//
// usage: TARGET_replay CORPUS-DIRECTORY [SEED]
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

using Input = std::vector<std::uint8_t>;

constexpr int kMutants = 1000;

Input ReadInput(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void Mutate(Input& input, std::mt19937& random) {
  if (input.empty()) return;
  const auto at = static_cast<std::ptrdiff_t>(random() % input.size());
  switch (random() % 5) {
    case 0:
      input[static_cast<std::size_t>(at)] ^= static_cast<std::uint8_t>(1U << (random() % 8));
      break;
    case 1:
      input[static_cast<std::size_t>(at)] = static_cast<std::uint8_t>(random());
      break;
    case 2:
      input.resize(static_cast<std::size_t>(at));
      break;
    case 3:
      input.insert(input.begin() + at, static_cast<std::uint8_t>(random()));
      break;
    default:
      input.erase(input.begin() + at);
      break;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) return 2;
  const auto seed = argc > 2 ? static_cast<std::uint32_t>(std::strtoul(argv[2], nullptr, 10))
                             : std::random_device{}();
  std::printf("seed %u\n", seed);
  std::mt19937 random(seed);
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
    const Input original = ReadInput(entry.path());
    LLVMFuzzerTestOneInput(original.data(), original.size());
    for (int i = 0; i < kMutants; ++i) {
      Input mutant = original;
      for (auto steps = 1 + (random() % 4); steps > 0; --steps) Mutate(mutant, random);
      LLVMFuzzerTestOneInput(mutant.data(), mutant.size());
    }
    ++files;
  }
  std::printf("%d files, %d mutants\n", files, files * kMutants);
  return files == 0 ? 1 : 0;  // a corpus that is not there tests nothing
}
