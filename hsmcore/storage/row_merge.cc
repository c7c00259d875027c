// SPDX-License-Identifier: Apache-2.0
#include "storage/row_merge.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace hsmcore::storage {
namespace {

constexpr std::size_t kPageRows = 256;

// Walks through one store's rows.
class Cursor {
 public:
  explicit Cursor(Store& store) : store_(&store) { Fetch({}); }

  const Row* current() const { return at_ < page_.size() ? &page_[at_] : nullptr; }
  const Status& status() const { return status_; }

  void Advance() {
    if (++at_ == page_.size() && page_.size() == kPageRows) Fetch(page_.back().key);
  }

 private:
  void Fetch(const std::string& after) {
    Result<std::vector<Row>> page = store_->RowsAfter(after, kPageRows);
    if (!page) status_ = std::unexpected(page.error());
    page_ = page ? *std::move(page) : std::vector<Row>{};
    at_ = 0;
  }

  Store* store_;
  std::vector<Row> page_;
  std::size_t at_ = 0;
  Status status_;
};

// The lowest key that any cursor is at.
const std::string* LowestKey(const std::vector<Cursor>& cursors) {
  const std::string* lowest = nullptr;
  for (const Cursor& cursor : cursors) {
    const Row* row = cursor.current();
    if (row != nullptr && (lowest == nullptr || row->key < *lowest)) lowest = &row->key;
  }
  return lowest;
}

bool Refused(const Row* row, const Verifier* verifier) {
  if (verifier == nullptr || row == nullptr || !row->value) return false;
  return !(*verifier)({row->key, *row->value, row->revision});
}

}  // namespace

std::vector<Status> MergeRows(std::span<Store* const> stores,
                              const std::function<void(RowVersions)>& visit) {
  std::vector<Cursor> cursors;
  for (Store* store : stores) cursors.emplace_back(*store);
  std::vector<const Row*> versions(stores.size());
  while (const std::string* lowest = LowestKey(cursors)) {
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      const Row* row = cursors[i].current();
      versions[i] = row != nullptr && row->key == *lowest ? row : nullptr;
    }
    visit(versions);
    for (std::size_t i = 0; i < cursors.size(); ++i) {
      if (versions[i] != nullptr) cursors[i].Advance();
    }
  }
  std::vector<Status> statuses;
  statuses.reserve(cursors.size());
  for (const Cursor& cursor : cursors) statuses.push_back(cursor.status());
  return statuses;
}

bool SameRow(const Row* a, const Row* b) {
  return a == nullptr || b == nullptr ? a == b : *a == *b;
}

std::size_t GenuineVersion(RowVersions versions, const Verifier* verifier) {
  const auto rank = [&](const Row* row) {
    const auto holders =
        std::ranges::count_if(versions, [&](const Row* other) { return SameRow(row, other); });
    return std::tuple(!Refused(row, verifier), holders, row == nullptr ? 0 : row->revision);
  };
  const auto best = std::ranges::max_element(versions, {}, rank);  // the first of equals
  return static_cast<std::size_t>(best - versions.begin());
}

}  // namespace hsmcore::storage
