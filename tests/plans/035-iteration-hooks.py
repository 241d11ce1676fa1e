FAST = True


def check(run):
    run.targets("/a?7-70", "/a?7-70", "/a?7-70", "/b?after-70")
