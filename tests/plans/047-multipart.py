import email

FILES = {"a.png": b"\x89PNG\r\n\x00\xff", "Notes.txt": "a note"}


def parts(request):
    head = f"Content-Type: {request.header('Content-Type')}\r\n\r\n".encode()
    return [(p.get_param("name", header="content-disposition"), p.get_filename(), p.get_content_type(), p.get_payload(decode=True))
            for p in email.message_from_bytes(head + request.body).get_payload()]


def check(run):
    run.counts({"/a": 2})
    for client in run.clients():
        for n, r in enumerate(client, 1):
            assert r.header("Content-Type").startswith("multipart/form-data; boundary="), r.header("Content-Type")
            assert parts(r) == [
                ("user", None, "text/plain", f"ann-{n}".encode()), ("meta", None, "application/json", b'{"a": 1}'),
                ("photo", "photo", "image/png", FILES["a.png"]), ("notes.txt", "notes.txt", "text/x-notes", b"a note")], parts(r)
