#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Goal:   deploy/local keeps its word: up, twice up, status, kill, start, env, down, and nothing is
#         left behind.
# Method: a cluster of its own, in a folder of its own, from the build under test; every promise is
#         looked at from outside (cofferctl, /proc, /dev/shm, ip).
#
# usage: local.sh BUILD shm|veth|kernel
set -eu
build=${1:?usage: local.sh BUILD TRANSPORT}
transport=${2:?usage: local.sh BUILD TRANSPORT}
local=$(cd "$(dirname "$0")/../../deploy" && pwd)/local
if [ "$transport" = veth ] && [ "$(id -u)" -ne 0 ]; then
  echo "transport veth needs root"
  exit 77
fi
if [ "$transport" = veth ] && [ -e /sys/class/net/coffer0 ]; then
  echo "another cluster holds the bridge coffer0"
  exit 77
fi
work=$(mktemp -d)
export COFFER_LOCAL_STATE=$work/local COFFER_LOCAL_BUILD=$build
unset COFFER_SERVERS
clean_up() {
  "$local" down >/dev/null 2>&1 || true
  rm -rf "$work"
}
trap clean_up EXIT
trap 'exit 1' TERM INT HUP

fail() {
  echo "FAILED: $*"
  tail -n 20 "$work"/local/server-*/log 2>/dev/null || true
  exit 1
}
lines_of() { "$local" status | grep -c "$1" || true; }

# Ends the cluster; neither its folder nor its links in shared memory are left.
down() {
  local links
  links=$(readlink -f "$work/local/links" || true)
  "$local" down
  [ ! -e "$work/local" ] || fail "the folder is left"
  [ ! -e "$links" ] || fail "links are left"
}

"$local" status 2>/dev/null && fail "status of no cluster"
"$local" up --transport "$transport" --no-huge | tee "$work/said"
[ "$(lines_of '^server [1-3] ')" = 3 ] || fail "not three servers"
[ "$(lines_of leader)" = 1 ] || fail "not one leader"

environment=$("$local" env)
[[ $environment == "export PATH="*"COFFER_SERVERS="* ]] || fail "env: $environment"
eval "$environment"
coffer set /test one >/dev/null
[ "$(coffer get /test)" = one ] || fail "what was set is not got"
coffer self | grep -q '^durability disk$' || fail "not on disk: $(coffer self)"

# What it printed is there: each server's page, and its gateway, for clients of Doozer.
here=$(dirname "$0")
pages=$(sed -n 's/^the tree in a browser.*: //p' "$work/said")
gateways=$(sed -n 's/^clients of Doozer.*: //p' "$work/said")
[ "$(wc -w <<<"$pages")" = 3 ] && [ "$(wc -w <<<"$gateways")" = 3 ] || fail "up tells no addresses"
for page in $pages; do
  python3 - "$page" <<'END' || fail "no page at $page"
import sys, urllib.request
open_url = urllib.request.build_opener(urllib.request.ProxyHandler({})).open
assert b"<title>coffer</title>" in open_url(sys.argv[1], timeout=10).read()
assert open_url(sys.argv[1] + "health", timeout=10).read() == b"ok\n"
END
done
for gateway in $gateways; do
  PYTHONPATH=$here python3 -B - "$gateway" <<'END' || fail "no gateway at $gateway"
import sys, doozer
host, port = sys.argv[1].split(":")
told = doozer.Connection((host, int(port))).call("GET", path="/test")
assert told["value"] == b"one", told
END
done

pids=$(cat "$work"/local/server-*/pid)
"$local" up --transport "$transport" --no-huge
[ "$(cat "$work"/local/server-*/pid)" = "$pids" ] || fail "a second up touched the servers"
[ "$(coffer get /test)" = one ] || fail "a second up lost a value"

follower=$("$local" status | awk '$3 == "follower" {print $2; exit}')
"$local" kill "$follower"
[ "$(lines_of down)" = 1 ] || fail "the killed one is not down"
"$local" kill "$follower" 2>/dev/null && fail "killed twice"
coffer set /test two >/dev/null || fail "no write with one server down"
"$local" start "$follower"
[ "$("$local" status | awk -v n="$follower" '$2 == n {print $3}')" = follower ] ||
  fail "the started one is no follower"
"$local" start "$follower" 2>/dev/null && fail "started twice"

# A lost pid file hides no server; one with another's process id kills nobody.
sleep 600 &
other=$!
rm "$work/local/server-1/pid"
echo "$other $(awk '{print $22}' "/proc/$other/stat")" >"$work/local/server-2/pid"
[ "$(lines_of down)" = 0 ] || fail "a server is not found without its pid file"

# Two of three die at once: what was acknowledged is on their disks.
for number in 1 2; do "$local" kill "$number"; done
"$local" up --transport "$transport" --no-huge
[ "$(coffer get /test)" = two ] || fail "a majority that died lost a value"


# All of them, and what a restart of the machine takes along.
for number in 1 2 3; do "$local" kill "$number"; done
[ "$transport" != shm ] || rm -r "$(readlink -f "$work/local/links")"
if [ "$transport" = veth ]; then ip netns delete coffer-2; fi
"$local" up --transport "$transport" --no-huge
[ "$(coffer get /test)" = two ] || fail "all that died lost a value"
[ "$(lines_of leader)" = 1 ] || fail "not one leader after all had died"

"$local" up --durability memory 2>&1 | grep -q "is kept" || fail "another cluster was not refused"
pids=$("$local" status | sed -n 's/.* pid \([0-9]*\) .*/\1/p')
down
kill -0 "$other" || fail "down killed a process that was none of its own"
kill "$other"
for pid in $pids; do
  # A zombie waits for its parent, which is not ours to be.
  if [ -e "/proc/$pid" ] && [ "$(awk '{print $3}' "/proc/$pid/stat")" != Z ]; then
    fail "process $pid is left"
  fi
done
[ ! -e /sys/class/net/coffer-1 ] || [ "$transport" != veth ] || fail "a device is left"
[ ! -e /run/netns/coffer-1 ] || [ "$transport" != veth ] || fail "a namespace is left"
"$local" down || fail "a second down"

# With a spare, which takes the place of a dead server; and again nothing is left.
with_a_spare() {
  local transport=$1 number
  "$local" up --transport "$transport" --no-huge --spares 1
  [ "$(lines_of '^server [1-4] ')" = 4 ] || fail "not four servers"
  [ "$(lines_of '^server 4  learner ')" = 1 ] || fail "the spare does not learn"
  for number in 1 2 3 4; do "$local" kill "$number"; done
  "$local" up --transport "$transport" --no-huge --spares 1
  [ "$(lines_of '^server 4  learner ')" = 1 ] || fail "the spare does not learn again"
  eval "$("$local" env)"
  "$local" kill 2
  cofferctl -s "$work/local/server-1/control.sock" member replace 2 4 || fail "not replaced"
  coffer set /spare here >/dev/null
  [ "$("$local" status | grep -Ec '^server [134]  (leader|follower) ')" = 3 ] ||
    fail "the spare does not vote"
  "$local" start 2 2>"$work/said" && fail "a removed server was started"
  grep -q "was removed from the cluster" "$work/said" || fail "start: $(cat "$work/said")"
  for number in 1 3 4; do "$local" kill "$number"; done
  "$local" up --transport "$transport" --no-huge --spares 1 >"$work/said"
  grep -q "^server 2 was removed" "$work/said" || fail "up does not tell who was removed"
  grep -q "^servers \[1, 3, 4\] were down" "$work/said" || fail "up: $(cat "$work/said")"
  [ "$(coffer get /spare)" = here ] || fail "what was set with the spare is not got"
  down
  [ ! -e /sys/class/net/coffer-4 ] || [ "$transport" != veth ] ||
    fail "a spare's device is left"
}
with_a_spare "$transport"

# The other mode; and in it, too, nothing is left.
"$local" up --transport kernel --durability memory
eval "$("$local" env)"
coffer self | grep -q '^durability memory$' || fail "not in memory: $(coffer self)"

# Two of three lose what they had: no wait brings it back.
for number in 1 2; do "$local" kill "$number"; done
"$local" start 1 | grep -q "majority lost its memory" || fail "start: a lost majority is not told"
begin=$SECONDS
"$local" up --transport kernel --durability memory 2>"$work/said" && fail "up of a lost majority"
grep -q "majority lost its memory.*deploy/local down" "$work/said" || fail "up: $(cat "$work/said")"
[ $((SECONDS - begin)) -lt 25 ] || fail "up waited for what cannot come"
[ "$(lines_of outsider)" = 2 ] || fail "up did not start what was down"

down
echo "summary: deploy/local over $transport keeps its word"
