FAST = True


def check(run):
    run.counts({"/own": 1, "/logout": 1, "/login": 4})
    journeys = sorted([r.path for r in client] for client in run.clients())
    assert journeys == [["/login", "/login"]] * run.n + [["/own", "/logout", "/login", "/login"]] * run.n, journeys
