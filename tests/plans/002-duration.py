from recorder import reply

ANSWERS = {"/a": reply(delay=0.3)}


def check(run):
    for client in run.clients():
        *first, last = client
        assert last.path == "/b" and {r.path for r in first} == {"/a"} and 2 <= len(first) <= 4, client
        assert last.at >= run.began + 1, "the second iteration begins when the first one's time is over"
        run.gaps([0] * len(first), client)
