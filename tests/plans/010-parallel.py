from recorder import reply

ANSWERS = {"/waits": reply(after="/frees")}


def check(run):
    run.counts({"/waits": 1, "/frees": 1})
    assert min(r.done for r in run.of("/waits")) >= min(r.at for r in run.of("/frees"))
    assert max(r.at for r in run.of("/waits")) < min(r.done for r in run.of("/waits")), "or it waited in vain"
