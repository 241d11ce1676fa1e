from recorder import json_reply

FAST = True
ANSWERS = {"/login": lambda r: json_reply({"token": f"t{r.connection}", "id": 5})}


def check(run):
    run.counts({"/login": 1, "/items/5": 6})
    tokens = [r.header("Authorization") for r in run.of("/items/5")]
    logins = [f"Bearer t{r.connection}" for r in run.of("/login")]
    assert sorted(tokens) == sorted(logins * 6), tokens
