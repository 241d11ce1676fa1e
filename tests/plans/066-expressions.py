FAST = True


def check(run):
    run.counts({"/case": 1, "/if": 1, "/type": 1})
    assert run.document["totals"]["skipped"] == 6 * run.n
