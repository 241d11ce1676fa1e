from recorder import reply

ANSWERS = {"/1": reply(delay=0.1)}


def check(run):
    run.counts({"/1": 3, "/2": 1})
    by_worker = sorted(r.at for r in run.of("/2"))
    assert by_worker[-1] >= max(r.done for r in run.of("/1")) + 0.2 - 0.002
    assert len(run.clients()) == 4 * run.n, "a client is of one round"
