FAST = True


def check(run):
    run.targets("/20/Bob")
    run.echoes({"X-Indirect": "Bob", "X-Index": "20", "X-Sum": "30", "X-Length": "30", "X-Field": "deep", "X-Call": "BOB-10"})
