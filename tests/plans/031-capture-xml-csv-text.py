from recorder import gzip_reply, reply

FAST = True
ANSWERS = {"/x": reply("<r><i>1</i><i>zwei</i></r>", "application/xml"), "/c": reply("h1,h2\r\na,b\r\nc,d\r\n", "text/csv"),
           "/t": reply("just text"), "/z": gzip_reply("unpacked")}


def check(run):
    used = run.of("/use")
    assert len(used) == run.n
    for r in used:
        found = {name: r.header(name) for name in ("X-Xml", "X-Csv", "X-Text", "X-Body", "X-Quoted", "X-Gzip")}
        assert found == {"X-Xml": "zwei", "X-Csv": "c", "X-Text": "just text", "X-Body": "just text", "X-Quoted": '"just text"',
                         "X-Gzip": "unpacked"}, found
