ARGS = ("-t", "SMOKE")


def check(run):
    run.counts({"/1": 1})
