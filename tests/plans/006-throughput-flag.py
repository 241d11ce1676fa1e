def check(run):
    run.counts({"/a": 6})
    times = sorted(r.at - run.began for r in run.requests)
    assert times[2 * run.n] >= 0.15 and times[4 * run.n] >= 0.3, times
