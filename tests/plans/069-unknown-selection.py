ARGS = ("-rn", "chekout")
EXIT = 2


def check(run):
    run.counts({})
    assert "checkout" in run.err, run.err
