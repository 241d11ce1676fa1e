from recorder import reply, status

UNCOUNTED = 4
HTML = """<html><head><link rel="stylesheet" href="/s.css"><link rel="icon" href="/no.ico"><script src='js/a.js'></script></head>
<body><img src="a.png"><img src="a.png"><img src="data:image/png;base64,AAAA"><img src="/missing.png"><a href="/no">no</a></body>"""
ANSWERS = {"/dir/page": reply(HTML, "text/html; charset=utf-8"), "/bad": reply(HTML, "text/html", status=500),
           "/plain": reply(HTML, "text/plain"), "/missing.png": status(404)}


def check(run):
    run.counts({"/dir/page": 1, "/s.css": 1, "/dir/js/a.js": 1, "/dir/a.png": 1, "/missing.png": 1, "/bad": 1, "/plain": 1})
    assert {r.method for r in run.requests} == {"GET"}
    assert run.series("page")["statusCodes"] == {"200": run.n}
