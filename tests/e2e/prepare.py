#!/usr/bin/python3
"""What is settled before the load: settings reach the runner, what cannot fit is refused, what may not fit is a warning."""
import json
import os
import signal
import subprocess

from lps import main, program, test, until

BEYOND = ("-nc", "1000000", "-d", "5")           # more clients at once than there are ports
DOUBTFUL = ("-nc", "100000", "--rate", "10", "-d", "1")  # no more connections than that are needed
# A runner that has something to say first: field 4 of RunnerEvent.
RUNNER = "#!/bin/sh\nprintf '\\016\\000\\000\\000\\042\\014mind the gap' >&3\nexec %s\n"


def write_settings(cluster, node, **http_client):
    path = cluster.settings(node)
    with open(path, encoding="utf-8") as f:
        settings = json.load(f)
    settings["HttpClient"].update(http_client)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(settings, f)


def runner(t):
    path = t.file("runner", RUNNER % program("lps-runner"))
    t.start("chmod", "chmod", "755", path).wait()
    return path


@test
def a_proxy_is_used_locally(t):
    proxy = t.target("--proxy")
    settings = {"HttpClient": {"Proxy": proxy.http, "NoProxy": "127.0.0.1"}}
    path = t.file("lps.json", json.dumps(settings))
    lps = t.lps("--local", "--config", path, "-u", "http://nowhere.invalid/", "-rc", "3")
    assert lps.wait() == 0, lps.err
    assert proxy.counts()["proxied"] == 3
    lps = t.lps("--local", "--config", path, "-u", proxy.http, "-rc", "3")
    assert lps.wait() == 0, lps.err
    assert proxy.counts()["proxied"] == 3, "and not for what NoProxy names"


@test
def a_reload_holds_for_the_next_submission(t):
    proxy, cluster = t.target("--proxy"), t.cluster().start()
    write_settings(cluster, "w1", Proxy=proxy.http)
    cluster.workers["w1"].signal(signal.SIGHUP)
    cluster.workers["w1"].await_text("settings read again")
    lps = cluster.lps("w1", "-u", "http://nowhere.invalid/", "-rc", "3")
    assert lps.wait() == 0, lps.err
    assert proxy.counts()["proxied"] == 3


def refused_by_settings(t, http_client, saying, *args):
    path = t.file("lps.json", json.dumps({"HttpClient": http_client}))
    lps = t.lps("--local", "--config", path, *args)
    assert lps.wait() == 2 and lps.out == "" and saying in lps.err, lps.err
    cluster = t.cluster().start()
    write_settings(cluster, "w1", **http_client)
    cluster.workers["w1"].signal(signal.SIGHUP)
    cluster.workers["w1"].await_text("settings read again")
    lps = cluster.lps("w1", *args)
    assert lps.wait() == 2 and lps.out == "" and saying in lps.err, lps.err


@test
def authorities_that_cannot_be_read_refuse_the_test(t):
    refused_by_settings(t, {"VerifyCertificates": True, "CertificateAuthorities": "/nowhere.pem"},
                        "HttpClient.CertificateAuthorities: cannot read /nowhere.pem: No such file or directory",
                        "-u", "https://127.0.0.1:9/")


@test
def headers_that_the_mode_does_not_allow_refuse_the_test(t):
    refused_by_settings(t, {"HeaderValidationMode": "Strict"},
                        'the header X-A is not a known header (HeaderValidationMode Strict)',
                        "-u", "http://127.0.0.1:9/", "-h", "X-A: 1")


@test(fast=True)
def what_cannot_fit_is_refused_locally(t):
    lps = t.lps("--local", "-u", "http://127.0.0.1:9/", *BEYOND)
    assert lps.wait() == 2 and lps.out == ""
    assert "1,000,000" in lps.err and "Quick-Test-Round" in lps.err, lps.err


@test
def what_cannot_fit_never_reaches_the_master(t):
    cluster = t.cluster().start()
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", *BEYOND)
    assert lps.wait() == 2 and lps.out == ""
    assert len(lps.err.splitlines()) == 1 and "1,000,000" in lps.err and "Quick-Test-Round" in lps.err, lps.err
    assert cluster.state()["run"] is None
    assert "submitted" not in cluster.master.err


def warned(lps, saying, times=1):
    lines = [line for line in lps.err.splitlines() if saying in line]
    assert len(lines) == times and all(line.startswith("lps: warning: ") for line in lines), lps.err


@test
def what_may_not_fit_is_a_warning(t):
    target = t.target()
    lps = t.lps("--local", "-u", target.http, *DOUBTFUL)
    assert lps.wait() == 0, lps.err
    assert "lps: warning: " in lps.err and "100,000" in lps.err, lps.err
    cluster = t.cluster().start()
    lps = cluster.lps("w1", "-u", target.http, *DOUBTFUL, "--quiet")
    assert lps.wait() == 0, lps.err
    assert "lps: warning: " in lps.err and "100,000" in lps.err, lps.err
    lines = [line for line in cluster.workers["w1"].err.splitlines() if "event=warning" in line]
    assert len(lines) == lps.err.count("lps: warning: ") and "100,000" in lines[0], lines
    assert lines[0].startswith("<4>"), lines


@test
def the_runners_warning_comes_to_the_user_and_the_journal_once(t):
    target = t.target()
    lps = t.lps("--local", "-u", target.http, LPS_RUNNER=runner(t))
    assert lps.wait() == 0, lps.err
    warned(lps, "mind the gap")
    cluster = t.cluster()
    plain = cluster.environment
    cluster.environment = lambda node: {**plain(node), "LPS_RUNNER": runner(t)}
    cluster.start()
    lps = cluster.lps("w1", "-u", target.http)
    assert lps.wait() == 0, lps.err
    warned(lps, "mind the gap")
    lines = [line for line in cluster.workers["w1"].err.splitlines() if "mind the gap" in line]
    assert len(lines) == 1 and "event=warning" in lines[0] and lines[0].startswith("<4>"), lines


@test
def a_client_certificate_that_has_expired_is_a_warning(t):
    for args in (("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=agent",
                  "-keyout", "agent.pem", "-out", "agent.csr"),
                 ("x509", "-req", "-in", "agent.csr", "-signkey", "agent.pem", "-days", "-1", "-out", "agent.crt")):
        subprocess.run(["openssl", *args], cwd=t.dir, capture_output=True, check=True)
    with open(os.path.join(t.dir, "agent.pem"), "a", encoding="utf-8") as both, \
            open(os.path.join(t.dir, "agent.crt"), encoding="utf-8") as certificate:
        both.write(certificate.read())
    lps = t.lps("--local", "-u", t.target().https, "-rc", "2", "-ccp", both.name)
    assert lps.wait() == 0, lps.err
    warned(lps, "the client certificate for 127.0.0.1: it has expired")


@test
def a_follower_who_comes_late_hears_the_warnings_as_well(t):
    cluster = t.cluster(expected=2).start()
    lps = cluster.lps("w1", "-u", "http://127.0.0.1:9/", *DOUBTFUL, "--detach")
    assert lps.wait() == 0, lps.err
    submission = lps.out.strip()
    follower = t.start("curl", "curl", "-sN", "--unix-socket", cluster.socket("w1"),
                       f"http://localhost/v1/submissions/{submission}/events")
    events = until("two events", lambda: follower.out.count("\n") >= 2 and follower.out.splitlines())
    first, second = (json.loads(line) for line in events[:2])
    assert first["event"] == "state"
    assert (second["event"], second["level"]) == ("notice", "warning") and "100,000" in second["message"], second


if __name__ == "__main__":
    main()
