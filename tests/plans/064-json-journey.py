from recorder import json_reply

ARGS = ("-e", "CI")
ANSWERS = {"/list": json_reply([{"id": "first"}, {"id": "second"}])}


def check(run):
    run.targets("/list", "/use/first", "/use/first")
