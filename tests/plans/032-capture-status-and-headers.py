from recorder import json_reply

ANSWERS = {"/a": json_reply({"error": "gone"}, status=404, headers=[
    ("Location", "/b"), ("X-Request-Id", "r7"), ("X-Many", "one"), ("X-Many", "two"), ("Set-Cookie", "k=v; Path=/elsewhere")])}


def check(run):
    for r in run.of("/use"):
        found = {name: r.header(name) for name in ("X-Status", "X-Reason", "X-Location", "X-Type", "X-Loose", "X-Second", "X-Cookie",
                                                   "X-Error")}
        assert found == {"X-Status": "404", "X-Reason": "Not Found", "X-Location": "/b", "X-Type": "application/json",
                         "X-Loose": "r7", "X-Second": "two", "X-Cookie": "k=v; Path=/elsewhere", "X-Error": "gone"}, found
        assert r.header("X-Joined").replace(" ", "") == "one,two"
    run.counts({"/a": 1, "/use": 1})
