from recorder import redirect, status

UNCOUNTED = 5
ANSWERS = {"/loop": redirect("/loop"), "/none": status(302)}


def check(run):
    run.counts({"/loop": 6, "/none": 1})
    assert run.document["totals"]["statusCodes"] == {"302": 2 * run.n}
