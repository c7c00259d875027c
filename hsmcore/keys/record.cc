// SPDX-License-Identifier: Apache-2.0
#include "keys/record.h"

#include <algorithm>
#include <array>

#include "base/cbor.h"
#include "base/text.h"
#include "base/values.h"
#include "hsmcore/quorum.h"
#include "keys/life.h"
#include "keys/material.h"
#include "vault/sealing.h"

namespace hsmcore::keys {
namespace {

constexpr std::string_view kSealContext = "hsm key v1";
constexpr std::string_view kSignContext = "hsm key record v1";
constexpr std::string_view kKeyPrefix = "key/";
constexpr unsigned kVersion = 1;
constexpr std::size_t kHandleDigits = 16;

std::string Digits(KeyHandle handle) { return handle.ToString().substr(2); }

struct TemplateRow {
  Attribute attribute;
  AttributeTemplate ObjectAttributes::* member;
};
constexpr std::array kTemplates = {
    TemplateRow{Attribute::kWrapTemplate, &ObjectAttributes::wrap_template},
    TemplateRow{Attribute::kUnwrapTemplate, &ObjectAttributes::unwrap_template}};

cbor::Value EncodeHalf(const ObjectAttributes& half) {
  cbor::Value value = {
      {"label", half.label}, {"id", cbor::Blob(half.id)}, {"flags", half.flags.bits()}};
  for (const TemplateRow& row : kTemplates) {
    const AttributeTemplate& wanted = half.*row.member;
    if (!wanted.empty()) value[RowOf(row.attribute).name] = ToString(wanted);
  }
  return value;
}

Result<ObjectAttributes> DecodeHalf(const cbor::Value& value, std::string_view what) {
  cbor::Reader in(value, what);
  ObjectAttributes half;
  half.label = in.Text("label");
  half.id = in.Blob("id");
  half.flags = AttributeFlags::FromBits(static_cast<std::uint32_t>(in.Number("flags")));
  // An admin's mark is an entry of its own (trusted_mark.h); an owner cannot make it here.
  half.flags.Set(Attribute::kTrusted, false);
  for (const TemplateRow& row : kTemplates) {
    const AttributeRow& attribute = RowOf(row.attribute);
    if (!in.Has(attribute.name)) continue;
    auto wanted = ParseTemplate(attribute, in.Text(attribute.name));
    if (!wanted) in.Refuse(attribute.name);
    half.*row.member = std::move(wanted).value_or(AttributeTemplate());
  }
  if (!CheckNames(half)) in.Refuse("label");
  HSMCORE_CHECK(in.Finish());
  return half;
}

cbor::Value EncodeQuorum(const KeyQuorum& quorum) {
  return {{"manage", quorum.manage}, {"use", quorum.use}};
}

Result<KeyQuorum> DecodeQuorum(const cbor::Value& value, std::string_view what) {
  cbor::Reader in(value, what);
  const std::uint64_t manage = in.Number("manage");
  const std::uint64_t use = in.Number("use");
  if (manage > kMaxQuorum) in.Refuse("manage");
  if (use > kMaxQuorum) in.Refuse("use");
  HSMCORE_CHECK(in.Finish());
  return KeyQuorum{static_cast<unsigned>(manage), static_cast<unsigned>(use)};
}

Bytes EncodeBody(const KeyRecord& record) {
  cbor::Value body = {{"handle", record.handle.value},
                      {"version", record.version},
                      {"created", record.created},
                      {"owner", record.owner},
                      {"material", EncodePublic(record.public_part)}};
  if (record.private_half) body["private"] = EncodeHalf(*record.private_half);
  if (record.public_half) body["public"] = EncodeHalf(*record.public_half);
  cbor::Value life = EncodeLife(record.life);
  if (!life.empty()) body["life"] = std::move(life);
  if (record.quorum.any()) body["quorum"] = EncodeQuorum(record.quorum);
  return cbor::Encode(body);
}

Status DecodeBody(ByteView bytes, std::string_view path, KeyRecord& record) {
  HSMCORE_TRY(const cbor::Value body, cbor::Decode(bytes, path));
  cbor::Reader in(body, path);
  record.handle.value = in.Number("handle");
  record.version = in.Number("version");
  record.created = in.Signed("created");
  record.owner = in.Text("owner");
  if (KeyPath(record.handle) != path) in.Refuse("handle");
  HSMCORE_TRY(record.public_part, DecodePublic(in.Map("material"), path));
  if (in.Has("private")) {
    HSMCORE_TRY(record.private_half, DecodeHalf(in.Map("private"), path));
  }
  if (in.Has("public")) {
    HSMCORE_TRY(record.public_half, DecodeHalf(in.Map("public"), path));
  }
  // Not there in records of before, and where all is as it is by default.
  if (in.Has("life")) {
    HSMCORE_TRY(record.life, DecodeLife(in.Map("life"), path));
  }
  if (in.Has("quorum")) {
    HSMCORE_TRY(record.quorum, DecodeQuorum(in.Map("quorum"), path));
  }
  if (!record.private_half && !record.public_half) in.Refuse("private");
  if (record.is_secret() && record.public_half) in.Refuse("public");
  return in.Finish();
}

Bytes Associated(const KeyRecord& record) {
  const std::string path = KeyPath(record.handle);
  return vault::Bind({vault::ViewOf(kSealContext), vault::ViewOf(path), EncodeBody(record)});
}

Bytes EncodeGrants(const KeyRecord& record) {
  cbor::Value list = cbor::Value::array();
  for (const Grant& grant : record.grants) {
    cbor::Value item = {{"user", grant.user}, {"sealed", cbor::Blob(grant.sealed)}};
    if (!grant.box_key.empty()) item["box"] = cbor::Blob(grant.box_key);
    if (!grant.direct) item["direct"] = false;
    if (!grant.groups.empty()) item["groups"] = grant.groups;
    list.push_back(std::move(item));
  }
  cbor::Value value = {{"grants", std::move(list)}};
  if (!record.groups.empty()) value["groups"] = record.groups;
  return cbor::Encode(value);
}

std::vector<std::string> Names(cbor::Reader& in) {
  std::vector<std::string> names;
  for (const cbor::Value& name : in.List("groups")) {
    if (name.is_string()) {
      names.push_back(name.get<std::string>());
    } else {
      in.Refuse("groups");
    }
  }
  return names;
}

Status DecodeGrants(ByteView bytes, std::string_view path, KeyRecord& record) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(bytes, path));
  cbor::Reader in(value, path);
  for (const cbor::Value& item : in.List("grants")) {
    cbor::Reader grant(item, path);
    record.grants.push_back({grant.Text("user"), grant.Blob("sealed"), {}});
    Grant& last = record.grants.back();
    // Not there in records of before there was sharing, and groups.
    if (grant.Has("box")) last.box_key = grant.Blob("box");
    if (grant.Has("direct")) last.direct = grant.Flag("direct");
    if (grant.Has("groups")) last.groups = Names(grant);
    HSMCORE_CHECK(grant.Finish());
  }
  if (in.Has("groups")) record.groups = Names(in);
  return in.Finish();
}

Bytes SignedMessage(std::string_view path, ByteView body, ByteView sealed, ByteView grants) {
  return vault::Bind({vault::ViewOf(path), body, sealed, grants});
}

Result<DecodedKey> Decode(std::string_view path, ByteView bytes) {
  HSMCORE_TRY(const cbor::Value value, cbor::Decode(bytes, path));
  cbor::Reader in(value, path);
  HSMCORE_CHECK(in.CheckVersion(kVersion));
  DecodedKey decoded;
  const Bytes body = in.Blob("body");
  const Bytes grants = in.Blob("grants");
  decoded.record.sealed = in.Blob("sealed");
  decoded.signature = in.Blob("sig");
  HSMCORE_CHECK(in.Finish());
  HSMCORE_CHECK(DecodeBody(body, path, decoded.record));
  HSMCORE_CHECK(DecodeGrants(grants, path, decoded.record));
  decoded.message = SignedMessage(path, body, decoded.record.sealed, grants);
  return decoded;
}

// A label as one part of a path: anything but the plainest characters as %xx.
std::string EscapedLabel(std::string_view label) {
  constexpr std::string_view kPlain =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
  std::string text;
  for (const char c : label) {
    const auto byte = static_cast<std::uint8_t>(c);
    if (kPlain.contains(c))
      text += c;
    else
      text += '%' + ToHex({&byte, 1});
  }
  return text;
}

// In the order of time.
std::string PurgePath(std::int64_t time, KeyHandle handle) {
  const KeyHandle digits{static_cast<std::uint64_t>(time)};
  return Cat(kPurgeIndex, Digits(digits), "/", Digits(handle));
}

}  // namespace

KeyInfo KeyRecord::Info(KeyClass klass) const {
  const bool is_private = klass != KeyClass::kPublicKey;
  KeyInfo info;
  info.handle = is_private ? handle.PrivateHalf() : handle.PublicHalf();
  info.klass = klass;
  info.attributes = (is_private ? private_half : public_half).value_or(ObjectAttributes());
  info.public_part = public_part;
  info.owner = owner.substr(owner.rfind('/') + 1);
  for (const Grant& grant : grants) {
    if (grant.user != owner)
      info.shared_users.push_back(grant.user.substr(grant.user.rfind('/') + 1));
  }
  info.created = created;
  info.pair = private_half && public_half;
  info.life = life;
  if (is_private) info.quorum = quorum;
  return info;
}

const Grant* KeyRecord::GrantFor(std::string_view user, ByteView box_key) const {
  const auto grant = std::ranges::find(grants, user, &Grant::user);
  if (grant == grants.end()) return nullptr;
  const bool his = grant->box_key.empty() || std::ranges::equal(grant->box_key, box_key);
  return his ? &*grant : nullptr;
}

std::string KeyPath(KeyHandle handle) { return Cat(kKeyPrefix, Digits(handle.PrivateHalf())); }

std::string LabelIndexPrefix(std::string_view label) {
  return Cat("label/", EscapedLabel(label), "/");
}
std::string SharedIndexPrefix(std::string_view group) {
  return Cat(kSharedIndex, EscapedLabel(group), "/");
}
std::string IdIndexPrefix(ByteView id) { return Cat("id/", ToHex(id), "/"); }

std::vector<std::string> IndexPaths(const KeyRecord& record) {
  std::vector<std::string> paths;
  for (const auto* half : {&record.private_half, &record.public_half}) {
    if (!*half) continue;
    if (!(*half)->label.empty()) {
      paths.push_back(LabelIndexPrefix((*half)->label) + Digits(record.handle));
    }
    if (!(*half)->id.empty()) paths.push_back(IdIndexPrefix((*half)->id) + Digits(record.handle));
  }
  for (const std::string& group : record.groups) {
    paths.push_back(SharedIndexPrefix(group) + Digits(record.handle));
  }
  if (record.life.purge) paths.push_back(PurgePath(*record.life.purge, record.handle));
  std::ranges::sort(paths);
  const auto twice = std::ranges::unique(paths);
  paths.erase(twice.begin(), twice.end());
  return paths;
}

std::optional<std::int64_t> PurgeTimeIn(std::string_view path) {
  if (!path.starts_with(kPurgeIndex)) return std::nullopt;
  const auto time = HandleIn(path.substr(0, kPurgeIndex.size() + kHandleDigits));
  if (!time) return std::nullopt;
  return static_cast<std::int64_t>(time->value);
}

std::optional<KeyHandle> HandleIn(std::string_view path) {
  if (path.size() < kHandleDigits) return std::nullopt;
  const auto handle = KeyHandle::Parse(Cat("0x", path.substr(path.size() - kHandleDigits)));
  return handle ? std::optional(*handle) : std::nullopt;
}

Status SealPrivate(KeyRecord& record, const SecretBytes& dek, const PrivateMaterial& material) {
  const SecretBytes plain = EncodePrivate(material);
  HSMCORE_TRY(record.sealed,
              vault::Seal(dek, plain.Read(SecretAccess{"seal a private key"}), Associated(record)));
  return {};
}

Status SealGrants(KeyRecord& record, const SecretBytes& dek, GrantsToSeal which) {
  for (Grant& grant : record.grants) {
    if (which == GrantsToSeal::kNew && !grant.sealed.empty()) continue;
    HSMCORE_TRY(grant.sealed, vault::SealTo(grant.box_key, dek));
  }
  return {};
}

Result<SecretBytes> OpenGrant(const KeyRecord& record, std::string_view user,
                              const vault::Identity& identity) {
  const Grant* grant = record.GrantFor(user, identity.public_identity().box_key);
  if (grant == nullptr) {
    return Fail(ErrorCode::kRoleForbids,
                Cat("key ", record.handle.ToString(), " is not yours and not shared with you"));
  }
  auto dek = identity.OpenSealed(grant->sealed);
  if (!dek) {
    return Fail(ErrorCode::kKeyDamaged,
                Cat("key ", record.handle.ToString(),
                    ": your grant does not open; run 'hsmctl cluster sync'"));
  }
  return dek;
}

Result<PrivateMaterial> OpenPrivate(const KeyRecord& record, const SecretBytes& dek) {
  auto plain = vault::Open(dek, record.sealed, Associated(record));
  if (!plain) {
    return Fail(ErrorCode::kKeyDamaged,
                Cat("key ", record.handle.ToString(),
                    " was changed in the store and does not open; run 'hsmctl cluster sync'"));
  }
  return DecodePrivate(*plain);
}

Bytes EncodeRecord(const KeyRecord& record, const vault::Identity& owner) {
  const Bytes body = EncodeBody(record);
  const Bytes grants = EncodeGrants(record);
  const Bytes message = SignedMessage(KeyPath(record.handle), body, record.sealed, grants);
  return cbor::Encode({{"v", kVersion},
                       {"body", cbor::Blob(body)},
                       {"sealed", cbor::Blob(record.sealed)},
                       {"grants", cbor::Blob(grants)},
                       {"sig", cbor::Blob(owner.Sign(kSignContext, message))}});
}

bool DecodedKey::SignedBy(ByteView sign_key) const {
  return vault::VerifySignature(sign_key, kSignContext, message, signature);
}

Result<DecodedKey> DecodeRecord(std::string_view path, ByteView bytes) {
  auto decoded = Decode(path, bytes);
  if (!decoded && decoded.error().code() == ErrorCode::kRecordDamaged) {
    return Fail(ErrorCode::kKeyDamaged,
                Cat(decoded.error().detail(), "; run 'hsmctl cluster sync'"));
  }
  return decoded;
}

}  // namespace hsmcore::keys
