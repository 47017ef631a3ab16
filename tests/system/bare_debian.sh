#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# bare_debian.sh - Coffer on a machine where nothing was installed by hand
#
# usage: tests/system/bare_debian.sh [--deploy-only] [--keep] [--slow] [huge] [no_huge]
#
# Makes a fresh Debian 12 (debootstrap, minbase), clones the committed state of this repository into
# it, and runs there, as root: `deploy/local up`, `status`, a client, `down`, then `tests/run`. Once
# with hugepages, once without (--no-huge), each in a folder of its own, from the same bare start.
#
#   --deploy-only   without tests/run
#   --slow          tests/run without its limit of 15 minutes: for a busy machine
#   --keep          leave the folders under build/bare_debian/ for a look
#   huge, no_huge   only this one
#
# Mirror and proxy are those this machine's apt uses; COFFER_MIRROR=URL names another mirror. All
# processes run in namespaces of processes and mounts that end with the script. Needs root
# (otherwise skipped: 77). The last line is `bare Debian: N passed, N failed`.
set -u
export LC_ALL=C
root=$(cd "$(dirname "$0")/../.." && pwd) || exit 1
work=$root/build/bare_debian
release=bookworm
pages_file=/proc/sys/vm/nr_hugepages

say() { printf 'bare Debian: %s\n' "$*"; }
fail() {
  say "$*" >&2
  exit 1
}

# ---- inside, in namespaces of its own: the second half of this script ----------------------------

inside() {
  local folder=$1 flag=$2 parts=$3
  # Ends with this mount namespace. The chroot has its own /dev/shm and /run.
  mount --bind "$folder" "$folder" && mount -t proc proc "$folder/proc" &&
    mount --rbind /sys "$folder/sys" && mount --rbind /dev "$folder/dev" &&
    mount -t tmpfs tmpfs "$folder/dev/shm" && mount -t tmpfs tmpfs "$folder/run" || exit 1
  # Of this machine's environment only the proxy comes along.
  # shellcheck disable=SC2016 # the inner shell's variables
  exec chroot "$folder" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin TERM=dumb \
    ${http_proxy:+http_proxy="$http_proxy"} ${https_proxy:+https_proxy="$https_proxy"} \
    FLAG="$flag" PARTS="$parts" bash -c '
    set -eu
    cd /coffer
    before=$(cat /proc/sys/vm/nr_hugepages)
    echo "--- ./deploy/local up $FLAG"
    ./deploy/local up $FLAG
    echo "--- ./deploy/local status"
    ./deploy/local status
    ./deploy/local status | grep -q "^server [1-9] .*leader" || { echo "nobody leads"; exit 1; }
    (
      eval "$(./deploy/local env)"
      coffer set /bare debian
      [ "$(coffer get /bare)" = debian ]
    )
    echo "--- ./deploy/local up, a second time"
    ./deploy/local up $FLAG
    echo "--- ./deploy/local down"
    ./deploy/local down
    [ ! -e build/local ] || { echo "build/local is still there"; exit 1; }
    [ -z "$(ls /dev/shm)" ] || { echo "left in /dev/shm: $(ls /dev/shm)"; exit 1; }
    after=$(cat /proc/sys/vm/nr_hugepages)
    [ "$after" = "$before" ] || { echo "hugepages: $before before, $after after"; exit 1; }
    for file in /proc/[0-9]*/comm; do
      if grep -qs "^coffer" "$file"; then echo "a process is left: $file"; exit 1; fi
    done
    case $PARTS in
    all) run=./tests/run ;;
    slow) run="./tests/run --keep-going-over-limit" ;;
    deploy) exit ;;
    esac
    echo "--- $run"
    $run'
}

if [ "${1:-}" = --inside ]; then
  shift
  inside "$@"
fi

# ---- outside -------------------------------------------------------------------------------------

parts=all
keep=no
passes=()
for argument in "$@"; do
  case $argument in
  --deploy-only) parts=deploy ;;
  --slow) parts=slow ;;
  --keep) keep=yes ;;
  huge | no_huge) passes+=("$argument") ;;
  *)
    sed -n '6s/^# //p' "$0" >&2
    exit 2
    ;;
  esac
done
[ ${#passes[@]} -eq 0 ] && passes=(huge no_huge)

if [ "$(id -u)" -ne 0 ]; then
  say "skipped: a chroot needs root"
  exit 77
fi
for tool in debootstrap git unshare; do
  command -v "$tool" >/dev/null ||
    fail "$tool is not there; \`deploy/dependencies long\` installs it"
done

# The archives of this release that this machine's apt uses: "URI suite", main first.
archives() {
  if [ -n "${COFFER_MIRROR:-}" ]; then
    echo "$COFFER_MIRROR $release"
    return
  fi
  # shellcheck disable=SC2016 # names that apt fills in
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' \
    'Created-By: Packages' 'Origin: Debian' 2>/dev/null |
    awk -v release="$release" '$2 ~ "^" release "(-updates|-security)?$" && !seen[$0]++' |
    sort -k2,2
}

mkdir -p "$work" || exit 1
exec 9>"$work/lock"
flock -n 9 || fail "another one is at work in $work"

mapfile -t mirrors < <(archives)
[ ${#mirrors[@]} -ne 0 ] || fail "apt here knows no archive of $release; set COFFER_MIRROR=URL"
mirror=${mirrors[0]% *}
say "archives, as this machine's apt has them: $(printf '%s, ' "${mirrors[@]}" | sed 's/, $//')"

pages_before=$(cat "$pages_file")
inner=
clean_up() {
  if [ -n "$inner" ]; then # the whole group, and with its first process all of the namespace
    kill -KILL -- "-$inner"
    wait "$inner"
  fi 2>/dev/null
  [ "$(cat "$pages_file")" = "$pages_before" ] || echo "$pages_before" >"$pages_file"
  if [ "$keep" = no ]; then
    rm -rf --one-file-system "$work"/huge "$work"/no_huge "$work"/base.new
  fi
}
trap clean_up EXIT
trap 'exit 1' INT TERM HUP

# A bare Debian, kept for the next time under build/.
make_base() {
  [ -d "$work/base" ] && return
  say "debootstrap --variant=minbase $release from the first of them"
  rm -rf --one-file-system "$work/base.new"
  timeout 900 debootstrap --variant=minbase "$release" "$work/base.new" "$mirror" \
    >"$work/debootstrap.log" 2>&1 9>&- || {
    tail -n 5 "$work/debootstrap.log" >&2
    fail "debootstrap failed; all of it: $work/debootstrap.log"
  }
  mv "$work/base.new" "$work/base"
}

make_folder() {
  local folder=$1
  rm -rf --one-file-system "$folder"
  cp -a --reflink=auto "$work/base" "$folder" || return 1
  cp /etc/resolv.conf /etc/hosts "$folder/etc/"
  printf 'deb %s main\n' "${mirrors[@]}" >"$folder/etc/apt/sources.list"
  # Proxy and the like are this machine's affair; so are checks it has switched off.
  apt-config dump | grep -E '^Acquire::(https?::Proxy|Check-)' >"$folder/etc/apt/apt.conf.d/99here"
  git -c safe.directory='*' clone -q "$root" "$folder/coffer" 9>&-
}

passed=0 failed=0
make_base
for pass in "${passes[@]}"; do
  folder=$work/$pass
  flag=
  [ "$pass" = no_huge ] && flag=--no-huge
  make_folder "$folder" || fail "$folder cannot be made"
  say "$pass: commit $(git -C "$folder/coffer" -c safe.directory='*' log -1 --format='%h %s')"
  started=$SECONDS
  # --kill-child and the process namespace: nothing started inside outlives it.
  timeout -k 30 3000 unshare --mount --pid --fork --kill-child \
    bash "$0" --inside "$folder" "$flag" "$parts" </dev/null 9>&- &
  inner=$!
  wait "$inner"
  result=$?
  inner=
  if [ "$result" -eq 0 ]; then
    say "$pass: ok, $((SECONDS - started)) s"
    passed=$((passed + 1))
  else
    say "$pass: FAILED, $((SECONDS - started)) s"
    failed=$((failed + 1))
  fi
done
say "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
