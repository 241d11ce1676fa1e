from recorder import in_turn, json_reply

ANSWERS = {"/a": in_turn(json_reply({"v": "x"}), json_reply({"v": "bad"}, status=500), json_reply({"v": "y"}), json_reply({"v": "z"}))}


def check(run):
    run.targets("/a?1-none", "/a?2-x", "/a?2-x", "/a?3-y")
