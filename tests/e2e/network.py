#!/usr/bin/python3
"""The way to a server: certificates on both sides, what TLS offers, proxies, addresses, limits of connections and waits."""
import base64
import json
import os
import socket
import ssl
import subprocess

from lps import Skip, main, test
from peer import END_HEADERS, END_STREAM, HEADERS, SETTINGS, STATUS_200, Peer, Run, answer_once, be_silent, frame, read_nothing

HTTP1, HTTP2, H2C = ("-hv", "1.1"), ("-hv", "2.0"), ("-hv", "2.0", "-h2c", "true")
PASSWORD = "open-sesame-4711"


def openssl(t, *args):
    done = subprocess.run(["openssl", *args], cwd=t.dir, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"openssl {args}: {done.stderr}"


class Authority:
    """Makes certificates: NAME.pem and NAME.key in the stage's directory."""

    def __init__(self, t, name="authority"):
        self.t, self.name = t, name
        openssl(t, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "30",
                "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}")
        self.file = os.path.join(t.dir, f"{name}.pem")

    def sign(self, name, subject, names=None, days=30):
        openssl(self.t, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={subject}")
        extensions = self.t.file(f"{name}.ext", f"subjectAltName={names}" if names else "")
        openssl(self.t, "x509", "-req", "-in", f"{name}.csr", "-CA", f"{self.name}.pem", "-CAkey", f"{self.name}.key",
                "-days", str(days), "-extfile", extensions, "-out", f"{name}.pem")

    def server(self, name="localhost", names="DNS:localhost,IP:127.0.0.1,IP:::1", days=30, clients=False):
        """A context for a server with a certificate of its own."""
        self.sign(name, name, names, days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(self.t.dir, f"{name}.pem"), os.path.join(self.t.dir, f"{name}.key"))
        context.set_alpn_protocols(["http/1.1"])
        if clients:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(self.file)
        return context


def read(t, name):
    with open(os.path.join(t.dir, name), "rb") as f:
        return f.read()


def client_forms(t, authority):
    """Files of one client certificate, and the options that name each."""
    authority.sign("agent", "agent 7")
    openssl(t, "ec", "-in", "agent.key", "-aes256", "-passout", f"pass:{PASSWORD}", "-out", "agent.locked")
    for name, options in {"agent.p12": ["-passout", f"pass:{PASSWORD}"], "open.p12": ["-passout", "pass:"],
                          "old.p12": ["-passout", f"pass:{PASSWORD}", "-legacy"]}.items():
        openssl(t, "pkcs12", "-export", "-in", "agent.pem", "-inkey", "agent.key", "-out", name, *options)
    certificate, key, locked = read(t, "agent.pem"), read(t, "agent.key"), read(t, "agent.locked")
    password = ("-ccpw", PASSWORD)
    return {
        "PEM": ("-ccp", t.file("plain.pem", certificate + key)),
        "PEM, key first, authority last": ("-ccp", t.file("first.pem", key + certificate + read(t, "authority.pem"))),
        "PEM with a locked key": ("-ccp", t.file("locked.pem", certificate + locked), *password),
        "PKCS#12": ("-ccp", os.path.join(t.dir, "agent.p12"), *password),
        "PKCS#12 without a password": ("-ccp", os.path.join(t.dir, "open.p12")),
        "PKCS#12 of old programs": ("-ccp", os.path.join(t.dir, "old.p12"), *password),
    }


@test
def a_client_certificate_is_shown_in_each_form(t):
    authority = Authority(t)
    peer = Peer(t, tls=authority.server(clients=True))
    for form, options in client_forms(t, authority).items():
        before = len(peer.visits)
        assert Run(t, peer.url, "-rc", "2", *options).completed == 2, form
        assert [visit.subject for visit in peer.visits[before:]] == ["agent 7"], form
    none = Run(t, peer.url, exit_code=1)
    assert none.failed_as("tls", "certificate required"), none.errors


@test
def a_client_certificate_of_no_use_is_refused(t):
    authority = Authority(t)
    peer = Peer(t, tls=authority.server(clients=True))
    forms = client_forms(t, authority)
    authority.sign("other", "other")
    locked, p12 = forms["PEM with a locked key"][1], forms["PKCS#12"][1]
    mixed = t.file("mixed.pem", read(t, "agent.pem") + read(t, "other.key"))
    for options, why in (
            ((locked, "-ccpw", "wrong-5813"), "the password is wrong"), ((locked,), "it needs a password"),
            ((p12, "-ccpw", "wrong-5813"), "the password is wrong"), ((p12,), "it needs a password"),
            ((t.file("none.pem", "no certificate at all"),), "no certificate in it"), ((t.file("empty.pem", ""),), ""),
            ((os.path.join(t.dir, "agent.pem"),), "no private key in it"),
            ((mixed,), "its private key is of another certificate"),
            ((os.path.join(t.dir, "nowhere.pem"),), "No such file or directory"), ((t.dir,), "Is a directory")):
        lps = t.lps("--local", "--json", "-u", peer.url, "-ccp", *options)
        assert lps.wait() == 2 and lps.out == "", (options, lps.out, lps.err)
        assert why in lps.err and options[0] in lps.err, (options, lps.err)
        assert "wrong-5813" not in lps.err, lps.err
    assert not peer.visits, "nothing was sent"


@test
def secrets_of_a_client_certificate_stay_with_it(t):
    authority = Authority(t)
    peer = Peer(t, tls=authority.server(clients=True))
    given = {name: options for name, options in client_forms(t, authority).items() if name in ("PEM", "PKCS#12")}
    inputs = set(os.listdir(t.dir))
    cluster = t.cluster().start()
    for options in given.values():
        lps = cluster.lps("w1", "-u", peer.url, "-rc", "2", "--json", *options)
        assert lps.wait() == 0, lps.err
        assert cluster.result()["verdict"]["exitCode"] == 0
        Run(t, peer.url, *options)
    assert {visit.subject for visit in peer.visits} == {"agent 7"}
    key = b"".join(read(t, "agent.key").splitlines()[1:-1])
    secrets = {"password": PASSWORD.encode(), "password in base64": base64.b64encode(PASSWORD.encode())[:-2],
               "key in base64": key[20:60], "key": base64.b64decode(key)[20:60]}
    cluster.workers["w1"].stop()
    cluster.master.stop()
    n_files = 0
    for where, _, names in os.walk(t.dir):
        for name in set(names) - (inputs if where == t.dir else set()):
            path = os.path.join(where, name)
            if not os.path.isfile(path):
                continue
            n_files += 1
            with open(path, "rb") as f:
                content = f.read()
            for secret, value in secrets.items():
                assert value not in content, f"{path} has the {secret}"
    assert n_files >= 8, "outputs, the journal's lines, the store"


@test
def a_server_is_verified_where_that_is_asked(t):
    authority, stranger = Authority(t), Authority(t, "stranger")
    good, unknown = Peer(t, tls=authority.server()), Peer(t, tls=stranger.server("unknown"))
    wrong = Peer(t, tls=authority.server("elsewhere", "DNS:elsewhere.example"))
    expired = Peer(t, tls=authority.server("expired", days=-1))
    verify = {"VerifyCertificates": True, "CertificateAuthorities": authority.file, "wait": False}
    name = {peer: peer.url.replace("127.0.0.1", "localhost") for peer in (good, wrong)}
    passed = [Run(t, url, "-rc", "3", *options, **verify) for url in (good.url, name[good]) for options in (HTTP1, HTTP2)]
    failed = [(Run(t, url, "-rc", "3", *options, exit_code=1, **verify), why) for options in (HTTP1, HTTP2) for url, why in (
        (unknown.url, "unable to get local issuer certificate"), (wrong.url, "IP address mismatch"),
        (name[wrong], "hostname mismatch"), (expired.url, "certificate has expired"))]
    # Nobody of the system knows the authority of a test.
    system = Run(t, good.url, "-rc", "3", exit_code=1, VerifyCertificates=True, wait=False)
    for run, why in (*failed, (system, "unable to get local issuer certificate")):
        assert run.end().failed_as("tls", why, 3), (why, run.errors)
    assert all(run.end().completed == 3 for run in passed)
    assert not any(visit.heads for peer in (unknown, wrong, expired) for visit in peer.visits), "no request goes to such a server"
    off = [Run(t, peer.url, "-rc", "3", wait=False, **settings) for peer in (good, unknown, wrong, expired)
           for settings in ({}, {"VerifyCertificates": False, "CertificateAuthorities": authority.file})]
    assert all(run.end().completed == 3 for run in off)


@test(fast=True)
def tls_offers_the_name_and_the_protocols_asked_for(t):
    authority = Authority(t)
    peer, v6 = Peer(t, tls=authority.server()), Peer(t, host="::1", tls=authority.server())
    by_name = peer.url.replace("127.0.0.1", "localhost")
    for url, names, at in ((by_name, ["localhost"], peer), (peer.url, [], peer), (v6.url, [], v6)):
        for options, protocols in ((("-hv", "1.0"), ["http/1.1"]), (HTTP1, ["http/1.1"]), (HTTP2, ["h2", "http/1.1"])):
            assert Run(t, url, *options).completed == 1
            visit = at.visits[-1]
            assert (visit.names, visit.protocols) == (names, protocols), (url, options, visit.names, visit.protocols)
            assert f"\r\nHost: {url[8:]}\r\n" in visit.heads[0] + "\r\n", "HTTP/2 fell back to HTTP/1.1"


@test
def each_version_of_tls_and_each_choice_of_protocol(t):
    authority = Authority(t)
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = authority.server()
        context.minimum_version = context.maximum_version = version
        peer = Peer(t, tls=context)
        assert Run(t, peer.url, "-rc", "3").completed == 3
        assert peer.visits[0].version == version.name.replace("_", "."), peer.visits[0].version
    for alpn, options, version in (("h2", HTTP2, "http2"), ("http/1.1", HTTP2, "http1"), ("none", HTTP2, "http1"),
                                   ("both", HTTP2, "http2"), ("both", HTTP1, "http1")):
        target = t.target("--alpn", alpn)
        assert Run(t, target.https, "-rc", "5", "-nc", "2", *options).completed == 10, alpn
        assert target.counts()[version] == 10, (alpn, target.counts())
    run = Run(t, t.target("--alpn", "h2").https, *HTTP1, exit_code=1)
    assert run.failed_as("tls", "no application protocol"), run.errors


@test
def a_proxy_is_told_the_url_or_makes_a_tunnel(t):
    target, proxy = t.target(), t.target("--proxy")
    assert Run(t, target.http, "-rc", "4", "-nc", "2", *HTTP1, Proxy=proxy.http).completed == 8
    assert (proxy.counts()["proxied"], proxy.counts()["tunnels"], target.counts()["requests"]) == (8, 0, 0)
    for n, (url, options, version) in enumerate(((target.https, HTTP1, "http1"), (target.https, HTTP2, "http2"),
                                                 (target.http, H2C, "http2")), 1):
        before = target.counts()[version]
        assert Run(t, url, "-rc", "4", "-nc", "2", *options, Proxy=proxy.http).completed == 8, url
        assert target.counts()[version] - before == 8
        assert proxy.counts()["tunnels"] == 2 * n and proxy.counts()["proxied"] == 8
    seen = Peer(t)
    assert Run(t, "http://nowhere.invalid:81/a?b", "-rc", "2", *HTTP1, Proxy=seen.url).completed == 2
    for head in seen.visits[0].heads:
        assert head.startswith("GET http://nowhere.invalid:81/a?b HTTP/1.1\r\nHost: nowhere.invalid:81"), head


@test
def a_server_that_speaks_first_is_heard_through_a_tunnel(t):
    def serve(visit):
        visit.head()
        visit.say(b"HTTP/1.1 200 OK\r\n\r\n" + frame(SETTINGS))
        visit.take(24)
        visit.say(frame(HEADERS, END_HEADERS | END_STREAM, visit.stream(), STATUS_200))
    proxy = Peer(t, serve)
    assert Run(t, "http://nowhere.invalid/", *H2C, Proxy=proxy.url).totals["statusCodes"] == {"200": 1}
    assert proxy.visits[0].heads[0].startswith("CONNECT nowhere.invalid:80 ")


@test
def a_server_behind_a_proxy_is_verified_by_its_own_name(t):
    authority, proxy = Authority(t), t.target("--proxy")
    good, wrong = Peer(t, tls=authority.server()), Peer(t, tls=authority.server("elsewhere", "DNS:elsewhere.example"))
    verify = {"VerifyCertificates": True, "CertificateAuthorities": authority.file, "Proxy": proxy.http}
    assert Run(t, good.url.replace("127.0.0.1", "localhost"), **verify).completed == 1
    assert good.visits[0].names == ["localhost"]
    run = Run(t, wrong.url.replace("127.0.0.1", "localhost"), exit_code=1, **verify)
    assert run.failed_as("tls", "hostname mismatch"), run.errors
    assert proxy.counts()["tunnels"] == 2


@test
def a_proxy_that_does_not_do_it_is_an_error_of_its_kind(t):
    refuse = "HTTP/1.1 {} No\r\nContent-Length: 6\r\n\r\nsorry!"
    silent, absent = Peer(t, be_silent), Peer(t)
    absent.close()
    for status in (403, 407, 502):
        proxy = Peer(t, answer_once(refuse.format(status).encode()))
        run = Run(t, "https://nowhere.invalid/", "-rc", "3", exit_code=1, Proxy=proxy.url)
        assert run.failed_as("refused", f"the proxy answered {status} to CONNECT", 3), run.errors
        assert proxy.visits[0].heads == ["CONNECT nowhere.invalid:443 HTTP/1.1\r\nHost: nowhere.invalid:443"]
    for serve, kind, why in ((answer_once(), "closed", "closed by the proxy before it answered"),
                             (answer_once(b"SSH-2.0-garbage\r\n"), "protocol", "the proxy: no HTTP/1 status line"),
                             (answer_once(b"HTTP/1.1 200 OK\r\n\r\nno TLS at all"), "tls", "wrong version number"),
                             (answer_once(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20000), "too-large", "the proxy: ")):
        run = Run(t, "https://nowhere.invalid/", "-rc", "3", exit_code=1, Proxy=Peer(t, serve).url)
        assert run.failed_as(kind, why, 3), (kind, run.errors)
    for url in ("https://nowhere.invalid/", "http://nowhere.invalid/"):
        run = Run(t, url, exit_code=1, Proxy=absent.url)
        assert run.failed_as("refused", f"{absent.authority}: Connection refused"), run.errors
        run = Run(t, url, exit_code=1, Proxy=silent.url, ClientTimeoutInSeconds=0.3)
        kind = "timeout-connect" if url.startswith("https") else "timeout-first-byte"
        assert run.failed_as(kind, ""), run.errors
    # To who asks in plain HTTP the proxy's answer is the answer.
    run = Run(t, "http://nowhere.invalid/", exit_code=1, Proxy=Peer(t, answer_once(refuse.format(407).encode())).url)
    assert run.totals["statusCodes"] == {"407": 1}, run.totals


@test
def no_proxy_names_hosts_and_all_below_them(t):
    direct, proxy, v6 = Peer(t), Peer(t), Peer(t, host="::1")
    by_name = direct.url.replace("127.0.0.1", "LOCALHOST")
    for url, listed, passed in (
            (direct.url, "127.0.0.1", True), (direct.url, "example.org, 127.0.0.1", True), (direct.url, "127.0.0.2", False),
            (direct.url, "localhost", False), (direct.url, "*", True), (by_name, "localhost", True),
            (by_name, ".LocalHost", True), (by_name, "host", False), (by_name, "127.0.0.1", False), (v6.url, "::1", True),
            (v6.url, "127.0.0.1", False), (direct.url, None, False)):
        before = len(proxy.visits)
        assert Run(t, url, Proxy=proxy.url, NoProxy=listed).completed == 1, (url, listed)
        assert (len(proxy.visits) == before) == passed, (url, listed)
    below = {"invalid": True, ".nowhere.invalid": True, "a.nowhere.invalid": True, "where.invalid": False}
    for listed, passed in below.items():
        before = len(proxy.visits)
        run = Run(t, "http://a.nowhere.invalid/", exit_code=int(passed), Proxy=proxy.url, NoProxy=listed,
                  ClientTimeoutInSeconds=3)
        assert (len(proxy.visits) == before) == passed == ("dns" in run.errors), (listed, run.errors)


@test
def the_workers_settings_hold_in_a_cluster(t):
    authority, proxy = Authority(t), t.target("--proxy")
    authority.sign("localhost", "localhost", "DNS:localhost")
    target = t.target("--cert", os.path.join(t.dir, "localhost.pem"), "--key", os.path.join(t.dir, "localhost.key"))
    direct = Peer(t, host="127.0.0.9")
    cluster = t.cluster()
    plain = cluster.settings

    def with_http(node, **section):
        path = plain(node, **section)
        with open(path, encoding="utf-8") as f:
            settings = json.load(f)
        settings["HttpClient"].update(VerifyCertificates=True, CertificateAuthorities=authority.file, Proxy=proxy.http,
                                      NoProxy="127.0.0.9", SourceAddresses="127.0.0.2,127.0.0.3")
        with open(path, "w", encoding="utf-8") as f:
            json.dump(settings, f)
        return path
    cluster.settings = with_http
    cluster.start()
    for url, exit_code in ((target.https.replace("127.0.0.1", "localhost"), 0), (target.https, 1), (direct.url, 0)):
        lps = cluster.lps("w1", "-u", url, "-rc", "3", "-nc", "8", "--json")
        assert lps.wait() == exit_code, lps.err
    assert (target.counts()["http2"], proxy.counts()["tunnels"]) == (24, 8 + 24)
    assert {visit.address for visit in direct.visits} == {"127.0.0.2", "127.0.0.3"}


def need_own_hosts():
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode != 0:
        raise Skip("namespaces cannot be made here (netns)")


@test
def all_addresses_of_a_name_are_tried(t):
    need_own_hosts()
    hosts = "127.0.0.1 localhost\n::1 localhost\n127.0.0.1 both\n127.0.0.9 both\n"
    for host in ("127.0.0.1", "::1"):
        peer = Peer(t, host=host)
        run = Run(t, f"http://localhost:{peer.port}/", "-rc", "4", "-nc", "3", hosts=hosts)
        assert (run.completed, run.opened, len(peer.visits)) == (12, 3, 3), (host, run.totals)
        peer.close()
        run = Run(t, f"http://localhost:{peer.port}/", exit_code=1, hosts=hosts)
        assert run.failed_as("refused", f":{peer.port}: Connection refused"), run.errors
    # The first says nothing at all: it is given up after a while.
    peer = Peer(t, host="127.0.0.9")
    with full_listener("127.0.0.1", peer.port):
        run = Run(t, f"http://both:{peer.port}/", "-rc", "2", hosts=hosts)
    assert (run.completed, len(peer.visits)) == (2, 1)


@test
def an_address_in_the_url_may_be_ipv6(t):
    target = t.target("--host", "::1")
    for url, options in ((target.http, HTTP1), (target.http, H2C), (target.https, HTTP1), (target.https, HTTP2)):
        assert url.startswith(("http://[::1]:", "https://[::1]:"))
        assert Run(t, url, "-rc", "3", *options).completed == 3, url
    authority, proxy = Authority(t), t.target("--proxy")
    peer = Peer(t, host="::1", tls=authority.server())
    for settings in ({}, {"Proxy": proxy.http}):
        run = Run(t, peer.url, VerifyCertificates=True, CertificateAuthorities=authority.file, **settings)
        assert run.completed == 1
    assert proxy.counts()["tunnels"] == 1


@test
def connections_come_from_the_source_addresses_in_turn(t):
    peer, v6 = Peer(t), Peer(t, host="::1")
    sources = "127.0.0.2, 127.0.0.3,::1"
    for server, wanted in ((peer, {"127.0.0.2": 4, "127.0.0.3": 4}), (v6, {"::1": 8})):
        assert Run(t, server.url, "-rc", "2", "-nc", "8", SourceAddresses=sources).completed == 16
        addresses = [visit.address for visit in server.visits]
        assert len(addresses) == 8 and set(addresses) == set(wanted), addresses
    run = Run(t, peer.url, "-rc", "2", exit_code=1, SourceAddresses="192.0.2.1")
    assert run.failed_as("local", "Cannot assign requested address", 2), run.errors


@test
def no_more_connections_than_the_setting_allows(t):
    target = t.target()
    # A second batch that finds the first still busy may open as many again.
    batches = ("-im", "CRB", "-rc", "20", "-bs", "10", "-cdt", "1000", "-nc", "2")
    runs = [(Run(t, url + "/delay/10", *batches, *HTTP1, wait=False, MaxConnectionsPerServer=most), 40, opened)
            for most, opened in ((3, [6]), (1, [2]), (1000, range(20, 41))) for url in (target.http, target.https)]
    # A hundred streams go over each connection; those that find no room wait, or open another.
    batches = ("-im", "CRB", "-rc", "300", "-bs", "150", "-cdt", "1000")
    runs += [(Run(t, target.https + "/delay/10", *batches, *HTTP2, wait=False, MaxConnectionsPerServer=most), 300, opened)
             for most, opened in ((1, [1]), (1000, range(2, 5)))]
    for run, completed, opened in runs:
        assert run.end().completed == completed, (run.lps.argv, run.totals)
        assert run.opened in opened, (run.lps.argv, run.totals)
    run = Run(t, target.http + "/hang", "-im", "CRB", "-rc", "4", "-bs", "3", "-cdt", "1000", *HTTP1, exit_code=1,
              MaxConnectionsPerServer=1, ClientTimeoutInSeconds=0.3)
    # One of each batch is sent; the others find no connection that is free, or one in their last moment.
    kinds = {kind: n for kind, (n, _) in run.errors.items()}
    assert sum(kinds.values()) == 4 and kinds["timeout-first-byte"] >= 2 and kinds["timeout-connect"] >= 1, run.errors


@test
def a_connection_is_used_no_longer_than_its_lifetime_and_idle_limit(t):
    target = t.target()
    pauses = ("-im", "CRB", "-rc", "3", "-bs", "1", "-cdt", "1000")
    short = {"PooledConnectionLifeTimeInSeconds": 0.25, "PooledConnectionIdleTimeoutInSeconds": 0.2}
    ways = ((target.http, HTTP1), (target.https, HTTP2))
    old = [Run(t, url + "/delay/100", "-rc", "10", *options, wait=False, **short) for url, options in ways]
    idle = [Run(t, url, *pauses, *options, wait=False, PooledConnectionIdleTimeoutInSeconds=0.1) for url, options in ways]
    kept = [Run(t, url, *pauses, *options, wait=False) for url, options in ways]
    for run in old:
        assert run.end().completed == 10 and 4 <= run.opened <= 10, run.totals  # three requests each at most
    assert [run.end().opened for run in idle] == [3, 3] and [run.end().opened for run in kept] == [1, 1]


def full_listener(host="127.0.0.1", port=0):
    """A port whose queue is full: to connect to it is to wait."""
    class Full:
        def __enter__(self):
            self.sockets = [socket.create_server((host, port), backlog=0)]
            self.port = self.sockets[0].getsockname()[1]
            for _ in range(4):
                self.sockets.append(socket.socket())
                self.sockets[-1].setblocking(False)
                self.sockets[-1].connect_ex((host, self.port))
            return self

        def __exit__(self, *_):
            for s in self.sockets:
                s.close()
    return Full()


@test
def each_wait_has_a_limit_and_a_kind_of_its_own(t):
    target, silent, deaf, runs = t.target(), Peer(t, be_silent), Peer(t, read_nothing), []

    def expect(kind, why, url, *options, **settings):
        runs.append((Run(t, url, "-nc", "2", *options, exit_code=1, wait=False, **settings), kind, why))
    ways = ((target.http, HTTP1), (target.https, HTTP1), (target.http, H2C), (target.https, HTTP2))
    with full_listener() as full:
        for settings in ({"ConnectTimeoutInSeconds": 0.3}, {"ClientTimeoutInSeconds": 0.3}):
            for url in (f"http://127.0.0.1:{full.port}/", f"https://127.0.0.1:{full.port}/", silent.url.replace("http", "https")):
                expect("timeout-connect", "no connection in time", url, **settings)
        for run, kind, why in runs:
            assert run.end().failed_as(kind, why, 2), (run.lps.argv, run.errors)
    runs.clear()
    body = t.file("body", b"x" * (16 << 20))
    expect("timeout-first-byte", "the request was not taken in time", deaf.url, "-hm", "POST", "-p", f"Path:{body}", *HTTP1,
           ClientTimeoutInSeconds=1)
    for url, options in ways:
        expect("timeout-first-byte", "no answer in time", url + "/hang", *options, FirstByteTimeoutInSeconds=0.2)
        expect("timeout-first-byte", "no answer in time", url + "/hang", *options, ClientTimeoutInSeconds=1)
    for run, kind, why in runs:
        assert run.end().failed_as(kind, why, 2), (run.lps.argv, run.errors)
    runs.clear()
    # The head comes at once, the body in a second.
    whole = [Run(t, url + "/slow-body", *options, wait=False, FirstByteTimeoutInSeconds=0.8) for url, options in ways]
    assert all(run.end().completed == 1 for run in whole)
    for url, options in ways:
        expect("timeout-body", "the answer was not whole in time", url + "/slow-body", *options, ClientTimeoutInSeconds=0.8)
    for run, kind, why in runs:
        assert run.end().failed_as(kind, why, 2), (run.lps.argv, run.errors)


if __name__ == "__main__":
    main()
