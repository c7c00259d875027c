// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCTL_TOKEN_FILE_H_
#define HSMCTL_TOKEN_FILE_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>
#include <vector>

#include "hsmcore/quorum.h"
#include "hsmcore/session.h"

// The files that tokens travel in, in CloudHSM's forms (docs/quorum.md). They hold no secret.
namespace hsmctl {

// QuorumToken::FromJson and SignableTokensFromJson of a file. kInvalidArgument, kFileAccess.
hsmcore::Result<hsmcore::QuorumToken> ReadQuorumToken(const std::string& path);
hsmcore::Result<std::vector<hsmcore::SignableToken>> ReadSignableTokens(const std::string& path,
                                                                        std::size_t count);

// What --approval gives: one token, and the signatures of all the files it is in.
class Approval {
 public:
  static hsmcore::Result<Approval> Read(const std::vector<std::string>& paths);
  // nullptr: none was given.
  const hsmcore::QuorumToken* token() const { return token_ ? &*token_ : nullptr; }

 private:
  std::optional<hsmcore::QuorumToken> token_;
};
void AddApprovalOption(CLI::App& app, std::vector<std::string>& paths);
// Gives the session what the files approve, for a key.
hsmcore::Status PresentApproval(hsmcore::Session& session, const std::vector<std::string>& paths);

}  // namespace hsmctl

#endif  // HSMCTL_TOKEN_FILE_H_
