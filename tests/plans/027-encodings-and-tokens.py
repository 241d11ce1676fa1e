import base64
import hashlib
import hmac
import json

FAST = True


def unpack(text):
    return json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))


def check(run):
    run.targets("/a%20b%2Fc")
    run.echoes({"X-Base64": "aGVsbG8=", "X-Plain": "hello", "X-Escaped": "a%20b%26c", "X-Unescaped": "a b+c",
                "X-Hash": hashlib.sha256(b"abc").hexdigest(), "X-Md5": hashlib.md5(b"abc").hexdigest(),
                "X-Hmac": base64.b64encode(hmac.digest(b"k", b"abc", "sha1")).decode(), "X-Claim": "u-1"})
    for r in run.requests:
        head, claims, signature = r.header("X-Token").split(".")
        assert unpack(head) == {"alg": "HS256", "typ": "JWT"}
        claims_found = unpack(claims)
        assert (claims_found["sub"], claims_found["n"]) == ("u-1", 7) and claims_found["exp"] == claims_found["iat"] + 60
        expected = hmac.digest(b"secret", f"{head}.{claims}".encode(), "sha256")
        assert signature == base64.urlsafe_b64encode(expected).decode().rstrip("=")
