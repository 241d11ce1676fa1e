ARGS = ("-e", "test", "-e", "eu")


def check(run):
    run.counts({"/a": 3})
    run.echoes({"X-Who": "eu-test", "X-Kept": "plan", "X-More": "test"})
