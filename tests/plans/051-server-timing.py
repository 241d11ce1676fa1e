from recorder import reply

EXIT = 1
ANSWERS = {"/a": reply(headers=[("Server-Timing", "db;dur=12.5, cache;desc=x;dur=3, total;dur=60")])}


def check(run):
    run.counts({"/a": 5})
    assert [s["status"] for s in run.document["series"]] == ["failed", "success"], run.document["verdict"]
    assert abs(run.series("a")["value"] - 12.5) < 0.05, run.series("a")
    times = run.series("a")["latencyUs"]
    assert {name: round(times[name]["max"] / 1000, 1) for name in ("server", "server-db", "server-cache")} == {
        "server": 60, "server-db": 12.5, "server-cache": 3}, times
