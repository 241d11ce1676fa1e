EXIT = 1
UNCOUNTED = None  # a request may be cut before it was seen


def check(run):
    assert len(run.of("/b")) == 2 * run.n
    assert len(run.of("/a")) >= 4 * run.n, "a rule is looked at once a second"
    assert min(r.at for r in run.of("/b")) >= min(r.at for r in run.of("/a")) + 0.4
    run.judged(endless="terminated", then="success")
    assert run.series("endless")["second"] is not None
