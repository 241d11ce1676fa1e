from recorder import redirect

FAST = True
UNCOUNTED = 10
ANSWERS = {f"/{code}": redirect(f"/to/{code}", code) for code in (301, 302, 303, 307, 308)}
ANSWERS.update({f"/chain/{n}": redirect(f"{n - 1}", 302) for n in range(1, 6)})


def check(run):
    run.each(lambda r: (r.method, r.target, r.text), [
        ("POST", "/301", "b"), ("GET", "/to/301", ""), ("POST", "/302", "b"), ("GET", "/to/302", ""), ("PUT", "/303", "b"),
        ("GET", "/to/303", ""), ("POST", "/307", "b"), ("POST", "/to/307", "b"), ("PATCH", "/308", "b"), ("PATCH", "/to/308", "b"),
        *[("GET", f"/chain/{n}", "") for n in range(5, -1, -1)]])
    assert all(r.header("X-Own") == "kept" for r in run.requests if r.path.startswith("/chain"))
    assert run.document["totals"]["statusCodes"] == {"200": 6 * run.n}
