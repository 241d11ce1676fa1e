#!/usr/bin/python3
"""The unit files under a real systemd: a throw-away host with what `make install` installs."""
import glob
import json
import os
import shutil
import signal
import subprocess

from lps import ROOT, Process, Skip, children, main, program, sanitized, test, until

HERE = os.path.dirname(os.path.abspath(__file__))
PATHS = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "TERM": "dumb", "SYSTEMD_PAGER": "", "LC_ALL": "C.UTF-8"}


def cgroup_roots():
    """Where a group of our own can be made: hierarchies that hold no resources, so that nothing leaves its limits."""
    roots = [f"/sys/fs/cgroup/{name}" for name in ("systemd", "unified", "pids")]
    roots = [root for root in roots if os.path.isdir(root)] or ["/sys/fs/cgroup"]
    if not all(os.access(root, os.W_OK) for root in roots):
        raise Skip("control groups cannot be made here (netns)")
    return roots


class Host:
    def __init__(self, stage, name="lpshost"):
        if sanitized():
            raise Skip("the plain build is what gets installed")
        if os.getuid() != 0:
            raise Skip("needs root for namespaces and mounts (netns)")
        if subprocess.run(["unshare", "-m", "-n", "-p", "-f", "true"], check=False).returncode != 0:
            raise Skip("namespaces cannot be made here (netns)")
        self.unshare = None
        self.groups = [os.path.join(root, f"lps-test-{os.getpid()}") for root in cgroup_roots()]
        stage.cleanups.append(self._remove_groups)
        for group in self.groups:
            os.mkdir(group)
        tree = os.path.join(stage.dir, "tree")
        subprocess.run(["make", "-s", "-C", ROOT, "install", f"DESTDIR={tree}"], check=True, stdout=subprocess.DEVNULL)
        os.makedirs(tree + "/usr/local/bin")
        shutil.copy(program("bench/target"), tree + "/usr/local/bin/target")
        self.unshare = Process(stage, "host", ["unshare", "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--fork",
                                               "--kill-child=KILL", os.path.join(HERE, "boot.sh"), tree, name],
                               preexec_fn=self._enter_groups)
        self.pid = until("PID 1 is there", lambda: next(iter(children(self.unshare.pid)), None), 5)
        until("systemd is PID 1", self._is_systemd, 10)
        until("it takes commands", lambda: self.on("test", "-S", "/run/systemd/private").returncode == 0, 20)
        self.boot_state = self.on("systemctl", "is-system-running", "--wait").stdout.strip()

    def _enter_groups(self):
        for group in self.groups:
            with open(group + "/cgroup.procs", "w", encoding="ascii") as f:
                f.write(str(os.getpid()))

    def _remove_groups(self):
        if self.unshare:
            self.unshare.kill()
        for group in self.groups:
            def gone(group=group):
                for path in sorted(glob.glob(group + "/**/", recursive=True), key=len, reverse=True):
                    try:
                        os.rmdir(path)
                    except OSError:
                        pass
                return not os.path.exists(group)
            until(f"{group} is empty", gone, 10)

    def _is_systemd(self):
        assert self.unshare.popen.poll() is None, self.unshare.err
        with open(f"/proc/{self.pid}/comm", encoding="ascii") as f:
            return f.read().strip() == "systemd"

    def on(self, *argv, check=False, timeout=60):
        """Runs a command as root on the host."""
        done = subprocess.run(["nsenter", "-t", str(self.pid), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", *argv],
                              env={**PATHS, "HOME": "/root"}, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=timeout, check=False)
        assert not check or done.returncode == 0, f"{' '.join(argv)}: {done.returncode}: {done.stdout}{done.stderr}"
        return done

    def show(self, unit, key):
        return self.on("systemctl", "show", "-p", key, "--value", unit).stdout.strip()

    def power_off(self):
        os.kill(self.pid, signal.SIGRTMIN + 4)
        self.unshare.wait(30)


@test
def units_start_run_and_stop(t):
    host = Host(t)
    try:
        life_of_the_units(host)
    except AssertionError:
        for line in host.on("journalctl", "-b", "-n", "100", "-u", "lps-*", "-o", "short-monotonic").stdout.splitlines():
            print("#   journal:", line)
        raise
    host.power_off()


def life_of_the_units(host):
    assert host.boot_state == "running", host.on("systemctl", "--failed").stdout
    host.on("systemd-sysusers", check=True)
    host.on("systemctl", "daemon-reload", check=True)
    host.on("systemd-analyze", "verify", "--man=no", "lps-masterd.service", "lps-workerd.service", "lps-workerd.socket", check=True)
    host.on("systemctl", "start", "lps-masterd", "lps-workerd", check=True)
    for unit in ("lps-masterd.service", "lps-workerd.service", "lps-workerd.socket"):
        assert host.show(unit, "ActiveState") == "active", unit
    for unit, user in (("lps-masterd", "lps-master"), ("lps-workerd", "lps-worker")):
        pid = host.show(unit, "MainPID")
        assert host.on("ps", "-o", "user:20=,group:20=", "-p", pid).stdout.split() == [user, user]
        assert host.show(unit, "Type") == "notify"
        until(f"{unit} tells its status", lambda unit=unit: host.show(unit, "StatusText"), 5)
    assert host.on("stat", "-c", "%U %G %a", "/run/lps/workerd.sock").stdout.split() == ["root", "lps", "660"]

    # The settings that are installed make a cluster of one.
    url = start_target(host)
    run = host.on("lps", "-u", url, "-rc", "200", "--json", check=True)
    assert json.loads(run.stdout)["totals"]["statusCodes"] == {"200": 200}
    run_id = json.loads(run.stdout)["run"]["id"]
    who_may_use_the_socket(host, url)

    entries = [json.loads(line) for line in host.on("journalctl", "-u", "lps-workerd", "-o", "json", f"LPS_RUN_ID={run_id}").stdout.splitlines()]
    assert entries and {e["_SYSTEMD_UNIT"] for e in entries} == {"lps-workerd.service"}, entries
    assert any(e.get("LPS_EVENT") for e in entries) and {e.get("LPS_NODE") for e in entries} == {"lpshost"}, entries
    assert host.on("journalctl", "-u", "lps-masterd", "-o", "cat", f"LPS_RUN_ID={run_id}").stdout

    for unit in ("lps-masterd", "lps-workerd"):
        host.on("systemctl", "reload", unit, check=True)
        assert host.show(unit, "ActiveState") == "active"
    crash_and_come_back(host, url)

    host.on("systemctl", "stop", "lps-workerd.service", check=True)
    status = host.on("lps", "status", check=True)
    assert "lpshost" in status.stdout, "the socket starts the worker again"
    host.on("systemctl", "stop", "lps-masterd.service", "lps-workerd.service", "lps-workerd.socket", check=True)
    for unit in ("lps-masterd", "lps-workerd"):
        assert host.show(unit, "Result") == "success", unit
    assert host.on("systemctl", "--failed", "--no-legend").stdout.strip() == ""
    assert host.on("lps", "status").returncode == 3


def start_target(host):
    host.on("systemd-run", "--unit=target", "/usr/local/bin/target", check=True)
    line = until("the target listens", lambda: [line for line in host.on("journalctl", "-u", "target", "-o", "cat").stdout.splitlines()
                                                if line.startswith("listening: ")])[0]
    return line.split()[1]


def who_may_use_the_socket(host, url):
    host.on("useradd", "-G", "lps", "member", check=True)
    host.on("useradd", "stranger", check=True)
    as_user = ["setpriv", "--reuid", "{}", "--regid", "{}", "--init-groups", "lps"]
    member = host.on(*[word.format("member") for word in as_user], "-u", url, "-rc", "1")
    assert member.returncode == 0, member.stderr
    stranger = host.on(*[word.format("stranger") for word in as_user], "-u", url, "-rc", "1")
    assert stranger.returncode == 3 and "group lps" in stranger.stderr, stranger.stderr


def crash_and_come_back(host, url):
    for unit in ("lps-workerd", "lps-masterd"):
        before = host.show(unit, "MainPID")
        host.on("systemctl", "kill", "-s", "KILL", unit, check=True)
        until(f"{unit} is back", lambda unit=unit, before=before: host.show(unit, "ActiveState") == "active"
              and host.show(unit, "MainPID") not in ("0", before), 15)
    assert host.on("lps", "-u", url, "-rc", "5", "--wait", "10").returncode == 0
    runs = host.on("curl", "-s", "http://127.0.0.1:8009/api/v1/runs", check=True).stdout
    assert len(json.loads(runs)["runs"]) == 3, "the history survives a crash"


if __name__ == "__main__":
    main()
