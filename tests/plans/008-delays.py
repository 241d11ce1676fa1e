def check(run):
    run.counts({"/a": 3})
    times = sorted(r.at - run.began for r in run.requests)
    for i, least in enumerate((0.2, 0.35, 0.5)):
        assert times[i * run.n] >= least, times
