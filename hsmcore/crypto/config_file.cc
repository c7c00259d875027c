// SPDX-License-Identifier: Apache-2.0
#include "crypto/config_file.h"

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/safestack.h>

#include "base/text.h"
#include "crypto/library.h"
#include "crypto/openssl_ptr.h"

namespace hsmcore::crypto {
namespace {

using ConfPtr = OpensslPtr<CONF, NCONF_free>;

}  // namespace

Result<ConfigSections> ParseConfig(ByteView text, const std::string& path) {
  const ErrorMark errors;
  const ConfPtr conf(NCONF_new(nullptr));
  // A buffer without an address is an error to OpenSSL, and an empty file has none.
  const void* begin = text.empty() ? "" : static_cast<const void*>(text.data());
  const BioPtr in(BIO_new_mem_buf(begin, static_cast<int>(text.size())));
  OpensslLong line = 0;
  if (conf == nullptr || in == nullptr || NCONF_load_bio(conf.get(), in.get(), &line) != 1) {
    return errors.Fail(ErrorCode::kSetting,
                       Cat(path, ", line ", line, ", is not in the format of openssl.cnf"));
  }
  ConfigSections sections;
  STACK_OF(OPENSSL_CSTRING)* const names = NCONF_get_section_names(conf.get());
  for (int i = 0; i < sk_OPENSSL_CSTRING_num(names); ++i) {
    const char* name = sk_OPENSSL_CSTRING_value(names, i);
    std::vector<ConfigRow>& rows = sections[name];
    const STACK_OF(CONF_VALUE)* const values = NCONF_get_section(conf.get(), name);
    for (int j = 0; j < sk_CONF_VALUE_num(values); ++j) {
      const CONF_VALUE* value = sk_CONF_VALUE_value(values, j);
      rows.push_back({value->name, value->value});
    }
  }
  sk_OPENSSL_CSTRING_free(names);
  return sections;
}

}  // namespace hsmcore::crypto
