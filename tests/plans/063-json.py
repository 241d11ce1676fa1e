from recorder import echo

FAST = True
ANSWERS = {"/a": echo}


def check(run):
    run.counts({"/a": 6})
    run.bodies(*['{"n": 2}'] * 3)
    run.echoes({"X-N": "2"})
