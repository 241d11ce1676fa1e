from recorder import json_reply

FAST = True
ANSWERS = {"/login": json_reply({"admin": False})}


def check(run):
    run.targets("/login", "/taken")
    assert run.series("skipped")["requests"] == 0
    run.judged(login="success", skipped="skipped", taken="success")
