def check(run):
    run.counts({"/a": 5, "/old": 1})
    assert sorted(r.method for r in run.of("/a")) == sorted(["HEAD", "OPTIONS", "TRACE", "DELETE", "GET"] * run.n)
    assert {r.version for r in run.of("/a")} == {"HTTP/1.1"} and {r.version for r in run.of("/old")} == {"HTTP/1.0"}
    assert run.document["totals"]["statusCodes"] == {"200": 6 * run.n}
