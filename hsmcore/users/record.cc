// SPDX-License-Identifier: Apache-2.0
#include "users/record.h"

#include <algorithm>

#include "base/cbor.h"
#include "base/text.h"
#include "vault/sealing.h"

namespace hsmcore::users {
namespace {

constexpr std::string_view kIdentityContext = "hsm user identity v1";
constexpr std::string_view kCredentialsContext = "hsm user credentials v1";
constexpr std::string_view kSealContext = "hsm user secret v1";
constexpr unsigned kVersion = 1;

Bytes EncodeIdentity(const UserRecord& record) {
  return cbor::Encode({{"name", record.name},
                       {"role", NameOf(record.role)},
                       {"box", cbor::Blob(record.identity.box_key)},
                       {"sign", cbor::Blob(record.identity.sign_key)},
                       {"created", record.created},
                       {"signer", record.signer},
                       {"escrow", cbor::Blob(record.escrow)}});
}

Status DecodeIdentity(ByteView body, std::string_view path, UserRecord& record) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(body, path));
  cbor::Reader in(value, path);
  record.name = in.Text("name");
  const auto role = RoleByName(in.Text("role"));
  record.role = role.value_or(Role::kCryptoUser);
  record.identity = {in.Blob("box"), in.Blob("sign")};
  record.created = in.Signed("created");
  record.signer = in.Text("signer");
  record.escrow = in.Blob("escrow");
  if (!role || record.path() != path) in.Refuse("name");
  if (!record.identity.well_formed()) in.Refuse("sign");
  return in.Finish();
}

Bytes EncodeCredentials(const UserRecord& record) {
  cbor::Value machines = cbor::Value::array();
  for (const UserRecord::Machine& machine : record.machines) {
    machines.push_back({{"id", cbor::Blob(machine.id)}, {"sealed", cbor::Blob(machine.sealed)}});
  }
  cbor::Value value = {{"machines", machines}};
  if (record.password) {
    const UserRecord::Password& password = *record.password;
    value["password"] = {{"salt", cbor::Blob(password.hash.salt)},
                         {"operations", password.hash.operations},
                         {"memory", password.hash.memory},
                         {"sealed", cbor::Blob(password.sealed)}};
    if (!password.unlock.empty()) value["password"]["unlock"] = cbor::Blob(password.unlock);
  }
  if (record.token_key) value["token-key"] = {{"spki", cbor::Blob(record.token_key->spki)}};
  return cbor::Encode(value);
}

Status DecodeCredentials(ByteView body, std::string_view path, UserRecord& record) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(body, path));
  cbor::Reader in(value, path);
  for (const cbor::Value& item : in.List("machines")) {
    cbor::Reader machine(item, path);
    record.machines.push_back({machine.Blob("id"), machine.Blob("sealed")});
    HSMCORE_CHECK(machine.Finish());
  }
  if (in.Has("password")) {
    cbor::Reader password(in.Map("password"), path);
    record.password = {
        {password.Blob("salt"), password.Number("operations"), password.Number("memory")},
        password.Blob("sealed"),
        password.Has("unlock") ? password.Blob("unlock") : Bytes()};
    HSMCORE_CHECK(password.Finish());
  }
  if (in.Has("token-key")) {
    cbor::Reader key(in.Map("token-key"), path);
    record.token_key = {.spki = key.Blob("spki")};
    HSMCORE_CHECK(key.Finish());
  }
  return in.Finish();
}

// Credentials are bound to the identity they open, so that neither part can be swapped alone.
Bytes CredentialsMessage(ByteView identity_body, ByteView credentials) {
  return vault::Bind({identity_body, credentials});
}

Bytes SealAssociated(std::string_view path, std::string_view kind) {
  return vault::Bind({vault::ViewOf(kSealContext), vault::ViewOf(path), vault::ViewOf(kind)});
}

}  // namespace

std::string UserPath(Role role, std::string_view name) {
  return Cat("user/", NameOf(role), "/", name);
}

std::string UserRecord::path() const { return UserPath(role, name); }

Result<std::string> NormalisedName(std::string_view name) {
  constexpr std::size_t kMaxName = 31;
  std::string lower(name);
  std::ranges::transform(lower, lower.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  const bool plain = std::ranges::all_of(
      lower, [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_'; });
  if (!plain || lower.empty() || lower.size() > kMaxName) {
    return Fail(ErrorCode::kUserName,
                Cat("a user name has 1 to ", kMaxName, " letters, digits and underscores"));
  }
  return lower;
}

SignedIdentity SignIdentity(const UserRecord& record, const vault::Identity& signer) {
  Bytes body = EncodeIdentity(record);
  Bytes signature = signer.Sign(kIdentityContext, body);
  return {std::move(body), std::move(signature)};
}

Bytes EncodeRecord(const UserRecord& record, const SignedIdentity& identity,
                   const vault::Identity& self) {
  const Bytes credentials = EncodeCredentials(record);
  const Bytes signature =
      self.Sign(kCredentialsContext, CredentialsMessage(identity.body, credentials));
  return cbor::Encode({{"v", kVersion},
                       {"identity", cbor::Blob(identity.body)},
                       {"identity_sig", cbor::Blob(identity.signature)},
                       {"credentials", cbor::Blob(credentials)},
                       {"credentials_sig", cbor::Blob(signature)}});
}

Result<DecodedRecord> DecodeRecord(std::string_view path, ByteView bytes) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(bytes, path));
  cbor::Reader in(value, path);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  DecodedRecord decoded;
  decoded.identity = {in.Blob("identity"), in.Blob("identity_sig")};
  const Bytes credentials = in.Blob("credentials");
  const Bytes signature = in.Blob("credentials_sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_CHECK(DecodeIdentity(decoded.identity.body, path, decoded.record));
  if (!vault::VerifySignature(decoded.record.identity.sign_key, kCredentialsContext,
                              CredentialsMessage(decoded.identity.body, credentials), signature)) {
    in.Refuse("credentials_sig");
    HSMCORE_CHECK(in.Finish());
  }
  HSMCORE_CHECK(DecodeCredentials(credentials, path, decoded.record));
  return decoded;
}

bool SignedBy(const DecodedRecord& decoded, ByteView sign_key) {
  return vault::VerifySignature(sign_key, kIdentityContext, decoded.identity.body,
                                decoded.identity.signature);
}

Result<Bytes> SealIdentity(const vault::Identity& identity, const SecretBytes& key,
                           std::string_view path, std::string_view kind) {
  const SecretBytes secret = identity.Export();
  return vault::Seal(key, secret.Read(SecretAccess{"seal a user's secret"}),
                     SealAssociated(path, kind));
}

Result<vault::Identity> OpenIdentity(ByteView sealed, const SecretBytes& key, std::string_view path,
                                     std::string_view kind) {
  HSMCORE_TRY(const SecretBytes secret, vault::Open(key, sealed, SealAssociated(path, kind)));
  return vault::Identity::Import(secret);
}

}  // namespace hsmcore::users
