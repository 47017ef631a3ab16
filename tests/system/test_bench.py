#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Goal:   what makes the numbers works: each command of coffer-bench, the askers of etcd and
        of the gateway, and bench/compare from start to end. How fast anything is, is not looked at.
Method: a moment of each, against three servers over kernel UDP, over links, and against nobody."""

import os
import pathlib
import sys

sys.dont_write_bytecode = True
ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "bench"))
import devices  # noqa: E402
from cluster import Kernel  # noqa: E402
from harness import Process, Skip, check, parse_json, wait_for  # noqa: E402

MOMENT = "0.1"
LATENCY = ("p50_us", "p90_us", "p99_us", "p999_us", "max_us", "mean_us", "count")


def bench(tools, *words, expect=0, environment=None):
    done = tools.run([tools.options.bench, *words], env=environment)
    check(done.returncode == expect, f"coffer-bench {' '.join(words)}: exit code",
          done.returncode, done.stderr, done.stdout)
    return done.stdout


def report(tools, *words, environment=None):
    return parse_json(bench(tools, *words, "--json", environment=environment), words)


def has_latency(latency, most):
    check(all(name in latency for name in LATENCY), "every quantile is told", latency)
    check(0 < latency["p50_us"] <= latency["p90_us"] <= latency["p99_us"] <= latency["p999_us"],
          "quantiles stand in order", latency)
    check(0 < latency["count"] <= most, "what was measured is counted", latency, most)


def has_setting(told, transport):
    check(told["durability"] == "memory" and told["transport"] == transport and
          told["servers"] == 3 and told["value_size"] == 64 and told["poll_gap_us"] > 0,
          "a report names its setting", told)
    check(told["commit"] and told["machine"]["cores"] > 0, "and commit and machine", told)


def has_locks(told):
    for part, name in (("alone", "acquire"), ("alone", "release"),
                       ("hand_over", "release_to_known"), ("keep_alive", "latency")):
        has_latency(told[part][name], 10**9)
    for part in ("alone", "hand_over", "one_lock", "many_locks"):
        check(told[part]["grants_per_s"] > 0, "locks are granted", part, told)
    check(told["durability"] == "memory" and told["players"] == 3 and told["servers"] == 3 and
          told["keep_alive"]["answered_per_s"] > 0, "a report names its setting", told)
    for one in told["death"]:
        check(one["silence_to_next_grant"]["count"] == 1, "who waits gets it", one)


def test_floor_as_the_first_process(tools):
    """Of a container: what it starts must not take it for lost."""
    apart = ("unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child")
    if tools.run([*apart, "true"]).returncode != 0:
        raise Skip("needs namespaces of processes")
    done = tools.run([*apart, tools.options.bench, "floor", "--seconds", MOMENT, "--transport",
                      "kernel", "--windows", "1"])
    check(done.returncode == 0, "it measures", done.stderr)


def test_floor_over_both_carriers(tools):
    for transport in ("shm", "kernel"):
        told = report(tools, "floor", "--seconds", MOMENT, "--transport", transport, "--windows",
                      "1,4", "--link", str(tools.folder), "--disk", str(tools.folder),
                      "--writers", "2")
        check(told["transport"] == transport and len(told["windows"]) == 2, "both windows", told)
        check(told["chain"]["window"] == 1, "the first is the chain", told)
        check([disk["processes"] for disk in told["disk"]] == [1, 2], "one, then both", told)
        for one in told["windows"] + told["disk"]:
            has_latency(one, 10**9)
        check(all(disk["size"] == 4096 and disk["writes_per_s"] > 0 for disk in told["disk"]),
              "what was written", told)
    disks = [tools.folder / name for name in ("one", "two")]
    for disk in disks:
        disk.mkdir()
    told = report(tools, "floor", "--seconds", MOMENT, "--windows", "1", "--link",
                  str(tools.folder), "--disk", str(disks[0]), "--disk", str(disks[1]))
    check([disk["disks"] for disk in told["disk"]] == [1, 2] and
          told["disk"][1]["processes"] == 3, "one disk, then all", told)
    check(not any(os.listdir(disk) for disk in disks), "nothing is left on any disk")
    text = bench(tools, "floor", "--seconds", MOMENT, "--windows", "1", "--link", str(tools.folder),
                 "--disk", str(tools.folder))
    check(text.count("\ndisk ") == 2, "as text, too", text)
    bench(tools, "floor", "--seconds", MOMENT, "--disk", str(tools.folder / "none"), expect=1)
    bench(tools, "floor", *("--disk", str(tools.folder)) * 8, expect=2)
    check(not list(tools.folder.glob("coffer-disk-*")), "no files of the disk are left behind")
    check(not list(tools.folder.glob("coffer-floor-*")), "no files are left behind")


def test_stages_without_a_cluster(tools):
    told = report(tools, "stages", "--seconds", "0.02")
    check([batch["batch"] for batch in told["batches"]] == [1, 4, 16, 64], "each batch", told)
    for batch in told["batches"]:
        check(batch["leader_request"] > 0 and batch["leader_answer"] > 0 and
              batch["leader_cycles"] >= batch["leader_answer"], "stages take time", batch)


def test_loads_over_kernel_udp(tools):
    cluster = Kernel(tools, 3)
    cluster.up()
    environment = cluster.environment()
    told = report(tools, "write", "--requests", "300", environment=environment)
    has_setting(told, "kernel")
    has_latency(told["latency"], 300)
    check(told["answered"] == 300 and told["errors"] == 0, "each write was answered", told)
    check(told["loop"] == "closed" and told["client"]["sent"] >= 300, "closed loop", told)

    told = report(tools, "mixed", "--requests", "400", "--clients", "3", "--outstanding", "4",
                  "--reads", "50", "--keys", "20", environment=environment)
    check(told["answered"] == 400 and told["errors"] == 0, "each was answered", told)
    both = told["latency_read"]["count"] + told["latency_write"]["count"]
    check(both == told["latency"]["count"] == 400, "reads and writes are told apart", told)

    told = report(tools, "read", "--rate", "500", "--seconds", "0.4", "--warm-up", "0",
                  "--stale", "--keys", "20", environment=environment)
    check(told["loop"] == "open" and told["rate_per_s"] == 500, "open loop", told)
    # As many as were due, whatever the machine was doing meanwhile.
    check(told["latency"]["count"] in (199, 200, 201), "each due request was sent", told)
    told = report(tools, "watch", "--requests", "20", "--watches", "30", environment=environment)
    check(told["commit_alone"]["count"] == told["commit_watched"]["count"] == 20 ==
          told["told_all"]["count"] and told["told"]["count"] == 600, "each watch was told", told)
    for name in ("commit_alone", "commit_watched", "told", "told_all"):
        has_latency(told[name], 600)
    told = report(tools, "watch", "--rate", "100", "--seconds", "0.3", "--watches", "3",
                  environment=environment)
    check(told["loop"] == "open" and told["errors"] == told["untold"] == told["ended"] == 0,
          "in an open loop, too", told)
    has_locks(report(tools, "lock", "--seconds", MOMENT, "--warm-up", "0", "--clients", "3",
                     "--locks", "96", "--deaths", "1", environment=environment))
    holder = Process(tools, "holder", [tools.coffer, "lock", "bench/free"], cluster.folder,
                     environment=environment)
    wait_for("somebody else has it", lambda: "holder" in cluster.coffer("locks").stdout)
    done = tools.run([tools.options.bench, "lock"], env=environment)
    check(done.returncode == 1 and "somebody else" in done.stderr, "it is no free lock",
          done.returncode, done.stderr)
    holder.end()
    text = bench(tools, "write", "--requests", "10", environment=environment)
    check("p50_us" in text and "durability" in text, "as text, too", text)
    cluster.down()


def gateway_load(tools, *words):
    done = tools.run([tools.options.gateway_load, *words, "--seconds", "0.3"])
    check(done.returncode == 0, f"gateway-load {' '.join(words)}: exit code", done.returncode,
          done.stderr)
    return parse_json(done.stdout, words)


def test_gateway_is_asked_and_harmed(tools):
    cluster = Kernel(tools, 3)
    cluster.up()
    servers = cluster.environment()["COFFER_SERVERS"]
    wait_for("the gateways answer", lambda: gateway_load(
        tools, "--servers", servers, "--connections", "3")["throughput_per_s"] > 0)
    for verb in ((), ("--write",)):
        told = gateway_load(tools, "--servers", servers, "--connections", "3", "--outstanding",
                            "4", *verb)
        check(told["opened"] == 3 and told["closed"] == 0 and told["throughput_per_s"] > 0,
              "each asks, and is answered", told)
        has_latency(told["latency"], 10**9)
    told = gateway_load(tools, "--servers", servers, "--connections", "18", "--hostile")
    check(told["bytes_sent"] > 0 and told["closed"] > 0 and
          told["opened"] == told["closed"] + 18, "who is closed comes again", told)
    cluster.down()


def test_wrong_use_and_nobody_there(tools):
    nobody = {**os.environ, "COFFER_SERVERS": "127.0.0.1:1"}
    for words in ((), ("nothing",), ("write", "--clients", "0"), ("write", "--rate", "x"),
                  ("read", "--outstanding", "65"), ("floor", "--transport", "pigeon"),
                  ("write", "--servers", "no:such:host"), ("floor", "--value-size", "1"),
                  ("write", "--links", str(tools.folder / "none")),
                  ("watch", "--watches", "0"), ("watch", "--value-size", "7"),
                  ("lock", "--locks", "0"), ("lock", "--clients", "1025")):
        bench(tools, *words, expect=2, environment=nobody)
    bench(tools, "write", expect=2, environment={**os.environ, "COFFER_SERVERS": ""})
    done = tools.run([tools.options.bench, "lock", "--clients", "3", "--locks", "95"], env=nobody)
    check(done.returncode == 2 and "--locks at least 96" in done.stderr,
          "each request under way needs a lock of its own", done.returncode, done.stderr)
    done = tools.run([tools.options.etcd_lock, "--port", "1"])
    check(done.returncode == 1 and "etcd-lock:" in done.stderr, "nobody listens", done.stderr)
    for words in ((), ("--port", "0"), ("--port", "1", "--locks", "511")):
        check(tools.run([tools.options.etcd_lock, *words]).returncode == 2, "wrong use", words)
    for program, where in ((tools.options.etcd_load, ("--ports", "1")),
                           (tools.options.gateway_load, ("--servers", "127.0.0.1:1"))):
        done = tools.run([program, *where, "--seconds", MOMENT])
        check(done.returncode == 1 and f"{program.name}:" in done.stderr, "nobody listens",
              done.returncode, done.stderr)
        for words in (("--connections", "1.5"), ("--connections", "0"), ("--seconds", "x"), ()):
            done = tools.run([program, *(where if words else ()), *words])
            check(done.returncode == 2, f"{program.name}: exit code of wrong use",
                  done.returncode, done.stderr)


def test_compare_from_start_to_end(tools):
    if not tools.all:
        raise Skip("only with --all")
    told_path = tools.folder / "compare.json"
    state = tools.folder / "compare"
    build = pathlib.Path(tools.options.bench).parents[1]
    done = tools.run([ROOT / "bench" / "compare", "--no-etcd", "--seconds", MOMENT, "--rounds", "1",
                      "--kills", "1", "--fill", "1", "--deaths", "1",
                      "--transport", "kernel", "--state", state, "--json", told_path], limit_s=170,
                     env={**os.environ, "COFFER_LOCAL_BUILD": str(build)})
    check(done.returncode == 0, "bench/compare: exit code", done.returncode, done.stdout,
          done.stderr)
    told = parse_json(told_path.read_text(), "the report of bench/compare")
    figures = told["figures"]
    check(all(figures[name] > 0 for name in ("chain_p50_us", "write_p50_us", "write_to_floor",
                                             "writes_per_s", "reads_per_s", "failover_ms",
                                             "disk_alone_p50_us", "disk_write_p50_us",
                                             "disk_writes_per_s", "recovery_s",
                                             "p99_with_copy_us", "told_all_10000_p50_us",
                                             "lock_memory_hand_over_p50_us",
                                             "lock_disk_many_locks_grants_per_s",
                                             "lock_memory_ttl_50_ms_silence_p50_us")),
          "figures are told", figures)
    check({goal["figure"] for goal in told["goals"]} == {"write_to_floor", "failover_ms",
                                                         "disk_write_to_floor"},
          "and the goals that can be told", told["goals"])
    check(not state.exists(), "the clusters are gone")


def test_a_device_for_each_server(tools):
    """Three kinds; what is written to each is on a file system of its own, and all goes again."""
    if os.geteuid() != 0 or not os.path.exists("/dev/loop-control"):
        raise Skip("needs root, and loop devices")
    kinds = [kind for kind in devices.KINDS
             if kind != "memory" or os.path.exists("/sys/class/zram-control")]
    for kind in kinds:
        state = tools.folder / kind
        with devices.devices(kind, 2, str(state), 64) as folders:
            told = report(tools, "floor", "--seconds", MOMENT, "--windows", "1", "--link",
                          str(tools.folder),
                          *(word for folder in folders for word in ("--disk", folder)))
            check(len({os.stat(folder).st_dev for folder in [*folders, tools.folder]}) == 3,
                  "each has a device of its own", kind)
            check([disk["disks"] for disk in told["disk"]] == [1, 2], "both are measured", told)
        check(not state.exists(), "nothing is left", kind)


if __name__ == "__main__":
    import harness
    harness.run([test_floor_as_the_first_process, test_floor_over_both_carriers,
                 test_stages_without_a_cluster, test_loads_over_kernel_udp,
                 test_gateway_is_asked_and_harmed, test_wrong_use_and_nobody_there,
                 test_compare_from_start_to_end, test_a_device_for_each_server])
