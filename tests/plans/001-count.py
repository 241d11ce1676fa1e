FAST = True


def check(run):
    run.counts({"/a": 10})
    assert [len(client) for client in run.clients()] == [5] * 2 * run.n
    for client in run.clients():
        run.gaps([0] * 4, client)
    assert run.document["verdict"]["status"] == "passed"
