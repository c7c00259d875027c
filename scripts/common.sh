# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Read by the other scripts, which stand in the top directory of the project from then on.
set -Eeuo pipefail
export LC_ALL=C.UTF-8
unset CDPATH
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Debian's own Python is the one that has Debian's pytest.
export PYTHON=/usr/bin/python3

die() {
  printf '%s: %s\n' "$(basename "$0")" "$*" >&2
  exit 1
}

wrong_usage() {
  printf '%s: %s (see --help)\n' "$(basename "$0")" "$*" >&2
  exit 2
}

say() { printf '\n==> %s\n' "$*"; }

# The comment at the top of a script is its help text.
show_help() {
  awk '/^# shellcheck/ { next } NR > 2 && /^#/ { sub(/^# ?/, ""); print; next } NR > 2 { exit }' "$1"
}

# The project's own files, by name pattern.
project_files() {
  local patterns=() pattern
  for pattern in "$@"; do patterns+=(-o -name "$pattern"); done
  find .ci hsmcore hsmctl provider scripts tests -type f -not -path '*/__pycache__/*' \
    \( "${patterns[@]:1}" \) | sort
}

# As in CMakePresets.json. HSM_BUILD_SUFFIX keeps the builds of different Debians apart.
build_dir_of() {
  case $1 in
    dev) echo "build${HSM_BUILD_SUFFIX:-}" ;;
    *) echo "build-$1${HSM_BUILD_SUFFIX:-}" ;;
  esac
}
