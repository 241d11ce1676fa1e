FAST = True


def check(run):
    run.targets("/a?1", "/a?3", "/a?5", "/b")
    assert (run.series("six")["requests"], run.series("six")["skipped"]) == (3 * run.n, 3 * run.n)
    assert run.document["totals"]["skipped"] == 4 * run.n
    assert "nothing" in run.err, run.err
