from recorder import json_reply

ANSWERS = {"/a": json_reply({"order": "order-4711-x"})}


def check(run):
    run.targets("/a", "/use/4711")
