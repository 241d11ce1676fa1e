FAST = True


def check(run):
    found = sorted(r.target for r in run.requests)
    assert found == sorted(["/api/a?x=1", "/b", "/c", "/d"] * run.n), found
