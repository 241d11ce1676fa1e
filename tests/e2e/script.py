#!/usr/bin/python3
"""The test language on the wire: what a server sees of variables, captures, hooks, conditions, retries, payloads and pages."""
import contextlib
import glob
import os

from lps import main, program, test
from recorder import CUT, Recorder, Reply, reply

HEAD = """\
name: script
{top}
rounds:
  - name: r
    {round}
    iterations:
"""
PAGE = '<html><img src="/img/1"><script src="img/2"></script><link rel=stylesheet href=/missing></html>'
ANSWERS = {
    "/rows": reply("id,name\n1,Ann\n2,Bob\n", "text/csv"),
    "/xml": reply("<items><item>a</item><item>b</item></items>", "application/xml"),
    "/page": reply(PAGE, "text/html; charset=utf-8"),
    "/missing": Reply("", 404),
    "/cut": CUT,
}


def answer(server, request):
    """To all else."""
    n = len(server.requests)
    if request.path == "/login":
        return reply('{"token": "t%d", "list": [10, 20, 30]}' % n, "application/json",
                     headers=[("X-Request-Number", n), ("Set-Cookie", f"id=c{n}; Path=/")])
    if request.path.startswith("/codes/"):
        codes = request.path.split("/")[2].split("-")
        return reply("{}", "application/json", int(codes[min(times(server, request.path), len(codes)) - 1]))
    return reply("{}", "application/json")


def serve():
    """A server that ends with its block."""
    server = Recorder(ANSWERS, lambda request: answer(server, request))
    return contextlib.closing(server)


def times(server, path):
    return targets_of(server).count(path)


def targets_of(server):
    return [r.target for r in server.requests]


def run(t, server, iterations, top="", of_round="numberOfClients: 1", status=0):
    """The document of a plan that was run."""
    text = HEAD.format(top=top, round=of_round)
    for name, iteration in iterations.items():
        text += f"      - name: {name}\n" + "".join(f"        {line}\n" for line in iteration.strip("\n").splitlines())
    t.file("plan.yaml", text.replace("URL", server.url))
    lps = t.start("lps", program("lps"), "run", "plan.yaml", "--local", "--json", "--quiet", cwd=t.dir)
    assert lps.wait(60) == status, f"exit {lps.popen.returncode}: {lps.err}"
    return lps.json(), lps.err


LOGIN = """
httpRequest:
  url: URL/login
  method: POST
  version: 1.1
  capture: {to: login, as: json}
"""


@test(fast=True)
def variables_and_captures_make_the_next_request(t):
    with serve() as server:
        run(t, server, {"login": LOGIN, "buy": """
httpRequest:
  url: URL/${shop}/${login.Body.list[0+1]}?n=${login.Headers.X-Request-Number}
  method: $verb
  version: 1.1
  headers: {Authorization: "Bearer ${login.Body.token}", X-Code: "$$${login.StatusCode}"}
  payload: {raw: '{"user": "$user", "text": "$strcat(values=[$user, -, 1])"}'}
"""}, top="""\
variables:
  - {name: user, value: Ann B}
  - {name: shop, value: tea shop}
  - {name: verb, value: put}
""")
        _, buy = server.requests
    assert (buy.method, buy.target) == ("PUT", "/tea%20shop/20?n=1"), buy.target
    assert buy.header("Authorization") == "Bearer t1" and buy.header("X-Code") == "$200"
    assert buy.header("Cookie") == "id=c1"
    assert buy.body == b'{"user": "Ann B", "text": "Ann B-1"}', buy.body


@test(fast=True)
def each_client_has_its_own_captures(t):
    with serve() as server:
        run(t, server, {"login": LOGIN, "use": """
requestCount: 3
httpRequest: {url: "URL/use?token=${login.Body.token}", version: 1.1}
"""}, of_round="numberOfClients: 4")
        uses = [s for s in server.requests if s.target.startswith("/use")]
    tokens = {}
    for use in uses:
        tokens.setdefault(use.target, set()).add(use.header("Cookie"))
    assert len(uses) == 12 and len(tokens) == 4, tokens
    for target, cookies in tokens.items():
        assert cookies == {"id=c" + target.split("=t")[1]}, "the token and the cookie are of one client"


@test(fast=True)
def xml_and_csv_have_paths_and_regexes_cut(t):
    with serve() as server:
        run(t, server, {
            "rows": "httpRequest: {url: URL/rows, version: 1.1, capture: {to: rows, as: csv}}",
            "xml": "httpRequest: {url: URL/xml, version: 1.1, capture: {to: doc, as: xml}}",
            "cut": "httpRequest: {url: URL/rows, version: 1.1, capture: {to: bob, regex: 'B\\w+'}}",
            "use": "httpRequest: {url: 'URL/${rows.Body[1,1]}/${doc.Body/items/item[2]}/${bob.Body}', version: 1.1}"})
        assert targets_of(server)[-1] == "/Bob/b/Bob", targets_of(server)


@test(fast=True)
def retries_follow_their_conditions_and_delays(t):
    with serve() as server:
        document, _ = run(t, server, {"retry": """
httpRequest:
  url: URL/codes/500-500-200
  version: 1.1
  capture: {to: r}
  retry: {if: "${r.StatusCode} >= 500", maxRetries: 5, strategy: Exponential, delayInMs: 100, maxDelayInMs: 150}
""", "stop": """
httpRequest:
  url: URL/codes/500-404-200
  version: 1.1
  capture: {to: r}
  retry: {stopIf: "${r.StatusCode} = 404", maxRetries: 9, delayInMs: 1}
""", "bound": """
httpRequest:
  url: URL/codes/503
  version: 1.1
  capture: {to: r}
  retry: {if: "${r.StatusCode} = 503", maxRetries: 2, delayInMs: 1}
"""}, status=1)
        at = [s.at for s in server.requests if s.target == "/codes/500-500-200"]
        assert times(server, "/codes/500-404-200") == 2 and times(server, "/codes/503") == 3
    assert len(at) == 3 and at[1] - at[0] >= 0.095 and 0.145 <= at[2] - at[1], at
    assert document["totals"]["requests"] == 3 + 2 + 3, "each attempt is a request"


@test(fast=True)
def a_failure_is_status_0_and_may_be_retried(t):
    with serve() as server:
        run(t, server, {"cut": """
httpRequest:
  url: URL/cut
  version: 1.1
  capture: {to: r}
  retry: {if: "${r.StatusCode} = 0", maxRetries: 1, delayInMs: 1}
""", "tell": "httpRequest: {url: 'URL/status/${r.StatusCode}', version: 1.1}"}, status=1)
        assert targets_of(server)[-1] == "/status/0", targets_of(server)


@test(fast=True)
def hooks_come_in_order_and_conditions_skip(t):
    with serve() as server:
        document, _ = run(t, server, {"count": """
mode: R
requestCount: 6
before: ["$strcat(values=[begun], variable=state)"]
after: ["$strcat(values=[over], variable=state)"]
httpRequest:
  url: "URL/${state}/${i}/${last}"
  version: 1.1
  before: ["$counter(start=1, reset=6, variable=i)"]
  skipIf: $i = 2 or $i = 5
  after: ["$strcat(values=[$i], variable=last)"]
""", "left": "httpRequest: {url: URL/$state, version: 1.1}",
                                          "never": "skipIf: '\"$state\" = \"over\"'\nhttpRequest: {url: URL/never, version: 1.1}"},
                          top="variables: [{name: last, value: none}]")
        assert targets_of(server) == ["/begun/1/none", "/begun/3/1", "/begun/4/3", "/begun/6/4", "/over"], targets_of(server)
    assert document["totals"]["requests"] == 5


@test(fast=True)
def multipart_has_its_fields_and_files(t):
    t.file("data.csv", b"a,b\n1,2\n")
    with serve() as server:
        run(t, server, {"send": """
requestCount: 2
httpRequest:
  url: URL/send
  method: POST
  version: 1.1
  payload:
    multipart:
      fields: [{name: number, value: "$counter(start=1, reset=9)"}]
      files: [{name: table, path: data.csv}]
"""})
        first, second = server.requests
    assert first.header("Content-Type").startswith("multipart/form-data; boundary=")
    assert b'name="number"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n1\r\n' in first.body, first.body
    assert b'name="table"; filename="table"' in first.body and b"\r\n\r\na,b\n1,2\n\r\n" in first.body, first.body
    assert b"\r\n\r\n2\r\n" in second.body


@test(fast=True)
def a_page_brings_its_resources_and_counts_once(t):
    with serve() as server:
        document, _ = run(t, server, {"page": """
requestCount: 2
httpRequest: {url: URL/page, version: 1.1, downloadHtmlEmbeddedResources: true}
"""})
        targets = sorted(targets_of(server))
    assert targets == sorted(2 * ["/page", "/img/1", "/img/2", "/missing"]), targets
    assert document["totals"]["requests"] == 2


@test(fast=True)
def a_request_that_cannot_be_made_is_a_failure_of_its_own(t):
    with serve() as server:
        document, err = run(t, server, {"login": LOGIN, "bad": """
httpRequest:
  url: URL/never
  version: 1.1
  headers: {X-Broken: "${lines}${login.StatusCode}"}
""", "next": "httpRequest: {url: URL/next, version: 1.1}"}, top="""\
variables:
  - {name: lines, value: "hunter2\\nhunter2", secret: true}
""", status=1)
        assert targets_of(server) == ["/login", "/next"], targets_of(server)
    assert "hunter2" not in err and "hunter2" not in str(document)


@test(fast=True)
def runs_have_random_values_of_their_own(t):
    targets = []
    for _ in range(2):
        with serve() as server:
            run(t, server, {"random": """
requestCount: 3
httpRequest: {url: URL/$random(length=12), version: 1.1}
"""})
            targets.append(targets_of(server))
    assert len(set(targets[0] + targets[1])) == 6


@test(fast=True)
def answers_are_saved_now_and_then(t):
    with serve() as server:
        run(t, server, {"save": """
requestCount: 5
httpRequest: {url: URL/login, method: POST, version: 1.1, saveResponse: true}
"""})
    files = glob.glob(os.path.join(t.dir, "r.save.Resources", "http:--127.0.0.1*-login_*.json"))
    assert 1 <= len(files) <= 3, files
    with open(files[0], encoding="utf-8") as f:
        assert f.read().startswith('{"token": "t')


if __name__ == "__main__":
    main()
