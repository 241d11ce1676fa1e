FAST = True
FILES = {"nowhere.txt": "not read"}


def check(run):
    run.each(lambda r: r.header("X-Double"), ["21", "22"])
    run.echoes({"X-Pace": "quick", "X-Other": "slow", "X-Unread": "unread"})
    sessions = [[r.header("X-Session") for r in client] for client in run.clients()]
    assert all(a == b and len(a) == 8 for a, b in sessions), sessions
    assert len({a for a, _ in sessions}) == 2 * run.n, sessions
