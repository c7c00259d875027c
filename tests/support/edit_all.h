// SPDX-License-Identifier: Apache-2.0
#ifndef TESTS_SUPPORT_EDIT_ALL_H_
#define TESTS_SUPPORT_EDIT_ALL_H_

#include "support/sqlite_editor.h"
#include "support/test_cluster.h"

namespace hsmcore::test {

// Runs `edit` on every HSM's file while nobody has them open.
template <class Edit>
void EditAll(TestCluster& cluster, const Edit& edit) {
  const auto description = cluster->Describe(false);
  ASSERT_TRUE(description.has_value());
  cluster.Close();
  for (const HsmDescription& hsm : description->hsms) {
    SqliteEditor editor(hsm.path / "store.db");
    edit(editor);
  }
  cluster.Reopen();
}

}  // namespace hsmcore::test

#endif  // TESTS_SUPPORT_EDIT_ALL_H_
