FAST = True


def check(run):
    run.echoes({"Host": "shop.example:81", "X-MiXed": "1", "Accept-Language": "de, en;q=0.5",
                "User-Agent": "Mozilla/5.0 (X11; Linux x86_64)", "Referer": "http://a.example/", "X-Empty-Ish": "padded",
                "X-Number": "1.10", "X-Many": "one, two", "Content-Length": "3"})
    for r in run.requests:
        names = [name for name, _ in r.headers]
        assert "X-MiXed" in names and names.count("Host") == 1 and names.count("X-Many") == 2, names
