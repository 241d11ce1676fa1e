def check(run):
    run.counts({"/a": 6, "/b": 6})
    for client in run.clients("/a"):
        run.gaps([0.08, 0.08], client)
    for client in run.clients("/b"):
        run.gaps([0.05, 0.05], client)
