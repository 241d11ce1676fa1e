FAST = True


def check(run):
    run.counts({"/a": 6})
