// SPDX-License-Identifier: Apache-2.0
#ifndef HSMCORE_SESSION_KEY_QUERY_H_
#define HSMCORE_SESSION_KEY_QUERY_H_

#include "hsmcore/session.h"

namespace hsmcore::session {

bool Matches(const KeyQuery& query, const KeyInfo& info);

}  // namespace hsmcore::session

#endif  // HSMCORE_SESSION_KEY_QUERY_H_
