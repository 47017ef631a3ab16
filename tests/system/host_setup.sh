#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
#
# Goal:   deploy/host-setup changes what it says, and undo puts back what was found first.
# Method: a folder stands for the machine: /proc, /sys, /etc and /var under COFFER_HOST_ROOT. A
#         plain file takes what is written to it, as the kernel's would.
set -eu
script=$(cd "$(dirname "$0")/../../deploy" && pwd)/host-setup
top=$(mktemp -d)
trap 'rm -rf "$top"' EXIT
export COFFER_HOST_ROOT=$top
pages=$top/proc/sys/vm/nr_hugepages
device=$top/sys/bus/pci/devices/0000:01:00.0
drivers=$top/sys/bus/pci/drivers

same() { [ "$1" = "$2" ] || {
  echo "is '$1', and should be '$2' ($3)"
  exit 1
}; }

mkdir -p "${pages%/*}" "$device" "$drivers/ixgbe" "$drivers/vfio-pci"
echo 7 >"$pages"
: >"$top/proc/meminfo"
ln -s "$drivers/ixgbe" "$device/driver"
: >"$device/driver_override"

"$script" hugepages 64
"$script" hugepages 128
same "$(cat "$pages")" 128 "pages set"
same "$(grep -c 'nr_hugepages = 128' "$top/etc/sysctl.d/60-coffer.conf")" 1 "after a restart"

"$script" bind 0000:01:00.0
same "$(cat "$device/driver_override")" vfio-pci "driver chosen"
same "$(cat "$drivers/ixgbe/unbind")" 0000:01:00.0 "old driver let go"
same "$(cat "$top/sys/bus/pci/drivers_probe")" 0000:01:00.0 "probed"

"$script" status | grep -q undo
"$script" undo
same "$(cat "$pages")" 7 "pages of before the first change"
same "$(tr -d '\n' <"$device/driver_override")" "" "driver chosen by the kernel again"
[ ! -e "$top/etc/sysctl.d/60-coffer.conf" ]
[ ! -e "$top/var/lib/coffer-host-setup" ]

for wrong in "" "hugepages" "hugepages many" "bind eth0" "bind 0000:01:00.9" "sing"; do
  # shellcheck disable=SC2086 # words
  if "$script" $wrong 2>/dev/null; then
    echo "took: host-setup $wrong"
    exit 1
  fi
done
if "$script" bind 0000:02:00.0 2>/dev/null; then
  echo "bound a device that is not there"
  exit 1
fi
echo "ok"
