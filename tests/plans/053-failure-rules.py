from recorder import in_turn, reply, status

EXIT = 1
ANSWERS = {"/a": in_turn(status(404), status(200)), "/b": in_turn(status(404), status(200)), "/slow": reply(delay=0.15)}


def check(run):
    run.counts({"/a": 10, "/b": 10, "/slow": 1})
    run.judged(passes="success", codes=("failed", run.series("codes")["rule"], 0.1), slow="failed")
    assert run.series("slow")["value"] >= 100, run.series("slow")
