// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_DOCUMENT_H_
#define TESTS_SUPPORT_DOCUMENT_H_

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>

namespace hsmcore::test {

// The part of a document that the code makes stands between the line `begin` and the next end mark.
// HSM_WRITE_DOCUMENTS=1 writes it there.
inline void ExpectMade(const char* file, const std::string& begin, const std::string& made) {
  constexpr const char* kEnd = "<!-- end -->\n";
  std::ifstream in(file);
  std::stringstream content;
  content << in.rdbuf();
  std::string document = content.str();
  ASSERT_NE(document.find(begin), std::string::npos);
  const std::size_t first = document.find(begin) + begin.size();
  const std::size_t end = document.find(kEnd, first);
  ASSERT_NE(end, std::string::npos);
  if (std::getenv("HSM_WRITE_DOCUMENTS") != nullptr) {
    document.replace(first, end - first, made);
    std::ofstream(file) << document;
    return;
  }
  EXPECT_EQ(document.substr(first, end - first), made)
      << "HSM_WRITE_DOCUMENTS=1 build/bin/session_test --gtest_filter='*DocumentTest.*'";
}

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_DOCUMENT_H_
