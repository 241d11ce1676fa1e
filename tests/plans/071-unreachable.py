UNCOUNTED = -3


def check(run):
    run.targets("/told/0-.")
    assert run.series("gone")["failed"] == 3 * run.n, run.series("gone")
