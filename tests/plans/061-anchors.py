FAST = True


def check(run):
    run.targets("/1", "/1", "/2", "/2")
    assert {(r.path, r.header("X-A"), r.header("X-B")) for r in run.requests} == {("/1", "a", "b"), ("/2", "a", "other")}
