from recorder import reply

ANSWERS = {"/login": lambda r: reply(f"t{r.connection}")}


def check(run):
    assert len(run.clients()) == 2 * run.n
    for client in run.clients():
        assert [r.target for r in client] == ["/before/none", "/login", f"/after/t{client[0].connection}"], client
