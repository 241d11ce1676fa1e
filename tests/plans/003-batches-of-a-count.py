from recorder import reply

ANSWERS = {"/a": reply(delay=0.05)}


def check(run):
    run.counts({"/a": 7})
    times = sorted(r.at - run.began for r in run.requests)
    assert times[3 * run.n] >= 0.3 and times[6 * run.n] >= 0.6, times
    assert max(len(client) for client in run.clients()) <= 3, "three at once need three connections"
    assert len(run.clients()) >= 3 * run.n
