#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# format.sh - every C file stands as clang-format 14 would put it
#
# usage: format.sh ROOT
#
# Versions differ in what they like, so another one is no judge: the test is skipped (exit 77).
set -u
root=${1:?usage: format.sh ROOT}
cd "$root" || exit 2

formatter=$(command -v clang-format-14 || command -v clang-format) || {
  echo "skipped: no clang-format here (deploy/dependencies test)"
  exit 77
}
version=$("$formatter" --version)
if [[ ! $version =~ version\ 14\. ]]; then
  echo "skipped: not version 14: $version"
  exit 77
fi

mapfile -d '' -t files < <(find . \( -path './build*' -o -path './.git' \) -prune -o \
  -type f \( -name '*.c' -o -name '*.h' -o -name '*.cc' \) -print0 | sort -z)
if [ ${#files[@]} -eq 0 ]; then
  echo "no C file under $root"
  exit 1
fi
printf '%s files\n' ${#files[@]}
exec "$formatter" --dry-run -Werror "${files[@]}"
