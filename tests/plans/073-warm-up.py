UNCOUNTED = 1


def check(run):
    run.counts({"/": 1, "/a": 2, "/b": 1})
    assert all(r.method == "GET" for r in run.requests)
    assert run.requests[0].path == "/", "before all others"
