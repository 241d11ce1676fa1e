#!/usr/bin/python3
"""The command line of the test language: what options select, say and refuse, and the exit codes."""
import json
import os
import re

from lps import main, program, test
from recorder import Recorder, redirect, reply, status

PLAN = """\
name: selected
variables:
  - {name: who, value: nobody}
  - {name: token, value: hush-hush, secret: true}
environments:
  - name: prod
    variables: [{name: who, value: prod}]
  - name: eu
    variables: [{name: who, value: eu}, {name: token, value: psst-psst}]
rounds:
  - name: One
    baseUrl: BASE
    tags: [smoke]
    iterations:
      - {name: a, httpRequest: {url: "/one/$who", headers: {X-Token: $token}}}
  - name: Two
    baseUrl: BASE
    tags: [Nightly, slow]
    iterations:
      - {name: b, httpRequest: {url: "/two/$who", payload: {file: body.txt}}}
"""


def recorder(t, answers=None, **how):
    server = Recorder(answers, **how)
    t.cleanups.append(server.close)
    return server


def lps(t, *args, code=0, env=None):
    p = t.start("lps", program("lps"), *args, cwd=t.dir, env=env or {})
    assert p.wait(30) == code, f"{args}: exit {p.popen.returncode}: {p.err}"
    return p


def refuses(t, *args):
    """One line."""
    p = lps(t, *args, code=2)
    assert p.out == "" and p.err.count("\n") == 1, p.err + p.out
    return p.err.strip()


@test(fast=True)
def rounds_and_environments_are_selected(t):
    server = recorder(t)
    t.file("body.txt", "text")
    t.file("plan.yaml", PLAN.replace("BASE", server.url))
    for args, paths in (((), ["/one/nobody", "/two/nobody"]), (("-t", "SMOKE"), ["/one/nobody"]),
                        (("-t", "slow", "-rn", "one"), ["/one/nobody", "/two/nobody"]),
                        (("-rn", "two", "-e", "prod"), ["/two/prod"]),
                        (("-t", "smoke", "-e", "prod", "EU"), ["/one/eu"]),
                        (("-t", "smoke", "-e", "eu", "-e", "prod"), ["/one/prod"])):
        server.requests.clear()
        lps(t, "run", "plan.yaml", "--local", "--quiet", *args)
        assert [r.path for r in server.requests] == paths, (args, server.requests)
    assert server.requests[0].header("X-Token") == "psst-psst"

    said = lps(t, "validate", "plan.yaml", "-t", "smoke", "-e", "prod")
    assert said.out == 'plan.yaml: valid: plan "selected", rounds: 1, iterations: 1, files: 0\n', said.out
    assert lps(t, "validate", "plan.yaml", "-t", "slow").out.endswith("files: 1\n")


@test(fast=True)
def a_typo_never_passes(t):
    server = recorder(t)
    t.file("body.txt", "text")
    t.file("plan.yaml", PLAN.replace("BASE", server.url))
    for args in (("validate", "plan.yaml"), ("run", "plan.yaml", "--local")):
        assert refuses(t, *args, "-t", "smok") == 'lps: plan.yaml: there is no tag "smok", did you mean "smoke"?'
        assert refuses(t, *args, "-rn", "One", "-rn", "Tow") == 'lps: plan.yaml: there is no round "Tow", did you mean "Two"?'
        assert "did you mean --environment?" in refuses(t, *args, "--enviroment", "eu")
    odd = lps(t, "validate", "plan.yaml", "-e", "prdo")
    assert odd.err == 'lps: warning: plan.yaml:6:3: environments: there is no environment "prdo", did you mean "prod"?\n'
    assert not server.requests


@test(fast=True)
def a_test_of_options_has_placeholders(t):
    server = recorder(t)
    t.file("who.txt", "you")
    args = ("-u", server.url + "/$counter(start=7)", "-hm", "POST", "-h", "X-Env: $read(source=env, name=LPS_TEST)",
            "-p", "$$5 for $read(path=who.txt)", "-rc", "3", "-n", "mine")
    lps(t, "--local", *args, "--save", "--quiet", env={"LPS_TEST": "outside"})
    assert [r.path for r in server.requests] == ["/7", "/8", "/9"]
    assert {(r.header("X-Env"), r.text) for r in server.requests} == {("outside", "$5 for you")}
    server.requests.clear()
    lps(t, "run", "mine.yaml", "--local", "--quiet", env={"LPS_TEST": "again"})
    assert [(r.path, r.header("X-Env")) for r in server.requests] == [(p, "again") for p in ("/7", "/8", "/9")]


@test(fast=True)
def a_payload_may_come_from_a_url(t):
    server = recorder(t, {"/body": redirect("/there"), "/there": reply("f\u00fcr $you"), "/gone": status(404)})
    lps(t, "--local", "-u", server.url + "/to", "-hm", "PUT", "-p", f"URL:{server.url}/body", "-rc", "3", "--quiet", "--save",
        "-n", "mine")
    assert server.counts() == {"/body": 1, "/there": 1, "/to": 3}, "got once"
    assert {r.text for r in server.of("/to")} == {"f\u00fcr $you"}, "as it is"
    lps(t, "run", "mine.yaml", "--local", "--quiet")
    assert server.counts()["/to"] == 6
    to = ("--local", "-u", server.url + "/to", "-p")
    assert refuses(t, *to, f"URL:{server.url}/gone") == f"lps: -p: cannot read URL:{server.url}/gone: found status 404, expected 200"
    assert "expected http:// or https://" in refuses(t, *to, "URL:file:///etc/passwd")
    server.close()
    assert f"-p: cannot read url:{server.url}/body: " in refuses(t, *to, f"url:{server.url}/body")
    assert server.counts()["/to"] == 6


@test(fast=True)
def rules_of_options_decide(t):
    server = recorder(t, {"/bad": status(503), "/missing": status(404)})

    def run(path, *rules, code):
        p = lps(t, "--local", "-u", server.url + path, "-rc", "20", "--json", "--quiet", *rules, code=code)
        return p.json()

    run("/bad", code=1)
    run("/bad", "-fr", "ErrorRate > 0.5;= 404", code=0)
    failed = run("/missing", "-fr", "ErrorRate > 0.5;= 404", "-fr", "TTFB.Max > 3000000", code=1)
    assert "ErrorRate > 0.5" in json.dumps(failed)
    server.requests.clear()
    stopped = lps(t, "--local", "-u", server.url + "/bad", "-d", "30", "--thinkTime", "20", "--json", "--quiet",
                  "-tr", "ErrorRate > 0.5;0s", code=1)
    assert "ErrorRate > 0.5" in json.dumps(stopped.json()) and len(server.requests) < 1000
    for rule, saying in (("ErorRate > 1", 'did you mean "ErrorRate"?'), ("", "-fr "), ("a;b;c", "METRIC;CODES")):
        assert saying in refuses(t, "--local", "-u", server.url, "-fr", rule)
    assert "expected METRIC;GRACE" in refuses(t, "--local", "-u", server.url, "-tr", "ErrorRate > 1")


@test(fast=True)
def a_seed_makes_the_same_values_again(t):
    server = recorder(t)

    def values(*args):
        server.requests.clear()
        document = lps(t, "--local", "-u", server.url + "/$random(length=20)", "-rc", "5", "--json", "--quiet", *args).json()
        return [r.path for r in server.requests], document

    first, document = values("--seed", "12345")
    assert "12345" in json.dumps(document) and len(set(first)) == 5
    assert values("--seed", "12345")[0] == first
    assert values("--seed", "0")[0] != first and values()[0] != first


@test(fast=True)
def secrets_are_in_no_text(t):
    server = recorder(t)
    t.file("body.txt", "text")
    for wrong in ("", "  - {name: n, value: $token, as: Int}\n", "  - {name: m, value: \"$nothing(hush-hush)\"}\n",
                  "  - {name: o, value: hush-hush, as: Int, secret: true}\n",
                  "  - {name: q, value: \"hush-hush $nothing()\", secret: true}\n",
                  "  - {name: r, value: {a: hush-hush}, secret: true}\n"):
        text = PLAN.replace("BASE", server.url).replace("environments:\n", wrong + "environments:\n")
        t.file("plan.yaml", text)
        for args in (("validate", "plan.yaml"), ("run", "plan.yaml", "--local", "--json")):
            p = t.start("lps", program("lps"), *args, cwd=t.dir)
            assert p.wait(20) == (2 if wrong else 0), p.err
            if "$nothing(hush" not in wrong:  # which is no secret
                assert "hush-hush" not in p.err + p.out, p.err + p.out
    assert server.requests and {r.header("X-Token") for r in server.of("/one/nobody")} == {"hush-hush"}


@test(fast=True)
def commands_write_the_language(t):
    server = recorder(t, {"/login": reply('{"token": "abc"}', "application/json")})
    lps(t, "create", "p.yaml", "-n", "Journey")
    lps(t, "variable", "p.yaml", "-n", "pw", "-v", "hush-hush", "--secret")
    lps(t, "variable", "p.yaml", "-n", "count", "-v", "2", "--as", "Int")
    lps(t, "round", "p.yaml", "-n", "All", "-burl", server.url, "-t", "smoke")
    lps(t, "iteration", "p.yaml", "-g", "-rn", "All", "-n", "login", "-u", "/login", "-hm", "POST", "-p", "pw=$pw",
        "-fr", "ErrorRate > 0.05;>= 400", "-tr", "ErrorRate > 0.9;10s")
    lps(t, "capture", "p.yaml", "-in", "login", "--to", "answer", "--as", "JSON")
    lps(t, "iteration", "p.yaml", "-rn", "All", "-n", "first", "-u", "/first", "-rc", "$count", code=2)
    lps(t, "iteration", "p.yaml", "-rn", "All", "-n", "page", "-u", "/page/${answer.Body.token}", "-rc", "2", "--thinkTime", "5")
    with open(os.path.join(t.dir, "p.yaml"), encoding="utf-8") as f:
        assert f.read() == f"""\
name: Journey
rounds:
  - name: All
    baseUrl: {server.url}
    tags:
      - smoke
    iterations:
      - name: page
        mode: R
        requestCount: 2
        thinkTime: 5
        httpRequest:
          url: /page/${{answer.Body.token}}
    reference:
      - login
variables:
  - name: pw
    value: hush-hush
    secret: true
  - name: count
    value: "2"
    as: Int
iterations:
  - name: login
    mode: R
    httpRequest:
      url: /login
      method: POST
      payload:
        raw: pw=$pw
      capture:
        to: answer
        as: JSON
    failureRules:
      - metric: ErrorRate > 0.05
        errorStatusCodes: ">= 400"
    terminationRules:
      - metric: ErrorRate > 0.9
        gracePeriod: 10s
"""
    p = lps(t, "run", "p.yaml", "--local", "--json", "-t", "smoke")
    assert "hush-hush" not in p.out + p.err
    assert server.of("/login")[0].text == "pw=hush-hush" and len(server.requests) == 3
    assert "not an option of" in refuses(t, "capture", "p.yaml", "-in", "login", "--to", "x", "-h", "y")


@test(fast=True)
def credentials_of_a_recording_are_secret(t):
    server = recorder(t)
    entry = {"request": {"method": "GET", "url": server.url + "/a",
                         "headers": [{"name": "Authorization", "value": "Bearer hush-$1"}]}}
    t.file("a.har", json.dumps({"log": {"entries": [entry]}}))
    p = lps(t, "record", "--har", "a.har")
    assert "hush" not in p.out + p.err and "RecordedPlan.yaml holds credentials of the recording" in p.err, p.err
    p = lps(t, "run", "RecordedPlan.yaml", "--local", "--json")
    assert "hush" not in p.out + p.err and server.requests[0].header("Authorization") == "Bearer hush-$1"


@test(fast=True)
def methods_are_explained_as_in_the_docs(t):
    with open("docs/methods.md", encoding="utf-8") as f:
        assert lps(t, "--help-methods").out == f.read()


@test(fast=True)
def the_plan_of_the_manual_page_is_valid(t):
    with open("docs/lps.1", encoding="utf-8") as f:
        t.file("manual.yaml", re.search(r"^\.Bd -literal.*?\n(.*?)^\.Ed$", f.read(), re.M | re.S)[1])
    said = lps(t, "validate", "manual.yaml")
    assert said.err == "" and "rounds: 1, iterations: 2" in said.out, said.err + said.out


if __name__ == "__main__":
    main()
