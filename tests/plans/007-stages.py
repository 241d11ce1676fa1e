def check(run):
    run.counts({"/a": 8})
    firsts = sorted(client[0].at - run.began for client in run.clients())
    for i, least in enumerate((0, 0.1, 0.4, 0.45)):
        assert firsts[i * run.n] >= least, firsts
