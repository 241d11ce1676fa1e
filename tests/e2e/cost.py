#!/usr/bin/python3
"""What a request costs lps-runner, in figures that no other load on the machine can move: user instructions (callgrind) and
system calls (strace), as the slope between two numbers of requests."""
import os
import shutil
import subprocess
import sys

from lps import ROOT, Skip, main, program, sanitized, test

sys.path.insert(0, os.path.join(ROOT, "tests/bench"))
import runner  # noqa: E402

CONNECTIONS = 10
PLAIN_MAX, TLS_MAX, HTTP2_MAX = 2000, 16000, 24000
FUTEX_MAX = 0.001  # a request; those of start, end and the seconds between are no slope


def measured(t, read, tls, version, tool):
    """Costs of a small GET; all requests came by the version asked for."""
    if sanitized():
        raise Skip("a sanitizer has costs of its own")
    if not shutil.which(tool[0]):
        raise Skip(f"there is no {tool[0]}")
    if subprocess.run([*tool, "true"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                      check=False).returncode != 0:
        raise Skip(f"{tool[0]} cannot watch a program here (ptrace)")
    target = t.target()
    before = target.counts()
    cost = read(program("lps-runner"), (target.https if tls else target.http) + "/", version, CONNECTIONS)
    runner.check_protocol(before, target.counts(), version)
    return cost


def instructions(t, most, tls, version):
    n = measured(t, runner.instructions, tls, version, ["valgrind", "-q", "--tool=none"])
    print(f"# {n:.0f} user instructions a request, at most {most}")
    assert 100 < n <= most, f"{n:.0f} user instructions a request, at most {most}"


def system_calls(t, most, tls, version):
    calls = measured(t, runner.system_calls, tls, version, ["strace", "-f", "-o", "/dev/null"])
    table = ", ".join(f"{name} {n:.3f}" for name, n in sorted(calls.items(), key=lambda item: -item[1]) if n >= 0.001)
    print(f"# system calls a request: {table}")
    assert 0.1 < calls["total"] <= most, f"at most {most} system calls a request: {table}"
    assert calls.get("futex", 0) < FUTEX_MAX, f"threads wait for each other: {table}"


@test
def instructions_of_a_small_get(t):
    instructions(t, PLAIN_MAX, tls=False, version="1.1")


@test
def instructions_of_a_get_over_tls(t):
    instructions(t, TLS_MAX, tls=True, version="1.1")


@test
def instructions_of_a_get_over_http2(t):
    instructions(t, HTTP2_MAX, tls=True, version="2.0")


@test
def system_calls_of_a_small_get(t):
    system_calls(t, 2.3, tls=False, version="1.1")


@test
def system_calls_of_a_get_over_tls(t):
    system_calls(t, 2.3, tls=True, version="1.1")


@test
def system_calls_of_a_get_over_http2(t):
    system_calls(t, 2.4, tls=True, version="2.0")


@test
def two_threads_wait_for_nothing(t):
    """With more than one loop, too, no request costs a futex."""
    def read(path, url, version, connections):
        return runner.system_calls(path, url, version, connections, threads=2)

    calls = measured(t, read, False, "1.1", ["strace", "-f", "-o", "/dev/null"])
    assert calls.get("futex", 0) < FUTEX_MAX, calls


if __name__ == "__main__":
    main()
