FAST = True


def check(run):
    run.targets("/1", "/1", "/2", "/3", "/3")
    for client in run.clients():
        run.gaps([0, 0.2, 0, 0], client)
