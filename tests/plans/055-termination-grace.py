from recorder import status

EXIT = 1
UNCOUNTED = None
ANSWERS = {"/a": status(503, delay=0.02)}


def check(run):
    assert len(run.of("/b")) == 2 * run.n
    assert min(r.at for r in run.of("/b")) >= min(r.at for r in run.of("/a")) + 1
    run.judged(ended=("terminated", run.series("ended")["rule"], 1), then="success")
    assert run.series("ended")["second"] >= 1
