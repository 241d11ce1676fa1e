ARGS = ("-rn", "two", "-t", "smoke")


def check(run):
    run.counts({"/1": 1, "/2": 1})
