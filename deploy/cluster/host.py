# SPDX-License-Identifier: Apache-2.0
"""host.py - what is set on the machine, and put back: hugepages, network namespaces"""
import os

from base import Failure, is_root, numbers, run, save, say

BRIDGE, NETWORK, CLIENT_PORT = "coffer0", "10.77.0.", 8046
KERNEL_HOSTS = 100  # so much higher is the last byte of a namespace's kernel than of its server
MEMORY_MB = 128  # of each server with DPDK
HUGE_PAGES = "/proc/sys/vm/nr_hugepages"

def read_number(path):
    try:
        with open(path, encoding="utf-8") as file:
            return int(file.read().split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def memory_info(key):
    with open("/proc/meminfo", encoding="utf-8") as file:
        for line in file:
            if line.startswith(key + ":"):
                return int(line.split()[1])
    return 0


def huge_pages(cluster):
    """Sees that there are enough, and sets no_huge if there are not. Says what it did."""
    if cluster["no_huge"]:
        say("hugepages: not used (--no-huge)")
        return
    page_kb = memory_info("Hugepagesize")
    if page_kb == 0:
        cluster["no_huge"] = True
        say("hugepages: this kernel has none; going on without, as with --no-huge")
        return
    needed = len(numbers(cluster)) * (-(-MEMORY_MB * 1024 // page_kb))
    free = memory_info("HugePages_Free") - memory_info("HugePages_Rsvd")
    if free >= needed:
        say(f"hugepages: {needed} of {page_kb} kB needed, {free} are free; nothing to set")
        return
    before = read_number(HUGE_PAGES)
    wanted = before + needed - free
    try:
        with open(HUGE_PAGES, "w", encoding="utf-8") as file:
            file.write(f"{wanted}\n")
    except OSError as error:
        cluster["no_huge"] = True
        say(f"hugepages: {needed} needed, {free} free, and vm.nr_hugepages may not be set"
            f" ({error.strerror}); going on without, as with --no-huge")
        return
    after = read_number(HUGE_PAGES)
    cluster["huge_before"], cluster["huge_set"] = before, after
    save(cluster)
    if after < wanted:
        give_back_huge_pages(cluster)
        cluster["no_huge"] = True
        say(f"hugepages: {wanted} asked for, the kernel found memory for {after};"
            " going on without, as with --no-huge")
        return
    say(f"hugepages: vm.nr_hugepages set from {before} to {after}"
        f" ({MEMORY_MB} MiB for each server); `down` puts it back")


def give_back_huge_pages(cluster):
    """Takes away as many as were added: others may have added theirs meanwhile."""
    before = cluster.pop("huge_before", None)
    added = cluster.pop("huge_set", 0) - (before or 0)
    if before is None or added <= 0:
        return
    now = read_number(HUGE_PAGES)
    if now < before + added:
        say("hugepages: somebody else has lowered vm.nr_hugepages meanwhile; left as it is")
        return
    try:
        with open(HUGE_PAGES, "w", encoding="utf-8") as file:
            file.write(f"{now - added}\n")
    except OSError as error:
        say(f"hugepages: vm.nr_hugepages cannot be put back to {now - added} ({error.strerror})")


def net_names(cluster):
    return [f"coffer-{number}" for number in numbers(cluster)]


def kernel_names(cluster):
    """The wires of the namespaces' kernels."""
    return [name + "k" for name in net_names(cluster)]


def kernel_host(number):
    """Where the kernel of a server's namespace is reached: its gateway and its page."""
    return f"{NETWORK}{KERNEL_HOSTS + number}"


def is_device(name):
    return os.path.exists(f"/sys/class/net/{name}")


def network_stands(cluster):
    devices = [BRIDGE] + net_names(cluster) + kernel_names(cluster)
    return (all(is_device(name) for name in devices) and
            all(os.path.exists(f"/run/netns/{name}") for name in net_names(cluster)))


def make_network(cluster):
    """
        host: coffer0 (bridge, 10.77.0.254) -- coffer-I (veth) == veth1 :namespace coffer-I
                                            -- coffer-Ik (veth) == eth0 :10.77.0.(100 + I)

    The namespace gives veth1 no address of its own, so its kernel stays silent there and the server
    speaks for 10.77.0.I. What the server serves by TCP is at the kernel's own address, and its
    supervisor's notes go that way.
    """
    if not is_root():
        raise Failure("transport veth makes network namespaces, and that needs root;"
                      " try sudo, or --transport shm, which needs no rights")
    taken = [name for name in [BRIDGE] + net_names(cluster) + kernel_names(cluster)
             if is_device(name)]
    taken += [name for name in net_names(cluster) if os.path.exists(f"/run/netns/{name}")]
    if taken:
        raise Failure(f"{taken[0]} is there already, and is not of this tree: another cluster runs"
                      " on this machine; end it with its own `deploy/local down`")
    if f"inet {NETWORK}" in run("ip", "-4", "addr").stdout:
        raise Failure(f"a device of this machine has an address {NETWORK}x already")
    cluster["network"] = True  # from here on `down` has something to take away
    save(cluster)
    run("ip", "link", "add", BRIDGE, "type", "bridge", "forward_delay", "0")
    run("ip", "address", "add", NETWORK + "254/24", "dev", BRIDGE)
    no_router_messages(BRIDGE)
    for number, name in enumerate(net_names(cluster), 1):
        run("ip", "netns", "add", name)
        run("ip", "-n", name, "link", "set", "lo", "up")
        add_wire(name, name, "veth1")
        add_wire(name, name + "k", "eth0")
        # It answers for the address of eth0 on that wire alone.
        run("nsenter", f"--net=/run/netns/{name}", "sh", "-c",
            "echo 1 > /proc/sys/net/ipv4/conf/veth1/arp_ignore")
        run("ip", "-n", name, "address", "add", kernel_host(number) + "/24", "dev", "eth0")
        cluster["addresses"][str(number)] = f"{NETWORK}{number}:{CLIENT_PORT}"
    run("ip", "link", "set", BRIDGE, "up")
    run("ethtool", "-K", BRIDGE, "tx", "off")
    say(f"network: bridge {BRIDGE} ({NETWORK}254) and {len(numbers(cluster))} namespaces coffer-1"
        f" ... with {NETWORK}1 ...")


def add_wire(space, name, inner):
    """From the bridge into a namespace."""
    inside = ("nsenter", f"--net=/run/netns/{space}")
    run("ip", "link", "add", name, "type", "veth", "peer", "name", inner, "netns", space)
    no_router_messages(name)
    no_router_messages(inner, *inside)
    run("ip", "link", "set", name, "master", BRIDGE, "up")
    run("ip", "-n", space, "link", "set", inner, "up")
    # A sum left for the hardware to finish would never be finished on these devices.
    run("ethtool", "-K", name, "tx", "off")
    run(*inside, "ethtool", "-K", inner, "tx", "off")


def no_router_messages(device, *prefix):
    """IPv6 of the kernel would chatter on the wire of the server."""
    run(*prefix, "sh", "-c", f"echo 1 > /proc/sys/net/ipv6/conf/{device}/disable_ipv6",
        check=False)


def take_network_away(cluster):
    if not cluster.get("network"):
        return
    for name in net_names(cluster) + kernel_names(cluster):
        run("ip", "link", "delete", name, check=False)
    for name in net_names(cluster):
        run("ip", "netns", "delete", name, check=False)
    run("ip", "link", "delete", BRIDGE, check=False)
    left = [name for name in [BRIDGE] + net_names(cluster) + kernel_names(cluster)
            if is_device(name)]
    left += [name for name in net_names(cluster) if os.path.exists(f"/run/netns/{name}")]
    if left:
        raise Failure(f"could not be taken away: {' '.join(left)}")
    cluster["network"] = False
