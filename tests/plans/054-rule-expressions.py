EXIT = 1


def check(run):
    run.counts({"/a": 5, "/b": 5})
    run.judged(passes="success", fails=("failed", "${Metrics.main.fails.Throughput.SuccessfulRequestCount} > $most", None))
