// SPDX-License-Identifier: Apache-2.0
// What a cluster's size costs.
//
//   home_bench make DIRECTORY COUNT       adds keys with the labels key-0, key-1, ...
//   home_bench compare SUFFIX SMALL COUNT LARGE COUNT ROUNDS SLICE_MS
//   home_bench create NAME DIRECTORY OTHER ROUNDS SLICE_MS    making keys in one and in the other
//   home_bench sign NAME DIRECTORY OTHER ROUNDS SLICE_MS      signing with key-0 in one and in the
//   other home_bench memory DIRECTORY COUNT OPERATIONS      resident memory before and after
//
// A DIRECTORY has the home in hsm/ and a machine credential in app.machine. The rows compare the
// large home ("hsm") with the small one ("default").
#include <array>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <random>
#include <span>
#include <string>
#include <string_view>

#include "bench/compare.h"
#include "hsmcore/cluster.h"

namespace {

using bench::Sample;
using bench::Stop;
using Clock = std::chrono::steady_clock;
using SessionPtr = std::shared_ptr<hsmcore::Session>;

template <class T>
T Must(hsmcore::Result<T> result) {
  if (!result) Stop(result.error().Message());
  return *std::move(result);
}

struct Home {
  std::filesystem::path directory;
  unsigned keys = 0;

  hsmcore::ClusterPtr Open() const { return Must(hsmcore::Cluster::Open(directory / "hsm")); }
  SessionPtr Login(hsmcore::Cluster& cluster) const {
    const auto credential =
        Must(hsmcore::Credential::FromSource("file:" + (directory / "app.machine").string()));
    return Must(cluster.Login(credential, hsmcore::Role::kCryptoUser));
  }
};

std::string Label(unsigned number) { return "key-" + std::to_string(number); }

hsmcore::KeyPtr MakeKey(hsmcore::Session& session, const std::string& label) {
  hsmcore::KeySpec spec;
  spec.type = hsmcore::KeyType::kEc;
  hsmcore::KeyTemplate form;
  form.private_half.label = form.public_half.label = label;
  form.private_half.flags.Set(hsmcore::Attribute::kToken, true);
  form.private_half.flags.Set(hsmcore::Attribute::kSign, true);
  return Must(session.Generate(spec, form));
}

void Make(const Home& home) {
  const auto cluster = home.Open();
  const SessionPtr session = home.Login(*cluster);
  for (unsigned i = 0; i < home.keys; ++i) MakeKey(*session, Label(i));
}

// Opens a home and logs in, as a program does that has just been started.
Sample OpenInChild(const Home& home) {
  return bench::InChild([&] {
    const double cpu = bench::ThreadCpu();
    const auto start = Clock::now();
    const auto cluster = home.Open();
    const SessionPtr session = home.Login(*cluster);
    return Sample{std::chrono::duration<double>(Clock::now() - start).count(),
                  bench::ThreadCpu() - cpu};
  });
}

// Looks up another label at each call, so that no answer given before can help.
bench::Operation Finder(const Home& home, const SessionPtr& session) {
  return [random = std::minstd_rand(), keys = home.keys, session]() mutable {
    hsmcore::KeyQuery query;
    query.label = Label(static_cast<unsigned>(random()) % keys);
    query.klass = hsmcore::KeyClass::kPrivateKey;
    const auto found = session->Find(query);
    return found && found->size() == 1;
  };
}

bench::Operation Signer(const SessionPtr& session) {
  hsmcore::KeyQuery query;
  query.label = Label(0);
  hsmcore::SignMechanism mechanism;
  mechanism.kind = hsmcore::SignMechanism::Kind::kEcdsa;
  mechanism.digest = hsmcore::Digest::kSha256;
  return [key = Must(session->Load(query, true)), mechanism] {
    const std::array<std::uint8_t, 32> digest{};
    std::array<std::uint8_t, 128> signature{};
    return key->Sign(mechanism, digest, signature).has_value();
  };
}

bench::Operation Maker(const Home& home) {
  return [session = home.Login(*home.Open())] { return MakeKey(*session, "made") != nullptr; };
}

// A home that is open remembers its logins; one that is opened anew does not.
void MeasureHome(const Home& home, unsigned operations) {
  bench::MeasureMemory("login", [&] { return home.Login(*home.Open()) != nullptr; }, operations);
  const auto cluster = home.Open();
  bench::MeasureMemory("find", Finder(home, home.Login(*cluster)), operations);
}

void CompareHomes(const std::string& suffix, const Home& small, const Home& large,
                  const bench::Plan& plan) {
  // First, while this process has no home open that a child could inherit.
  bench::Print("open-" + suffix, "ms",
               bench::CompareSingle([&] { return OpenInChild(large); },
                                    [&] { return OpenInChild(small); }, 4 * plan.rounds));
  const auto small_cluster = small.Open();
  const auto large_cluster = large.Open();
  const SessionPtr small_session = small.Login(*small_cluster);
  const SessionPtr large_session = large.Login(*large_cluster);
  bench::Print("find-" + suffix, "op/s",
               bench::Compare(Finder(large, large_session), Finder(small, small_session), 1, plan));
  bench::Print("sign-" + suffix, "op/s",
               bench::Compare(Signer(large_session), Signer(small_session), 1, plan));
}

void CompareSigning(const std::string& name, const Home& one, const Home& other,
                    const bench::Plan& plan) {
  const auto cluster = one.Open();
  const auto other_cluster = other.Open();
  bench::Print(
      name, "op/s",
      bench::Compare(Signer(one.Login(*cluster)), Signer(other.Login(*other_cluster)), 1, plan));
}

}  // namespace

int main(int argc, char** argv) {
  const std::span<char*> words(argv, static_cast<std::size_t>(argc));
  const auto number = [&](std::size_t i) { return static_cast<unsigned>(std::atoi(words[i])); };
  if (words.size() == 4 && std::string_view(words[1]) == "make") {
    Make({words[2], number(3)});
  } else if (words.size() == 9 && std::string_view(words[1]) == "compare") {
    CompareHomes(words[2], {words[3], number(4)}, {words[5], number(6)},
                 {number(7), std::chrono::milliseconds(number(8))});
  } else if (words.size() == 7 && std::string_view(words[1]) == "create") {
    bench::Print(words[2], "op/s",
                 bench::Compare(Maker({words[3]}), Maker({words[4]}), 1,
                                {number(5), std::chrono::milliseconds(number(6))}));
  } else if (words.size() == 7 && std::string_view(words[1]) == "sign") {
    CompareSigning(words[2], {words[3]}, {words[4]},
                   {number(5), std::chrono::milliseconds(number(6))});
  } else if (words.size() == 5 && std::string_view(words[1]) == "memory") {
    MeasureHome({words[2], number(3)}, number(4));
  } else {
    Stop("usage: see the top of home_bench.cc");
  }
  return 0;
}
