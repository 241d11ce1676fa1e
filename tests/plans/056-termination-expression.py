EXIT = 1
UNCOUNTED = None


def check(run):
    assert 3 <= len(run.of("/a")) <= 500 * run.n
    run.judged(ended="terminated")
