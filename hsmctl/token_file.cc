// SPDX-License-Identifier: Apache-2.0
#include "token_file.h"

#include "files.h"

namespace hsmctl {
namespace {

using hsmcore::QuorumToken;
using hsmcore::Result;
using hsmcore::SignableToken;

}  // namespace

Result<QuorumToken> ReadQuorumToken(const std::string& path) {
  HSMCORE_TRY(const std::string text, ReadTextFile(AbsolutePath(path)));
  return QuorumToken::FromJson(text, path);
}

Result<std::vector<SignableToken>> ReadSignableTokens(const std::string& path, std::size_t count) {
  HSMCORE_TRY(const std::string text, ReadTextFile(AbsolutePath(path)));
  return hsmcore::SignableTokensFromJson(text, path, count);
}

Result<Approval> Approval::Read(const std::vector<std::string>& paths) {
  Approval approval;
  for (const std::string& path : paths) {
    HSMCORE_TRY(QuorumToken token, ReadQuorumToken(path));
    if (!approval.token_) {
      approval.token_ = std::move(token);
      continue;
    }
    HSMCORE_CHECK(approval.token_->Merge(std::move(token), path));
  }
  return approval;
}

hsmcore::Status PresentApproval(hsmcore::Session& session, const std::vector<std::string>& paths) {
  HSMCORE_TRY(const Approval approval, Approval::Read(paths));
  if (approval.token() != nullptr) session.PresentApproval(*approval.token());
  return {};
}

void AddApprovalOption(CLI::App& app, std::vector<std::string>& paths) {
  app.add_option("--approval", paths,
                 "The signed token of a quorum; more than once where each approver signed a copy")
      ->type_name("FILE");
}

}  // namespace hsmctl
