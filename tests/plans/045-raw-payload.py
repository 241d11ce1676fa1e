FAST = True


def check(run):
    run.each(lambda r: r.method, ["POST", "POST", "PUT", "PATCH", "GET", "DELETE"])
    for client in run.clients():
        first, second, empty, patch, get, delete = client
        assert (first.text, second.text, empty.text) == ("grün 1", "grün 2", "")
        assert patch.text.startswith("grün ") and get.text == delete.text == ""
        assert first.header("Content-Type") == "text/x" and patch.header("Content-Type") is None
        assert first.header("Content-Length") == str(len("grün 1".encode())) and get.header("Content-Length") is None
