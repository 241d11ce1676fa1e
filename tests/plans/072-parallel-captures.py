from recorder import echo

ANSWERS = {"/a": echo}


def check(run):
    assert sorted(int(r.text) for r in run.of("/a")) == sorted(list(range(1, 7)) * run.n)
    last = [r for r in run.requests if r.path.startswith("/b/")]
    assert len(last) == run.n and all(r.path[3:] in "123456" for r in last), last
