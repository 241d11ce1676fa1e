UNCOUNTED = -1


def check(run):
    run.counts({"/a": 1})
    run.echoes({"X-Value": "fine", "X-Evil": None})
    series = run.series("a")
    assert (series["requests"], series["failed"]) == (2 * run.n, run.n), series
