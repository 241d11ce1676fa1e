#!/usr/bin/python3
"""Plan files: run, validate, saved, written by commands, recorded."""
import json
import os
import re
import shutil
import subprocess

from lps import Skip, main, program, test

PLAN = """\
# two rounds
name: shop
rounds:
  - name: Warm-up
    numberOfClients: 2
    iterations:
      - name: home
        requestCount: 3
        httpRequest: &home
          url: {url}
          version: 1.1
          headers: {{X-Number: 1.10, X-Flag: true}}
  - name: Load
    iterations:
      - name: again
        requestCount: 4
        httpRequest: *home
      - name: upload
        httpRequest:
          url: {url}/bytes/1
          method: post
          payload: {{file: body.bin}}
"""


def in_directory(t, *args):
    """lps with the test's directory as its working directory."""
    return t.start("lps", program("lps"), *args, cwd=t.dir)


def passes(t, *args):
    lps = in_directory(t, *args)
    assert lps.wait(20) == 0, f"{args}: {lps.err}"
    return lps


def refuses(t, *args):
    lps = in_directory(t, *args)
    assert lps.wait(10) == 2, f"{args}: exit {lps.popen.returncode}: {lps.err}"
    assert lps.out == "", lps.out
    return lps.err.splitlines()


def read(t, name):
    with open(os.path.join(t.dir, name), encoding="utf-8") as f:
        return f.read()


@test(fast=True)
def a_plan_runs_from_yaml_and_from_json(t):
    target = t.target()
    t.file("body.bin", b"\x00\xff" * 700)
    t.file("plan.yml", PLAN.format(url=target.http))
    document = passes(t, "run", "plan.yml", "--local", "--json", "--quiet").json()
    assert document["totals"]["requests"] == 6 + 4 + 1
    assert target.counts()["paths"] == {"/": 10, "/bytes/1": 1}
    assert document["totals"]["bytes"]["bodySent"] == 1400

    request = {"url": target.http + "/bytes/2", "headers": {"A": ["b", "c"]}}
    t.file("plan.JSON", json.dumps({"name": "j", "rounds": [
        {"name": "r", "iterations": [{"name": "i", "requestCount": 5, "httpRequest": request}]}]}))
    passes(t, "run", "plan.JSON", "--local")
    assert target.counts()["paths"]["/bytes/2"] == 5


@test(fast=True)
def rounds_are_selected_by_name(t):
    target = t.target()
    t.file("body.bin", b"x")
    t.file("plan.yaml", PLAN.format(url=target.http))
    passes(t, "run", "plan.yaml", "--local", "-rn", "LOAD")
    assert target.counts()["paths"] == {"/": 4, "/bytes/1": 1}
    passes(t, "run", "-rn", "warm-up", "plan.yaml", "--local")
    assert target.counts()["paths"] == {"/": 10, "/bytes/1": 1}
    passes(t, "run", "plan.yaml", "--local", "--roundName", "load", "Warm-up")
    assert target.counts()["requests"] == 22
    for command in (("run", "--local"), ("validate",)):
        for wrong, line in (("-rn", 'there is no round "Laod", did you mean "Load"?'),
                            ("-t", 'there is no tag "Laod"')):
            lines = refuses(t, command[0], "plan.yaml", *command[1:], "-rn", "Warm-up", wrong, "Laod")
            assert lines == [f"lps: plan.yaml: {line}"], lines
    assert target.counts()["requests"] == 22, "nothing was sent"


@test
def a_plan_runs_on_two_workers(t):
    target = t.target()
    t.file("body.bin", b"x")
    t.file("plan.yaml", PLAN.format(url=target.http))
    cluster = t.cluster(expected=2)
    cluster.start(2)
    both = [in_directory(t, "run", "plan.yaml", "-rn", "Load", "--json", "--socket", cluster.socket(node))
            for node in ("w1", "w2")]
    for lps in both:
        assert lps.wait(30) == 0, lps.err
        assert lps.json()["totals"]["requests"] == 10
    assert target.counts()["paths"] == {"/": 8, "/bytes/1": 2}


BAD = """\
name: "a/b"
rounds:
  - name: one
    numberOfClient: 3
    iterations:
      - name: i
        mode: D
        requestCount: 7
        httpRequest:
          url: ftp://127.0.0.1/
          payload: {file: nowhere.bin}
      - name: I
        duration: "5"
        httpRequest: {url: "http://127.0.0.1:9/", clientCertificatePath: nowhere.pem}
"""


@test(fast=True)
def all_that_is_wrong_is_told_by_place_and_nothing_is_sent(t):
    t.file("bad.yaml", BAD)
    for args in (("validate", "bad.yaml"), ("run", "bad.yaml", "--local"), ("run", "bad.yaml", "--socket", "/nowhere")):
        lines = refuses(t, *args)
        assert lines == [
            'lps: bad.yaml:1:7: name: found "a/b", expected only letters, digits, \' \', \'_\', \'.\', \'-\'',
            'lps: bad.yaml:4:5: rounds[0]: unknown key "numberOfClient", did you mean "numberOfClients"?',
            'lps: bad.yaml:6:9: rounds[0].iterations[0]: found no "duration", expected one',
            'lps: bad.yaml:8:9: rounds[0].iterations[0]: found "requestCount", expected none in mode D',
            "lps: bad.yaml:10:16: rounds[0].iterations[0].httpRequest.url: expected an URL that begins with "
            "http:// or https://, a path that begins with '/', or a placeholder",
            "lps: bad.yaml:11:27: rounds[0].iterations[0].httpRequest.payload.file: cannot read nowhere.bin: "
            "No such file or directory",
            'lps: bad.yaml:12:15: rounds[0].iterations[1].name: found "I" again, expected a name of its own',
            'lps: bad.yaml:13:9: rounds[0].iterations[1]: found "duration", expected none in mode R',
            "lps: bad.yaml:14:74: rounds[0].iterations[1].httpRequest.clientCertificatePath: cannot read nowhere.pem: "
            "No such file or directory",
        ], "\n".join(lines)


@test(fast=True)
def files_that_are_no_plan_are_told(t):
    for name, content, saying in (
            ("a.yaml", "name: [", "a.yaml:2:1: "),
            ("a.yaml", "", "a.yaml:1:1: found null, expected an object"),
            ("a.yaml", "- 1\n", "a.yaml:1:1: found a list, expected an object"),
            ("a.yaml", "name: x\nname: y\n", "a.yaml:2:1: "),
            ("a.json", '{"name": "x",\n "rounds": 7}', "a.json:2:12: rounds: found 7, expected a list"),
            ("a.json", '{"name": {}, "rounds": [7]}', "a.json:1:10: name: found an object, expected a text"),
            ("a.json", "{", "a.json:1:2: "),
            ("a.txt", "name: x", "expected a name that ends in .yaml, .yml or .json"),
    ):
        t.file(name, content)
        lines = refuses(t, "validate", name)
        assert saying in lines[0], lines
    assert "nowhere.yaml: No such file or directory" in refuses(t, "run", "nowhere.yaml")[0]
    assert "Is a directory" in refuses(t, "validate", os.path.join(t.dir, "d.yaml") if not os.mkdir(
        os.path.join(t.dir, "d.yaml")) else "")[0]


@test(fast=True)
def a_valid_plan_is_said_to_be_one(t):
    t.file("body.bin", b"x")
    t.file("plan.yaml", PLAN.format(url="http://127.0.0.1:9"))
    lps = passes(t, "validate", "plan.yaml")
    assert lps.out == 'plan.yaml: valid: plan "shop", rounds: 2, iterations: 3, files: 1\n' and lps.err == ""


@test(fast=True)
def a_saved_test_runs_the_same_again(t):
    target = t.target()
    t.file("body.bin", b"abc")
    options = ("-u", target.http, "-hm", "PUT", "-rc", "3", "-nc", "2", "-h", "X-A: 1", "-h", "X-B: no", "-h", "X-B: 2.0",
               "-p", "Path:body.bin", "-n", "My test", "-hv", "1.1")
    lps = passes(t, "--local", *options, "--save", "--json")
    assert "My test.yaml" in lps.err
    assert read(t, "My test.yaml") == f"""\
name: My test
rounds:
  - name: Quick-Test-Round
    numberOfClients: 2
    iterations:
      - name: Quick-Http-Iteration
        mode: R
        requestCount: 3
        httpRequest:
          url: {target.http}
          method: PUT
          version: "1.1"
          headers:
            X-A: "1"
            X-B:
              - "no"
              - "2.0"
          payload:
            file: body.bin
"""
    again = passes(t, "run", "My test.yaml", "--local", "--json")
    assert again.json()["run"]["digest"] == lps.json()["run"]["digest"]
    assert target.counts()["requests"] == 12
    passes(t, "--local", *options, "--save")
    assert "another plan" in refuses(t, "--local", "-u", target.http, "-n", "My test", "--save")[0]
    assert target.counts()["requests"] == 18, "nothing was sent, and the file was left alone"


@test(fast=True)
def commands_write_a_plan_that_runs(t):
    target = t.target()
    for name in ("plan.yaml", "plan.json"):
        passes(t, "create", name, "--name", "Written")
        passes(t, "round", name, "-n", "main", "-nc", "2")
        passes(t, "iteration", name, "-rn", "main", "-n", "one", "-u", target.http + "/bytes/3", "-rc", "3")
        passes(t, "iteration", name, "-rn", "MAIN", "-n", "two", "-u", target.http + "/bytes/5", "-hm", "POST", "-p", "hello")
        passes(t, "iteration", name, "-rn", "main", "-n", "one", "-u", target.http + "/bytes/4", "-rc", "4")
        assert passes(t, "run", name, "--local", "--json").json()["totals"]["requests"] == 10
    assert target.counts()["paths"] == {"/bytes/4": 16, "/bytes/5": 4}
    assert read(t, "plan.yaml") == f"""\
name: Written
rounds:
  - name: main
    numberOfClients: 2
    iterations:
      - name: one
        mode: R
        requestCount: 4
        httpRequest:
          url: {target.http}/bytes/4
      - name: two
        mode: R
        httpRequest:
          url: {target.http}/bytes/5
          method: POST
          payload:
            raw: hello
"""
    assert list(json.loads(read(t, "plan.json"))) == ["name", "rounds"]


@test(fast=True)
def what_a_command_cannot_do_leaves_the_file_alone(t):
    plan = "# kept as long as nothing is written\nname: p\nrounds: []\n"
    t.file("plan.yaml", plan)
    for args, saying in (
            (("iteration", "plan.yaml", "-rn", "x", "-n", "i", "-u", "/"), 'plan.yaml: -rn: found no round named "x"'),
            (("iteration", "plan.yaml", "-n", "i", "-u", "nowhere"), "-u nowhere: expected an URL"),
            (("iteration", "ref", "plan.yaml", "-rn", "x", "-n", "i"), "no round"),
            (("capture", "plan.yaml", "-in", "x", "--to", "v"), "no iteration of the plan itself"),
            (("variable", "plan.yaml", "-n", "a b", "-v", "1"), "letters and digits"),
            (("round", "plan.yaml", "-n", ""), "0 characters"),
            (("create", "plan.yaml", "-n", "?"), '"?"'),
            (("variable", "nowhere.yaml", "-n", "a", "-v", "1"), "nowhere.yaml: No such file"),
            (("create", "plan.txt", "-n", "a"), "ends in .yaml"),
    ):
        lines = refuses(t, *args)
        assert len(lines) == 1 and saying in lines[0], (args, lines)
    assert read(t, "plan.yaml") == plan
    t.file("broken.yaml", "name: [")
    assert "broken.yaml:" in refuses(t, "create", "broken.yaml", "-n", "x")[0]
    assert read(t, "broken.yaml") == "name: ["
    assert sorted(os.listdir(t.dir)).count("plan.yaml") == 1 and not [f for f in os.listdir(t.dir) if "yaml." in f]


@test(fast=True)
def texts_that_yaml_reads_as_numbers_stay_what_they_were(t):
    t.file("plan.yaml", """\
name: 1.10
rounds:
  - name: r
    runInParallel: TRUE
    iterations:
      - {name: i, mode: D, rate: 1.50, duration: 2, httpRequest: {url: "http://127.0.0.1:9/", version: 2.0,
         headers: {A: 1.10, B: [TRUE, 1e3, x]}}}
""")
    passes(t, "round", "plan.yaml", "-n", "r", "-sd", "1")
    assert read(t, "plan.yaml") == """\
name: "1.10"
rounds:
  - name: r
    runInParallel: true
    iterations:
      - name: i
        mode: D
        rate: 1.5
        duration: 2
        httpRequest:
          url: http://127.0.0.1:9/
          version: "2.0"
          headers:
            A: "1.10"
            B:
              - "TRUE"
              - "1e3"
              - x
    startupDelay: 1
"""
    passes(t, "validate", "plan.yaml")


@test(fast=True)
def parts_of_the_language_are_written(t):
    passes(t, "round", "plan.yaml", "-n", "r", "-t", "smoke", "nightly")
    passes(t, "iteration", "plan.yaml", "-n", "login", "-g", "-u", "$base/login")
    passes(t, "iteration", "ref", "plan.yaml", "-rn", "r", "-n", "login")
    passes(t, "capture", "plan.yaml", "-in", "login", "--to", "token", "--as", "JSON", "--makeGlobal")
    passes(t, "variable", "plan.yaml", "-n", "base", "-v", "http://127.0.0.1", "-e", "dev")
    assert read(t, "plan.yaml") == """\
name: Default
rounds:
  - name: r
    tags:
      - smoke
      - nightly
    iterations: []
    reference:
      - login
iterations:
  - name: login
    mode: R
    httpRequest:
      url: $base/login
      capture:
        to: token
        as: JSON
        makeGlobal: true
environments:
  - name: dev
    variables:
      - name: base
        value: http://127.0.0.1
"""


def entry(url, method="GET", at="2024-05-01T10:00:00.000Z", kind="xhr", mime="application/json"):
    return {"startedDateTime": at, "time": 10, "_resourceType": kind,
            "request": {"method": method, "url": url, "httpVersion": "http/1.1", "headers": [{"name": "X-A", "value": "b"}]},
            "response": {"status": 200, "content": {"mimeType": mime}}}


@test(fast=True)
def a_recording_becomes_a_plan_that_runs(t):
    target = t.target()
    har = {"log": {"version": "1.2", "entries": [
        entry(target.http + "/bytes/6"), entry(target.http + "/logo.png", kind="image", mime="image/png"),
        entry(target.http + "/bytes/7", "DELETE", "2024-05-01T10:00:01.000Z")]}}
    t.file("a.har", json.dumps(har))
    lps = passes(t, "record", "--har", "a.har")
    assert "kept 2 of 3 requests; left out: ignored resource type: 1" in lps.out, lps.out
    passes(t, "run", "RecordedPlan.yaml", "--local")
    assert target.counts()["paths"] == {"/bytes/6": 1, "/bytes/7": 1}

    passes(t, "record", "shop run.json", "--har", "a.har", "-rn", "First", "-im", "DELETE", "-nc", "3")
    passes(t, "record", "shop run.json", "--har", "a.har", "--append", "-rn", "Second")
    plan = json.loads(read(t, "shop run.json"))
    assert plan["name"] == "shop run"
    assert [(r["name"], len(r["iterations"])) for r in plan["rounds"]] == [("First", 1), ("Second", 2)]
    assert plan["rounds"][0]["numberOfClients"] == 3
    updated = passes(t, "record", "shop run.json", "--har", "a.har", "--update")
    assert "added: 0, renewed: " in updated.out, updated.out

    nothing = in_directory(t, "record", "none.yaml", "--har", "a.har", "-oh", "example.com")
    assert nothing.wait(5) == 2 and "nothing is left" in nothing.err
    assert not os.path.exists(os.path.join(t.dir, "none.yaml"))
    t.file("b.har", "{")
    assert "b.har:1:" in refuses(t, "record", "--har", "b.har")[0]


@test(fast=True)
def completion_knows_commands_and_options(t):
    scripts = {shell: passes(t, "completion", shell).out for shell in ("bash", "zsh", "fish")}
    assert "expected bash, zsh or fish" in refuses(t, "completion", "tcsh")[0]
    script = t.file("lps.bash", scripts["bash"])

    def complete(*words):
        out = subprocess.run(["bash", "-c", f'source {script}; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _lps; '
                              'printf "%s\\n" "${COMPREPLY[@]}"', "lps", *words],
                             stdout=subprocess.PIPE, check=True, text=True, cwd=t.dir)
        return out.stdout.split()

    assert "validate" in complete("lps", "va") and complete("lps", "zz") == []
    assert complete("lps", "run", "--ro") == ["--roundName"]
    assert complete("lps", "--requestC") == ["--requestCount"]
    assert complete("lps", "iteration", "re") == ["ref"]
    assert complete("lps", "iteration", "ref", "x.yaml", "--u") == []
    assert complete("lps", "iteration", "x.yaml", "--ur") == ["--url"]
    assert complete("lps", "completion", "f") == ["fish"]
    t.file("some.yaml", "")
    assert complete("lps", "run", "som") == ["some.yaml"]
    for shell, check in (("zsh", ["-n"]), ("fish", ["--no-execute"])):
        if shutil.which(shell) is not None:
            subprocess.run([shell, *check, t.file("lps." + shell, scripts[shell])], check=True)
    assert re.search(r"^complete -c lps -n '__fish_seen_subcommand_from run' -o rn -l roundName -x -d 'Takes only",
                     scripts["fish"], re.M)


if __name__ == "__main__":
    main()
