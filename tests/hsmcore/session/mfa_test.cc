// SPDX-License-Identifier: Apache-2.0
// Logins with a password and a signed token.
#include <gtest/gtest.h>

#include <string>

#include "token_support.h"
#include "users/authentication.h"
#include "users/challenge.h"
#include "users/directory.h"

namespace hsmcore {
namespace {

using test::CodeOf;
using test::CredentialOf;
using test::kUserPassword;
using test::Text;
using test::TokenSigner;

constexpr const char* kMfa = "login takes a signed token";
constexpr const char* kRefused = "token refused";
constexpr const char* kWrong = "wrong password";

SecretBytes Password(std::string_view text = kUserPassword) { return SecretBytes::CopyOf(text); }

class MfaTest : public testing::TestWithParam<KeyType> {
 protected:
  std::string Register(Session& session) {
    auto token = session.NewRegistration();
    EXPECT_EQ(CodeOf(token), "ok");
    return CodeOf(
        session.RegisterMfa(Password(), signer_.PublicKey(), signer_.Signed(*std::move(token))));
  }
  std::vector<SignableToken> Tokens() {
    auto tokens = cluster_->NewMfaTokens("app", Role::kCryptoUser);
    EXPECT_EQ(CodeOf(tokens), "ok");
    return signer_.Signed(*std::move(tokens));
  }
  Result<std::shared_ptr<Session>> Login(const std::vector<SignableToken>& tokens,
                                         std::string_view password = kUserPassword) {
    return cluster_->Login(CredentialOf("app", password), Role::kCryptoUser, tokens);
  }
  std::string Plain(std::string_view password = kUserPassword) {
    return CodeOf(cluster_->Login(CredentialOf("app", password), Role::kCryptoUser));
  }
  unsigned Failed() {
    const auto users = cluster_->Anonymous()->ListUsers();
    for (const UserInfo& user : *users) {
      if (user.name == "app") return user.failed_logins;
    }
    return 99;
  }

  test::TestCluster cluster_{2};
  const TokenSigner signer_{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Keys, MfaTest, testing::Values(KeyType::kRsa, KeyType::kEd25519),
                         [](const auto& each) { return NameOf(each.param); });

TEST_P(MfaTest, ALoginTakesPasswordAndToken) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  EXPECT_EQ(Plain(), kMfa);
  EXPECT_EQ(Failed(), 0U);
  const auto tokens = Tokens();
  ASSERT_EQ(tokens.size(), 2U);
  const auto session = Login(tokens);
  ASSERT_EQ(CodeOf(session), "ok") << session.error().Message();
  EXPECT_EQ(CodeOf((*session)->Generate(test::Ed25519Spec(), {})), "ok");
  // What was opened once opens nothing by the password alone, in this process or another.
  EXPECT_EQ(Plain(), kMfa);
  cluster_.Reopen();
  EXPECT_EQ(Plain(), kMfa);
}

TEST_P(MfaTest, ATokenOpensOnce) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto tokens = Tokens();
  ASSERT_EQ(CodeOf(Login(tokens)), "ok");
  EXPECT_EQ(CodeOf(Login(tokens)), kRefused);
  cluster_.Reopen();
  EXPECT_EQ(CodeOf(Login(tokens)), kRefused);
  EXPECT_EQ(CodeOf(Login(Tokens())), "ok");
}

TEST_P(MfaTest, AWrongPasswordCountsAndSpendsNothing) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto tokens = Tokens();
  EXPECT_EQ(CodeOf(Login(tokens, "wrongpass12")), kWrong);
  EXPECT_EQ(Failed(), 1U);
  EXPECT_EQ(CodeOf(Login(tokens)), "ok");
  EXPECT_EQ(Failed(), 0U);
}

TEST_P(MfaTest, WhoCannotSignDoesNotTryPasswords) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const TokenSigner other(GetParam());
  const auto tokens = cluster_->NewMfaTokens("app", Role::kCryptoUser);
  ASSERT_EQ(CodeOf(tokens), "ok");
  EXPECT_EQ(CodeOf(Login(other.Signed(*tokens), "wrongpass12")), kRefused);
  EXPECT_EQ(CodeOf(Login(*tokens)), kRefused);
  EXPECT_EQ(Failed(), 0U);
  auto half = signer_.Signed(*tokens);
  half[0].signature = other.Sign(half[0].token);
  EXPECT_EQ(CodeOf(Login(half)), kRefused);
  half = signer_.Signed(*tokens);
  half[1].signature = other.Sign(half[1].token);
  EXPECT_EQ(CodeOf(Login(half)), kRefused);
  half = signer_.Signed(*tokens);
  half.pop_back();
  EXPECT_EQ(CodeOf(Login(half)), kRefused);
  half = signer_.Signed(*tokens);
  std::swap(half[0], half[1]);
  EXPECT_EQ(CodeOf(Login(half)), kRefused);
  EXPECT_EQ(CodeOf(Login(signer_.Signed(*tokens))), "ok");
}

TEST_P(MfaTest, TokensAreForOneUser) {
  cluster_.AddUser("other", kUserPassword);
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  ASSERT_EQ(Register(*cluster_.User("other")), "ok");  // with the same key
  const auto of_other = cluster_->NewMfaTokens("other", Role::kCryptoUser);
  ASSERT_EQ(CodeOf(of_other), "ok");
  EXPECT_EQ(CodeOf(Login(signer_.Signed(*of_other))), kRefused);
  // Nor with the right second one.
  auto mixed = Tokens();
  mixed[0] = signer_.Signed((*of_other)[0]);
  EXPECT_EQ(CodeOf(Login(mixed)), kRefused);
}

TEST_P(MfaTest, AnExpiredTokenIsRefused) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto core = test::OpenBeside(cluster_);
  const auto text = users::NewChallenge(*core, "mfa/crypto-user/app/00", Role::kCryptoUser, "app",
                                        std::time(nullptr) - kTokenLifetime - 5, false);
  ASSERT_EQ(CodeOf(text), "ok");
  auto tokens = Tokens();
  tokens[0].data = *text;
  tokens[0].token = vault::Sha256(*text);
  EXPECT_EQ(CodeOf(Login(signer_.Signed(tokens))), kRefused);
}

// The gate is not all: what is in the store opens with the signature only.
TEST_P(MfaTest, ThePasswordAndTheStoreAreNotEnough) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto core = test::OpenBeside(cluster_);
  const auto user = users::GetUser(*core, Role::kCryptoUser, "app");
  ASSERT_EQ(CodeOf(user), "ok");
  const users::UserRecord& record = user->record;
  EXPECT_EQ(CodeOf(users::OpenPassword(record, Password(), nullptr)), kWrong);
  const Bytes& unlock = record.password->unlock;
  const users::SecondFactor guess{
      unlock, SecretBytes::CopyOf(TokenSigner(GetParam()).Sign(vault::Sha256(unlock)))};
  EXPECT_EQ(CodeOf(users::OpenPassword(record, Password(), &guess)), kWrong);
  const users::SecondFactor right{unlock, SecretBytes::CopyOf(signer_.Sign(vault::Sha256(unlock)))};
  EXPECT_EQ(CodeOf(users::OpenPassword(record, Password(), &right)), "ok");
  EXPECT_EQ(CodeOf(users::OpenPassword(record, Password("wrongpass12"), &right)), kWrong);
}

TEST_P(MfaTest, MachineCredentialsTakeNoToken) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto session = Login(Tokens());
  ASSERT_EQ(CodeOf(session), "ok");
  const auto machine = (*session)->CreateMachineCredential();
  ASSERT_EQ(CodeOf(machine), "ok");
  const auto credential = Credential::FromPin(*machine);
  ASSERT_EQ(CodeOf(credential), "ok");
  const auto service = cluster_->Login(*credential, Role::kCryptoUser);
  ASSERT_EQ(CodeOf(service), "ok");
  // But it does not change how the password opens.
  EXPECT_EQ(CodeOf((*service)->ChangePassword(Password("freshpass1"))), kMfa);
  EXPECT_EQ(CodeOf((*service)->DeregisterMfa(Password())), kMfa);
  EXPECT_EQ(CodeOf(Login(Tokens())), "ok");
}

TEST_P(MfaTest, ANewPasswordTakesTheTokenToo) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto session = Login(Tokens());
  ASSERT_EQ(CodeOf(session), "ok");
  ASSERT_EQ(CodeOf((*session)->ChangePassword(Password("freshpass1"))), "ok");
  EXPECT_EQ(Plain("freshpass1"), kMfa);
  EXPECT_EQ(CodeOf(Login(Tokens())), kWrong);
  EXPECT_EQ(CodeOf(Login(Tokens(), "freshpass1")), "ok");
}

TEST_P(MfaTest, AnotherKeyTakesItsPlace) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto old_tokens = Tokens();
  const auto session = Login(Tokens());
  ASSERT_EQ(CodeOf(session), "ok");
  const TokenSigner next(GetParam());
  // Not as a key for quorums only: the password would not open any more.
  EXPECT_EQ(CodeOf(next.Register(**session)), Text(ErrorCode::kTokenKey));
  auto token = (*session)->NewRegistration();
  ASSERT_EQ(CodeOf(token), "ok");
  EXPECT_EQ(CodeOf((*session)->RegisterMfa(Password("wrongpass12"), next.PublicKey(),
                                           next.Signed(*token))),
            kWrong);
  ASSERT_EQ(CodeOf((*session)->RegisterMfa(Password(), next.PublicKey(), next.Signed(*token))),
            "ok");
  EXPECT_EQ(CodeOf(Login(old_tokens)), kRefused);
  const auto tokens = cluster_->NewMfaTokens("app", Role::kCryptoUser);
  EXPECT_EQ(CodeOf(Login(signer_.Signed(*tokens))), kRefused);
  EXPECT_EQ(CodeOf(Login(next.Signed(*tokens))), "ok");
  // A session from before changes nothing that it does not know of.
  EXPECT_EQ(CodeOf((*session)->ChangePassword(Password("freshpass1"))), kMfa);
}

TEST_P(MfaTest, ItCanBeTakenAway) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto session = Login(Tokens());
  ASSERT_EQ(CodeOf(session), "ok");
  EXPECT_EQ(CodeOf((*session)->DeregisterMfa(Password("wrongpass12"))), kWrong);
  EXPECT_EQ(Plain(), kMfa);
  ASSERT_EQ(CodeOf((*session)->DeregisterMfa(Password())), "ok");
  EXPECT_EQ(Plain(), "ok");
  EXPECT_EQ(CodeOf(cluster_->NewMfaTokens("app", Role::kCryptoUser)), kRefused);
  const auto users = cluster_->Anonymous()->ListUsers();
  EXPECT_TRUE(users->back().signs_tokens);
  EXPECT_FALSE(users->back().mfa);
}

TEST_P(MfaTest, ARegistrationIsProvedAndCountsOnce) {
  const auto session = cluster_.User();
  auto token = session->NewRegistration();
  ASSERT_EQ(CodeOf(token), "ok");
  const TokenSigner other(GetParam());
  EXPECT_EQ(CodeOf(session->RegisterTokenKey(signer_.PublicKey(), other.Signed(*token))), kRefused);
  EXPECT_EQ(CodeOf(cluster_.Admin()->RegisterTokenKey(signer_.PublicKey(), signer_.Signed(*token))),
            kRefused);
  EXPECT_EQ(CodeOf(session->RegisterTokenKey(signer_.PublicKey(), signer_.Signed(*token))), "ok");
  EXPECT_EQ(CodeOf(session->RegisterTokenKey(signer_.PublicKey(), signer_.Signed(*token))),
            kRefused);
  EXPECT_EQ(CodeOf(session->RegisterMfa(Password(), signer_.PublicKey(), signer_.Signed(*token))),
            kRefused);
  EXPECT_EQ(Plain(), "ok");
}

TEST_P(MfaTest, UnusedTokensDoNotFillTheStore) {
  ASSERT_EQ(Register(*cluster_.User()), "ok");
  const auto core = test::OpenBeside(cluster_);
  for (const char* place : {"01", "02", "03"}) {
    ASSERT_EQ(CodeOf(users::NewChallenge(*core, std::string("mfa/crypto-user/app/") + place,
                                         Role::kCryptoUser, "app",
                                         std::time(nullptr) - kTokenLifetime - 5, false)),
              "ok");
  }
  const auto tokens = Tokens();
  EXPECT_EQ(core->engine->Count("token/mfa/").value(), 1U);
  for (int i = 1; i < 16; ++i) Tokens();
  EXPECT_EQ(CodeOf(cluster_->NewMfaTokens("app", Role::kCryptoUser)), kRefused);
  EXPECT_EQ(CodeOf(Login(tokens)), "ok");
}

TEST(TokenKeyTest, OtherKindsAreRefused) {
  test::TestCluster cluster(1);
  const auto session = cluster.User();
  const auto code = [&](const TokenSigner& signer) {
    const auto token = session->NewRegistration();
    return CodeOf(session->RegisterTokenKey(signer.PublicKey(), signer.Signed(*token)));
  };
  EXPECT_EQ(code(TokenSigner(KeyType::kRsa, 3072)), Text(ErrorCode::kTokenKey));
  EXPECT_EQ(code(TokenSigner(KeyType::kEd25519)), "ok");
  for (const char* file : {"", "no key", "-----BEGIN PUBLIC KEY-----\n"}) {
    const auto token = session->NewRegistration();
    EXPECT_EQ(CodeOf(session->RegisterTokenKey(vault::ViewOf(file), *token)),
              Text(ErrorCode::kTokenKey));
  }
}

TEST(TokenKeyTest, FipsModeTakesRsaOnly) {
  ClusterOptions options;
  options.mode = ClusterMode::kFips;
  test::TestCluster cluster(1, std::move(options));
  const auto session = cluster.User();
  EXPECT_EQ(CodeOf(TokenSigner(KeyType::kEd25519).Register(*session)),
            Text(ErrorCode::kModeForbids));
  EXPECT_EQ(CodeOf(TokenSigner(KeyType::kRsa).Register(*session)), "ok");
}

TEST_P(MfaTest, AnAdminGivesAnotherHisMfaWithAPassword) {
  const auto admin = cluster_.Admin();
  const KeyHandle key = [&] {
    KeyTemplate form;
    form.private_half.label = form.public_half.label = "kept";
    return (*cluster_.User()->Generate(test::Ed25519Spec(), form))->private_info()->handle;
  }();
  const auto token = admin->NewRegistrationFor("App", Role::kCryptoUser);
  ASSERT_EQ(CodeOf(token), "ok");
  EXPECT_EQ(CodeOf(admin->NewRegistrationFor("nobody", Role::kCryptoUser)),
            Text(ErrorCode::kUserNotFound));
  EXPECT_EQ(CodeOf(cluster_.User()->NewRegistrationFor("app", Role::kCryptoUser)),
            Text(ErrorCode::kRoleForbids));
  const auto reset = [&](const NewTokenKey& mfa) {
    return CodeOf(
        admin->ResetPassword("app", Role::kCryptoUser, Password("givenpass12"), &mfa, nullptr));
  };
  NewTokenKey mfa{signer_.PublicKey(), *token};
  EXPECT_EQ(reset(mfa), kRefused);  // nobody has signed it
  mfa.signed_token = TokenSigner().Signed(*token);
  EXPECT_EQ(reset(mfa), kRefused);  // somebody else has
  mfa.signed_token = signer_.Signed(*admin->NewRegistration());
  EXPECT_EQ(reset(mfa), kRefused);  // the admin's own
  EXPECT_EQ(Plain(), "ok");
  mfa.signed_token = signer_.Signed(*token);
  ASSERT_EQ(reset(mfa), "ok");
  EXPECT_EQ(Plain("givenpass12"), kMfa);
  const auto session = Login(Tokens(), "givenpass12");
  ASSERT_EQ(CodeOf(session), "ok");
  EXPECT_EQ(CodeOf((*session)->Load(KeyQuery::ByHandle(key), true)), "ok");
  EXPECT_EQ(reset(mfa), kRefused);  // it is spent
}

}  // namespace
}  // namespace hsmcore
