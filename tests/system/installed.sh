#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Goal:   what `meson install` puts down serves a stranger: the library with pkg-config alone, the
#         unit with what systemd gives it.
# Method: an installation into an empty folder.
#         library: the examples are copied away, built against it in C, the header as C++, and run
#                  beside a cluster.
#         unit:    judged by systemd-analyze; its command is then run in namespaces that have what
#                  the unit asks for: a read-only system, two folders, no new privileges. Needs
#                  root.
#
# usage: installed.sh library|unit BUILD BESIDE
set -eu
part=${1:?usage: installed.sh library|unit BUILD BESIDE}
build=${2:?usage: installed.sh library|unit BUILD BESIDE}
beside=$(realpath "${3:?usage: installed.sh library|unit BUILD BESIDE}")
source=$(cd "$(dirname "$0")/../.." && pwd)

fail() {
  echo "FAILED: $*"
  exit 1
}

# ---- the library --------------------------------------------------------------------------------

try_library() {
  local name flags libraries
  export PKG_CONFIG_SYSROOT_DIR=$top PKG_CONFIG_PATH LD_LIBRARY_PATH
  PKG_CONFIG_PATH=$(dirname "$(find "$top" -name coffer.pc)")
  LD_LIBRARY_PATH=$(dirname "$(find "$top" -name libcoffer.so)")
  read -r -a flags <<<"$(pkg-config --cflags coffer)"
  read -r -a libraries <<<"$(pkg-config --libs coffer)"
  [ ${#libraries[@]} -gt 0 ] || fail "pkg-config does not know coffer"

  mkdir "$work/examples"
  cp "$source"/control/client/examples/*.c "$work/examples"
  cd "$work/examples"
  for name in *.c; do
    name=${name%.c}
    others=()
    if grep -q '^#include <sqlite3.h>' "$name.c"; then
      pkg-config --exists sqlite3 || continue # as the build: an example where there is SQLite
      read -r -a others <<<"$(pkg-config --cflags --libs sqlite3)"
    fi
    "${CC:-cc}" -std=c99 -D_POSIX_C_SOURCE=200809L -pedantic -Wall -Wextra -Werror \
      "${flags[@]}" -o "$name" "$name.c" "${libraries[@]}" "${others[@]}" \
      || fail "$name does not build"
    timeout 60 "$beside" "./$name" >"$name.out" || fail "$name: $(cat "$name.out")"
    [ -s "$name.out" ] || fail "$name says nothing"
  done

  echo '#include <coffer.h>
    #include <coffer_lock.h>
    #include <coffer_fence.h>
    int main() { return coffer_error_text(0) == nullptr; }' >header.cc
  "${CXX:-c++}" -pedantic -Wall -Wextra -Werror "${flags[@]}" -o header header.cc \
    "${libraries[@]}" || fail "the header is no C++"
  ./header || fail "the header and the library differ"
  nm -D --defined-only "$LD_LIBRARY_PATH/libcoffer.so" | awk '{print $3}' >names
  grep -q '^coffer_open' names || fail "the library shows no coffer_open"
  ! grep -iv '^coffer_' names || fail "the library shows names that are not its own"
}

# ---- the unit -----------------------------------------------------------------------------------

value_of() { sed -n "s/^$1=//p" "$unit"; }

# Mounts of this namespace alone: the installation over its prefix, and what the unit asks for.
make_system() {
  local place number
  mount --make-rprivate /
  mount --bind "$work" "$work"
  mount --bind "$top$prefix" "$prefix"
  mount -t tmpfs tmpfs "$work/over"
  mkdir "$work/over/etc" "$work/over/work"
  mount -t overlay -o "lowerdir=/etc,upperdir=$work/over/etc,workdir=$work/over/work" overlay /etc
  mount -t tmpfs tmpfs /var/lib
  mount -t tmpfs tmpfs /run
  mkdir /etc/coffer
  for place in "/var/lib/$(value_of StateDirectory)" "/run/$(value_of RuntimeDirectory)"; do
    mkdir -m 700 "$place"
    mount --bind "$place" "$place"
  done
  {
    grep -v '^cluster' "$prefix/share/coffer/coffer.conf"
    echo "cluster = 00000000c0ffee01"
    echo "node = 1"
    for number in 1 2 3; do echo "server.$number = 127.0.0.1:804$number"; done
  } >/etc/coffer/coffer.conf
  ip link set lo up
}

# Starts the unit's command with the words given, waits until it answers, and ends it.
serve() {
  local pid tries=0
  setpriv --no-new-privs "${command[@]}" "$@" >"$work/log" 2>&1 &
  pid=$!
  until "$prefix/sbin/cofferctl" status >"$work/status" 2>&1; do
    kill -0 "$pid" 2>/dev/null || fail "cofferd ended: $(cat "$work/log")"
    tries=$((tries + 1))
    [ $tries -lt 300 ] || fail "cofferd does not answer: $(cat "$work/status" "$work/log")"
    sleep 0.1
  done
  kill -TERM "$pid"
  wait "$pid" || fail "SIGTERM: exit code $?: $(cat "$work/log")"
}

try_unit() {
  local unit=$prefix/lib/systemd/system/cofferd.service command place
  make_system
  if command -v systemd-analyze >/dev/null; then
    systemd-analyze verify --man=no "$unit" >"$work/log" 2>&1 || fail "unit: $(cat "$work/log")"
    [ ! -s "$work/log" ] || fail "unit: $(cat "$work/log")"
  fi
  for place in / /etc /var/lib /run "$prefix"; do mount -o remount,bind,ro "$place"; done
  # shellcheck disable=SC2016 # the unit's variable
  read -r -a command <<<"$(value_of ExecStart | sed -n 's/ \$COFFERD_FIRST$//p')"
  [ ${#command[@]} -gt 0 ] || fail "the unit has no ExecStart"
  "${command[@]}" --check >/dev/null || fail "the configuration is not taken"
  serve --new-cluster
  serve
  if "${command[@]}" --new-cluster 2>"$work/log"; then fail "a cluster was founded twice"; fi
  grep -q superblock "$work/log" || fail "founded twice: $(cat "$work/log")"
  ! touch /etc/coffer/x 2>/dev/null || fail "the system was not read-only"
}

if [ "$part" = inside ]; then
  try_unit
  exit 0
fi
if [ "$part" = unit ] && ! unshare --mount --pid --fork --net true 2>/dev/null; then
  echo "namespaces need root"
  exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 1' TERM INT HUP
top=$work/top
mkdir "$work/over"
DESTDIR=$top meson install -C "$build" --no-rebuild --quiet >"$work/log" 2>&1 ||
  fail "$(cat "$work/log")"
prefix=$(find "$top" -path '*/sbin/cofferd')
prefix=${prefix#"$top"}
prefix=${prefix%/sbin/cofferd}
export work top prefix
if [ "$part" = library ]; then
  try_library
else
  unshare --mount --pid --fork --net --mount-proc --kill-child "$0" inside "$build" "$beside"
fi
echo "summary: the installed $part serves"
