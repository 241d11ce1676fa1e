from recorder import in_turn, status

FAST = True
ANSWERS = {"/a": in_turn(status(500), status(500), status(200))}


def check(run):
    run.each(lambda r: r.status, [500, 500, 200])
    for client in run.clients():
        run.gaps([0.1, 0.15], client)
    series = run.series("a")
    assert (series["requests"], series["errors"], series["statusCodes"]) == (
        3 * run.n, 2 * run.n, {"200": run.n, "500": 2 * run.n}), series
