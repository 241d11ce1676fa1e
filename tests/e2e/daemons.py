#!/usr/bin/python3
"""The daemons by themselves: settings, what they tell systemd and the journal, signals, ports that are taken."""
import json
import os
import re
import signal
import socket

from lps import main, program, test, until
from manager import Manager

DAEMONS = ("lps-masterd", "lps-workerd")
GOOD = {"Cluster": {"MasterNodeIP": "127.0.0.1", "GRPCPort": 5001, "ExpectedNumberOfWorkers": 2, "MasterNodeIsWorker": True,
                    "NodeName": "n1", "StartLead": 0.5, "Lease": 1.5},
        "Dashboard": {"BuiltInDashboard": True, "Port": 8009, "RefreshRate": 3}, "HttpClient": {"ClientTimeoutInSeconds": 7}}

# text, where, what the message names
BROKEN = (
    ('{\n "Cluster": {\n  "GRPCPort": 5001,\n  "GRPCPrt": 5001\n }\n}', "4:", "GRPCPrt"),
    ('{\n "Clusters": {}\n}', "2:", "Clusters"),
    ('{"Cluster": {"GRPCPort": "5001"}}', "1:", "GRPCPort"),
    ('{"Cluster": {"GRPCPort": 5001.5}}', "1:", "GRPCPort"),
    ('{"Cluster":\n{"GRPCPort": -1}}', "2:", "GRPCPort"),
    ('{"Cluster": {"GRPCPort": 65536}}', "1:", "GRPCPort"),
    ('{"Cluster": {"MasterNodeIsWorker": "yes"}}', "1:", "MasterNodeIsWorker"),
    ('{"Cluster": {"MasterNodeIP": ""}}', "1:", "MasterNodeIP"),
    ('{"Cluster": {"ExpectedNumberOfWorkers": -1}}', "1:", "ExpectedNumberOfWorkers"),
    ('{"Cluster": {"NodeName": "a b"}}', "1:", "NodeName"),
    ('{"Cluster": {"Lease": -0.1}}', "1:", "Lease"),
    ('{"Cluster": []}', "1:", "Cluster"),
    ('{"Cluster": null}', "1:", "Cluster"),
    ('{\n // a comment\n "Cluster": {}}', "2:", "comment"),
    ('\ufeff{"Cluster": {}}', "1:", "byte order mark"),
    ('{"Cluster": {"GRPCPort": 50', "1:", "end"),
    ('{"Cluster": {"GRPCPort": 1, "GRPCPort": 2}}', "1:", "twice"),
    ("", "1:", ""),
    ("[]", "1:", ""),
    ("{} {}", "1:", ""),
)


def check(t, daemon, path, *flags):
    process = t.start(daemon, program(daemon), *flags, "-c", path)
    process.wait(10)
    return process


@test
def broken_settings_name_line_and_column(t):
    for i, (text, where, what) in enumerate(BROKEN):
        path = t.file(f"broken{i}.json", text)
        for daemon in DAEMONS:
            process = check(t, daemon, path, "-n")
            assert process.popen.returncode not in (0, None) and process.popen.returncode > 0, (text, process.popen.returncode)
            assert re.search(rf"{re.escape(path)}:{where}\d+: ", process.err), f"{daemon} on {text!r}: {process.err}"
            assert what.lower() in process.err.lower(), f"{daemon} on {text!r}: no {what!r} in {process.err}"
        starting = check(t, "lps-workerd", path)
        assert starting.popen.returncode > 0, f"started with {text!r}"


@test
def all_faults_are_named_at_once(t):
    path = t.file("broken.json", '{\n"Cluster": {\n"GRPCPort": -1,\n"Lease": "x",\n"Nonsense": 1}}')
    process = check(t, "lps-masterd", path, "-n")
    for line in (3, 4, 5):
        assert f"{path}:{line}:" in process.err, process.err


@test
def a_missing_file_that_was_named(t):
    for daemon in DAEMONS:
        process = check(t, daemon, os.path.join(t.dir, "none.json"), "-n")
        assert process.popen.returncode > 0 and "none.json" in process.err, process.err


@test
def effective_settings_parse_again(t):
    path = t.file("good.json", json.dumps({"LPSAppSettings": GOOD}))
    for daemon in DAEMONS:
        assert check(t, daemon, path, "-n").popen.returncode == 0
        first = check(t, daemon, path, "-nv")
        assert first.popen.returncode == 0, first.err
        printed = json.loads(first.out)
        printed = printed.get("LPSAppSettings", printed)
        assert printed["Cluster"]["StartLead"] == 0.5 and printed["Cluster"]["NodeName"] == "n1", printed
        second = check(t, daemon, t.file("again.json", first.out), "-nv")
        assert second.popen.returncode == 0, second.err
        assert second.out == first.out


@test
def sections_of_others_are_accepted(t):
    path = t.file("all.json", json.dumps({"LPSAppSettings": {**GOOD, "Watchdog": {"MaxMemoryMB": 5000}, "InfluxDB": {"Enabled": False},
                                                             "FileLogger": {"LogFilePath": "logs/lpslog.log"}}}))
    for daemon in DAEMONS:
        process = check(t, daemon, path, "-n")
        assert process.popen.returncode == 0, process.err


@test
def other_addresses_only_with_insecure(t):
    for address in ("192.0.2.1", "0.0.0.0", "::"):
        settings = {**GOOD, "Cluster": {**GOOD["Cluster"], "MasterNodeIP": address}}
        for daemon in DAEMONS:
            for options in ((), ("-n",)):
                process = check(t, daemon, t.file("far.json", json.dumps(settings)), *options)
                assert process.popen.returncode == 2, f"{daemon} started for {address}"
                assert "Insecure" in process.err and address in process.err, process.err


@test
def usage(t):
    for daemon in DAEMONS:
        process = t.start(daemon, program(daemon), "--nonsense")
        assert process.wait(5) > 0
        assert "usage" in process.err.lower(), process.err


@test
def ports_that_are_taken(t):
    cluster = t.cluster()
    with socket.create_server(("127.0.0.1", cluster.port)):
        process = t.start("m1", program("lps-masterd"), "-c", cluster.settings("m1"), env=cluster.environment("m1"))
        assert process.wait(10) > 0 and str(cluster.port) in process.err, process.err
    with socket.create_server(("127.0.0.1", cluster.rest_port)):
        process = t.start("m1", program("lps-masterd"), "-c", cluster.settings("m1"), env=cluster.environment("m1"))
        assert process.wait(10) > 0 and str(cluster.rest_port) in process.err, process.err
    cluster.start_worker("w1")
    second = t.start("second", program("lps-workerd"), "-c", cluster.settings("w1"), "-s", cluster.socket("w1"))
    assert second.wait(5) > 0 and cluster.socket("w1") in second.err, second.err
    assert cluster.call("w1", "/healthz")[0] == 200, "the first one keeps its socket"


@test
def a_stale_socket_is_replaced(t):
    cluster = t.cluster()
    worker = cluster.start_worker("w1")
    worker.kill()
    assert os.path.exists(cluster.socket("w1"))
    cluster.start_worker("w1")


@test
def stops_in_order(t):
    cluster = t.cluster().start(1)
    for process in (cluster.workers["w1"], cluster.master):
        process.signal(signal.SIGTERM)
        assert process.wait(5) == 0, process.popen.returncode
    assert not os.path.exists(cluster.socket("w1"))


@test
def reload_takes_up_the_barrier(t):
    cluster, target = t.cluster(expected=2).start(1), t.target()
    cluster.settings("m1", ExpectedNumberOfWorkers=1)
    cluster.master.signal(signal.SIGHUP)
    until("the new number holds", lambda: cluster.state()["expectedWorkers"] == 1)
    assert cluster.lps("w1", "-u", target.http, "-rc", "1").wait() == 0


@test
def reload_keeps_the_old_settings_when_new_ones_are_broken(t):
    cluster = t.cluster(expected=2).start(1)
    path = t.file("m1.json", "{")
    cluster.master.signal(signal.SIGHUP)
    cluster.master.await_text(re.escape(path) + ":1:")
    assert cluster.state()["expectedWorkers"] == 2


@test
def master_tells_systemd(t):
    cluster, target = t.cluster(expected=2), t.target()
    manager = Manager(t, "m1", [program("lps-masterd"), "-c", cluster.settings("m1")])
    ready = manager.await_note("^READY=1", 10)
    assert ready["pid"] == manager.process.pid
    assert cluster.state_or_none(), "ready means that it listens"
    first, second = manager.await_note("^WATCHDOG=1"), manager.await_note("^WATCHDOG=1")
    assert second["at"] - first["at"] < 1.0, "half of the limit"
    for node in ("w1", "w2"):
        cluster.start_worker(node)
    all_lps = [cluster.lps(node, "-u", target.http + "/delay/2", "-d", "2") for node in ("w1", "w2")]
    manager.await_note(r"STATUS=.*2/2")
    manager.await_note(r"STATUS=[Rr]unning")
    assert [lps.wait() for lps in all_lps] == [0, 0]
    manager.process.signal(signal.SIGHUP)
    assert "MONOTONIC_USEC" in manager.await_note("^RELOADING=1")
    manager.await_note("^READY=1")
    manager.process.signal(signal.SIGTERM)
    manager.await_note("^STOPPING=1")
    assert manager.process.wait(10) == 0
    entries = manager.read_journal()
    about_run = [e for e in entries if e.get("LPS_RUN_ID")]
    assert about_run, entries
    assert all(e["PRIORITY"] in "01234567" and e["MESSAGE"] and e["SYSLOG_IDENTIFIER"] == "lps-masterd" for e in entries), entries
    assert {e["LPS_EVENT"] for e in about_run if "LPS_EVENT" in e}, about_run
    assert {e.get("LPS_NODE") for e in entries} >= {"w1", "w2"}, entries


@test
def worker_tells_systemd_and_takes_its_socket(t):
    cluster = t.cluster()
    manager = Manager(t, "w1", [program("lps-workerd"), "-c", cluster.settings("w1")], listen=cluster.socket("w1"))
    manager.await_note("^READY=1", 10)
    status, body = cluster.call("w1", "/healthz")
    assert (status, json.loads(body)) == (200, {"status": "ok"})
    manager.await_note("^WATCHDOG=1")
    cluster.start_master()
    manager.await_note("STATUS=idle$")
    manager.process.signal(signal.SIGTERM)
    manager.await_note("^STOPPING=1")
    assert manager.process.wait(10) == 0
    assert os.path.exists(cluster.socket("w1")), "the socket is systemd's to remove"
    assert any(f"127.0.0.1:{cluster.port}" in e["MESSAGE"] for e in manager.read_journal())


@test
def stderr_has_levels(t):
    cluster = t.cluster().start(1)
    for process in (cluster.master, cluster.workers["w1"]):
        lines = process.err.splitlines()
        assert lines and all(re.match(r"<[0-7]>", line) for line in lines), lines


if __name__ == "__main__":
    main()
