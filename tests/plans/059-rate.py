def check(run):
    dropped = run.document["totals"]["dropped"]  # due before a busy machine was there
    assert len(run.requests) + dropped == 20 * run.n and dropped < 10 * run.n
    assert {r.path for r in run.requests} <= {"/user/ann", "/user/bob", "/user/cid"}
    numbers = [r.query for r in run.requests]
    assert len(set(numbers)) == len(numbers), numbers
    times = sorted(r.at for r in run.requests)
    assert times[-1] >= run.began + 0.95
