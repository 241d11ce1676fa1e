def check(run):
    dropped = run.document["totals"]["dropped"]  # due before a busy machine was there
    assert len(run.requests) + dropped == 30 * run.n and dropped < 15 * run.n
    assert {r.path for r in run.requests} == {"/a"}
    assert len({r.text for r in run.requests}) == len(run.requests)
    times = sorted(r.at for r in run.requests)
    assert times[-1] >= run.began + 0.95
