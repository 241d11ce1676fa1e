from recorder import status

EXIT = 1
ANSWERS = {"/a": status(503)}


def check(run):
    run.bodies("n=1", "n=2", "n=3", "n=4", "n=5", "n=6")
    for client in run.clients():
        run.gaps([0.06, 0.06, 0, 0.06, 0.06], client)
