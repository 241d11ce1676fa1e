from recorder import in_turn, json_reply

ANSWERS = {"/stopped": in_turn(json_reply({"state": "open"}), json_reply({"state": "open"}), json_reply({"state": "done"}))}


def check(run):
    run.counts({"/stopped": 3, "/zero": 1, "/always": 3})
