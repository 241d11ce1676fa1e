import re

from recorder import reply

FAST = True
ANSWERS = {
    "/login": lambda r: reply(headers=[("Set-Cookie", f"sid=s{r.connection}; Path=/; HttpOnly"), ("Set-Cookie", "app=1; Path=/app"),
                                       ("Set-Cookie", "tls=1; Secure"), ("Set-Cookie", "other=1; Domain=example.com")]),
    "/logout": reply(headers=[("Set-Cookie", "sid=gone; Path=/; Max-Age=0")])}


def names(request):
    return sorted(re.split(r"[;,] *", request.header("Cookie") or ""))


def check(run):
    assert len(run.clients()) == 2 * run.n
    for client in run.clients():
        sid = f"sid=s{client[0].connection}"
        assert [names(r) for r in client] == [[""], [sid], [sid], ["app=1", sid], ["mine=1", sid], [sid], [""]], client
