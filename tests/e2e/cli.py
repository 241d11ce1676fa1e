#!/usr/bin/python3
"""The command line and `lps --local`: what a newcomer tries first."""
import json
import os
import re
import shutil
import signal
import stat

from lps import Skip, children, main, program, test, until

NOWHERE = "http://127.0.0.1:9/"


def refuses(t, *args, saying=""):
    lps = t.lps(*args)
    assert lps.wait(5) == 2, f"{args}: exit {lps.popen.returncode}: {lps.err}"
    assert lps.out == "", lps.out
    lines = lps.err.splitlines()
    assert len(lines) == 1, f"{args}: {lines}"
    assert saying in lines[0], f"{args}: no {saying!r} in {lines[0]!r}"


@test(fast=True)
def bad_command_lines(t):
    for args, saying in (
            (("--local", "-u", "ftp://127.0.0.1/"), "ftp"),
            (("--local", "-u", "http://"), "http://"),
            (("--local", "-u", "127.0.0.1:80"), "127.0.0.1:80"),
            (("--local", "-u", "http://127.0.0.1:70000/"), "70000"),
            (("--local", "-u", ""), ""),
            (("--local", "-rc", "1"), "url"),
            (("-u", NOWHERE, "--nonsense"), "--nonsense"),
            (("-u", NOWHERE, "--requestcuont", "1"), "requestCount"),
            (("-u", NOWHERE, "-rc"), "-rc"),
            (("-u", NOWHERE, "-rc", "0"), "0"),
            (("-u", NOWHERE, "-rc", "-1"), "-1"),
            (("-u", NOWHERE, "-rc", "1e3"), "1e3"),
            (("-u", NOWHERE, "-rc", "99999999999999999999"), "99999999999999999999"),
            (("-u", NOWHERE, "-nc", "0"), "0"),
            (("-u", NOWHERE, "-nc", "1000001"), "1000001"),
            (("-u", NOWHERE, "-d", "0"), "0"),
            (("-u", NOWHERE, "-d", "1.5"), "1.5"),
            (("-u", NOWHERE, "-im", "R", "-d", "5"), "uration"),
            (("-u", NOWHERE, "-im", "D"), "uration"),
            (("-u", NOWHERE, "-im", "X"), "X"),
            (("-u", NOWHERE, "-im", "CB"), "batch size is missing"),
            (("-u", NOWHERE, "-im", "crb", "-rc", "5", "-bs", "5", "-cdt", "1"), "more than the batch size"),
            (("-u", NOWHERE, "-im", "DCB", "-bs", "5"), "duration is missing"),
            (("-u", NOWHERE, "-d", "1", "-cdt", "1"), "batch size is missing"),
            (("-u", NOWHERE, "--rate", "5"), "duration is missing"),
            (("-u", NOWHERE, "--rate", "0", "-d", "1"), "above 0"),
            (("-u", NOWHERE, "--rate", "5", "-d", "1", "-ad", "5"), "-ad"),
            (("-u", NOWHERE, "--ramp", "5"), "RATE:SECONDS"),
            (("-u", NOWHERE, "--pacing", "fast"), "precise"),
            (("-u", NOWHERE, "-hv", "3.0"), "-hv"),
            (("-u", NOWHERE, "-h2c", "-hv", "1.1"), "-h2c"),
            (("-u", NOWHERE, "-ccp", "/does/not/exist"), "/does/not/exist"),
            (("-u", NOWHERE, "-ccpw", "secret"), "without a certificate"),
            (("-u", NOWHERE, "-h", "no colon"), "no colon"),
            (("-u", NOWHERE, "-h", "X: a\r\nEvil: b"), "X"),
            (("-u", NOWHERE, "-h", "X: a\nb"), "X"),
            (("-u", NOWHERE, "-h", "bad name: v"), "bad name"),
            (("-u", NOWHERE, "-p", "Path:/does/not/exist"), "/does/not/exist"),
            (("-u", NOWHERE, "--wait", "soon"), "soon"),
            (("frobnicate",), "frobnicate"),
            (("vaildate", "x.yaml"), "lps validate"),
            (("x.yaml",), "lps run x.yaml"),
            (("run",), "lps run FILE"),
            (("run", "x.yaml", "--rundname", "a"), "--roundName"),
            (("round", "x.yaml"), "--name"),
            (("record",), "--har"),
            (("completion", "tcsh"), "bash, zsh or fish"),
            (("cluster", "-gp", "0"), "0"),
            (("cluster", "-gp", "65536"), "65536"),
            (("cluster", "-ew", "many"), "many"),
            (("cluster", "-miw", "maybe"), "maybe"),
    ):
        refuses(t, *args, saying=saying)


@test(fast=True)
def help_and_version(t):
    for args in (("--help",), ("-?",), ("status", "--help"), ("cluster", "--help"), ("run", "--help"),
                 ("iteration", "ref", "--help"), ("record", "-?")):
        lps = t.lps(*args)
        assert lps.wait(5) == 0 and "--help" in lps.out and lps.err == "", args
    lps = t.lps("--version")
    assert lps.wait(5) == 0 and re.search(r"\d+\.\d+\.\d+", lps.out)


@test
def no_daemon_exit_3(t):
    for args in (("-u", NOWHERE), ("status",), ("cancel",), ("cluster", "ready")):
        lps = t.lps(*args, "--socket", os.path.join(t.dir, "nobody.sock"))
        assert lps.wait(5) == 3, args
        assert len(lps.err.splitlines()) == 1 and "nobody.sock" in lps.err, lps.err
        assert "systemctl" in lps.err, "says what to do"


@test
def no_permission_exit_3(t):
    if os.getuid() != 0:
        raise Skip("only root can become somebody else")
    cluster = t.cluster()
    os.chmod(t.dir, 0o755)
    lps = shutil.copy(program("lps"), t.dir)
    cluster.start_worker("w1")
    assert stat.S_IMODE(os.stat(cluster.socket("w1")).st_mode) == 0o660
    lps = t.start("lps-stranger", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups",
                  lps, "status", "--socket", cluster.socket("w1"))
    assert lps.wait(5) == 3
    assert "group lps" in lps.err, lps.err


@test(fast=True)
def mission_example_locally(t):
    target = t.target()
    for url in (target.http, target.https):
        lps = t.lps("--local", "--url", url, "-h", "https://www.example.com", "--requestcount", "700", "--json")
        assert lps.wait(30) == 0, lps.err
        assert lps.json()["totals"]["statusCodes"] == {"200": 700}
    assert target.counts()["paths"] == {"/": 1400}


@test
def options_in_any_case(t):
    target = t.target()
    for args in (("--URL", target.http, "--REQUESTCOUNT", "4"), ("--url=" + target.http, "--requestCount:4"),
                 ("-u", target.http, "-rc=4"), ("-u", target.http, "-rc", "2", "-nc", "2"),
                 ("-u", target.http, "--NUMBEROFCLIENTS", "4")):
        lps = t.lps("--local", "--json", *args)
        assert lps.wait(10) == 0, (args, lps.err)
        assert lps.json()["totals"]["requests"] == 4, args


@test
def request_arrives_as_asked_for(t):
    """Method, headers, payload from a file: against a server that keeps what it got."""
    catcher = t.file("catcher.py", CATCHER)
    server = t.start("catcher", "/usr/bin/python3", catcher)
    port = server.await_text(r"port (\d+)", which="out")[1]
    payload = t.file("payload.bin", b"a\x01b\r\n" + bytes(range(128)))
    lps = t.lps("--local", "-u", f"http://127.0.0.1:{port}/path?q=1", "-hm", "put", "-h", "X-One: 1", "-h", "X-Two:two:three",
                "-p", "Path:" + payload, "-rc", "1", "--quiet")
    assert lps.wait(10) == 0, lps.err
    got = json.loads(server.out.splitlines()[1])
    assert got["line"] == "PUT /path?q=1 HTTP/1.1"
    headers = {k.lower(): v for k, v in got["headers"]}
    assert headers["host"] == f"127.0.0.1:{port}"
    assert (headers["x-one"], headers["x-two"]) == ("1", "two:three")
    with open(payload, "rb") as f:
        assert bytes.fromhex(got["body"]) == f.read()


CATCHER = """
import http.server, json
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_PUT(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        print(json.dumps({"line": self.requestline, "headers": self.headers.items(), "body": body.hex()}), flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *_): pass
s = http.server.HTTPServer(("127.0.0.1", 0), H)
print("port", s.server_port, flush=True)
s.serve_forever()
"""


@test
def local_duration_and_arrival_delay(t):
    target = t.target()
    lps = t.lps("--local", "-u", target.http, "-d", "1", "-nc", "3", "-ad", "200", "--json")
    assert lps.wait(10) == 0
    document = lps.json()
    assert 1.3 <= document["run"]["durationSeconds"] <= 3, "the last client starts 0.4 s later and goes on for a second"
    assert target.counts()["requests"] == document["totals"]["requests"]
    assert document["totals"]["connections"]["opened"] == 3


@test
def local_ctrl_c(t):
    target = t.target()
    lps = t.lps("--local", "-u", target.http, "-d", "60", "--json")
    until("it runs", lambda: target.counts()["requests"] > 0)
    lps.interrupt()
    assert lps.wait(5) == 130
    document = lps.json()
    assert document["verdict"]["status"] == "cancelled"
    assert target.counts()["requests"] == document["totals"]["requests"]


@test
def local_runner_killed(t):
    target = t.target()
    lps = t.lps("--local", "-u", target.http, "-d", "60")
    runner = until("the runner is there", lambda: children(lps.pid))[0]
    until("it runs", lambda: target.counts()["requests"] > 0)
    os.kill(runner, signal.SIGKILL)
    assert lps.wait(5) == 4
    assert "signal 9" in lps.err + lps.out


@test
def text_and_json_agree(t):
    target = t.target()
    text = t.lps("--local", "-u", target.http, "-rc", "12")
    assert text.wait(10) == 0
    assert re.search(r"\b12\b", text.out) and "p99.9" in text.out and "200" in text.out
    assert "\x1b" not in text.out + text.err
    quiet = t.lps("--local", "-u", target.http, "-rc", "12", "--json", "--quiet")
    assert quiet.wait(10) == 0
    assert quiet.err == "" and quiet.json()["schema"] == "lps.result/1" and len(quiet.out.splitlines()) == 1


@test
def cluster_settings_are_edited(t):
    path = t.file("lpsSettings.json", '{"LPSAppSettings": {"Cluster": {"GRPCPort": 5001}, "Dashboard": {"Port": 8010}}}')
    lps = t.lps("cluster", "--config", path, "-mip", "192.0.2.1", "-gp", "6000", "-ew", "3", "-miw", "false")
    assert lps.wait(5) == 0, lps.err
    assert "systemctl" in lps.out + lps.err, "names the command that makes it hold"
    with open(path, encoding="utf-8") as f:
        text = json.load(f)
    text = text.get("LPSAppSettings", text)
    assert text["Cluster"] == {"MasterNodeIP": "192.0.2.1", "GRPCPort": 6000, "ExpectedNumberOfWorkers": 3,
                               "MasterNodeIsWorker": False}, text
    assert text["Dashboard"] == {"Port": 8010}, "the rest is left alone"
    shown = t.lps("cluster", "--config", path)
    assert shown.wait(5) == 0
    for word in ("192.0.2.1", "6000", "3", "alse"):
        assert word in shown.out, shown.out


@test(fast=True)
def settings_of_each_section_are_edited(t):
    path = t.file("s.json", '{"Dashboard": {"Port": 8010}, "InfluxDB": {"Bucket": "kept"}}')

    def section(name):
        with open(path, encoding="utf-8") as f:
            return json.load(f).get(name)

    for args, name, members, saying in (
            (("logger", "-cll", "Warning", "-lfp", "a.log", "-dfl", "-ecl", "false", "-dcel=true", "-ll", "0"), "FileLogger",
             {"ConsoleLoggingLevel": "Warning", "LogFilePath": "a.log", "DisableFileLogging": True,
              "EnableConsoleLogging": False, "DisableConsoleErrorLogging": True, "LoggingLevel": 0},
             "systemctl reload lps-masterd lps-workerd"),
            (("httpclient", "-mcps", "50", "-pclt", "60", "-pcit", "7.5", "-cto", "30", "-hvm", "Lenient", "-aho", "-sth", "X-T",
              "-stf", "Auto"), "HttpClient",
             {"MaxConnectionsPerServer": 50, "PooledConnectionLifeTimeInSeconds": 60, "HeaderValidationMode": "Lenient",
              "PooledConnectionIdleTimeoutInSeconds": 7.5, "ClientTimeoutInSeconds": 30, "AllowHostOverride": True,
              "ServerTimeHeader": "X-T", "ServerTimeFormat": "Auto"}, "systemctl reload lps-workerd"),
            (("watchdog", "-mmm", "2", "-cdmm", "1", "-mcp", "4", "-cdcp", "3", "-mcccphn", "6", "-cdcccphn", "5", "-cdrtims", "70",
              "-maxcp", "8", "-rca", "9", "-sm", "All"), "Watchdog",
             {"MaxMemoryMB": 2, "CoolDownMemoryMB": 1, "MaxCPUPercentage": 4, "CoolDownCPUPercentage": 3,
              "MaxConcurrentConnectionsCountPerHostName": 6, "CoolDownConcurrentConnectionsCountPerHostName": 5,
              "CoolDownRetryTimeInMs": 70, "MaxCoolingPeriod": 8, "ResumeCoolingAfter": 9, "SuspensionMode": "All"},
             "systemctl reload lps-workerd"),
            (("dashboard", "-p", "8011", "-bid", "false", "-rr", "5"), "Dashboard",
             {"Port": 8011, "BuiltInDashboard": False, "RefreshRate": 5}, "systemctl restart lps-masterd"),
            (("influxdb", "-ie", "-iu", "http://127.0.0.1:8086", "-it", "s3cret", "-io", "o"), "InfluxDB",
             {"Bucket": "kept", "Enabled": True, "Url": "http://127.0.0.1:8086", "Token": "s3cret", "Organization": "o"}, "yet"),
    ):
        lps = t.lps(*args, "--config", path)
        assert lps.wait(5) == 0, lps.err
        assert section(name) == members, section(name)
        assert saying in lps.out, lps.out
        shown = t.lps(args[0], "--config", path)
        assert shown.wait(5) == 0 and "s3cret" not in shown.out, shown.out
        for key in members:
            assert re.search(rf"^{key} +\S", shown.out, re.M), (key, shown.out)
    with open(path, encoding="utf-8") as f:
        before = f.read()
    for args, saying in ((("dashboard", "-p", "70000"), "70000"), (("logger", "-cll", "Loud"), "Loud"),
                         (("httpclient", "-cto", "0"), "ClientTimeoutInSeconds"), (("httpclient", "-pcit", "61"), "Idle"),
                         (("httpclient", "-hvm", "Strict"), "AllowHostOverride"), (("watchdog", "-mmm", "1"), "CoolDownMemoryMB"),
                         (("watchdog", "-sm", "Some"), "Some"), (("watchdog", "-mcp", "much"), "much"),
                         (("influxdb", "-ie", "maybe"), "maybe"), (("dashboard", "--prot", "1"), "--port")):
        refuses(t, *args, *(("--config", path) if "--prot" not in args and "maybe" not in args else ()), saying=saying)
    with open(path, encoding="utf-8") as f:
        assert f.read() == before, "what is refused changes nothing"


if __name__ == "__main__":
    main()
