FAST = True
BYTES = bytes(range(256)) * 40 + b"$file"
FILES = {"body.bin": BYTES}


def check(run):
    run.counts({"/a": 2, "/b": 1})
    assert all(r.body == BYTES for r in run.requests)
    assert {r.header("Content-Type") for r in run.of("/a")} == {"application/octet-stream"}
    assert {r.header("Content-Type") for r in run.of("/b")} == {"image/x"}
