from recorder import json_reply

FAST = True
ANSWERS = {"/login": lambda r: json_reply({"token": f"t{r.connection}", "user": {"id": r.connection}, "roles": ["a", "b"]})}


def check(run):
    assert len(run.clients()) == 3 * run.n
    for client in run.clients():
        number = client[0].connection
        assert [r.target for r in client] == ["/login"] + [f"/use/{number}"] * 2
        for r in client[1:]:
            assert (r.header("Authorization"), r.header("X-Second"), r.header("X-Status")) == (f"Bearer t{number}", "b", "200 OK")
