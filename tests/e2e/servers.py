"""Web servers of others on loopback, each an ordinary process with a configuration of its own, and what their logs say.

All of them serve /hello (12 bytes), /big (1 MiB) and, where they can, /chunked (/big, without a length), /none (204) and
/post (/hello, once the body of the request was read in full).
"""
import collections
import glob
import json
import os
import re
import shutil
import socket
import subprocess
import urllib.request

from lps import Skip, free_port, until

HELLO = b"hello, world"
BIG = 1 << 20
# name: scheme of the URL, version in the server's log, options
PROTOCOLS = {
    "HTTP/1.1": ("http", "HTTP/1.1", ("-hv", "1.1")),
    "HTTP/1.1 over TLS": ("https", "HTTP/1.1", ("-hv", "1.1")),
    "HTTP/2 over TLS": ("https", "HTTP/2.0", ("-hv", "2.0")),
    "HTTP/2 in clear text": ("h2c", "HTTP/2.0", ("-hv", "2.0", "-h2c", "true")),
}

# A request in a server's log. Bytes: `received` and `sent` with heads where the server knows them, `body` of those sent. `peer`
# is the client's port, or another name of the connection; `tls` the version of TLS or -; `resumed` whether its session was an
# earlier one.
Line = collections.namedtuple("Line", "path version status method received sent body peer tls resumed")


def installed(name):
    path = shutil.which(name, path=os.environ["PATH"] + ":/usr/sbin:/usr/local/sbin")
    if not path:
        raise Skip(f"no {name}")
    return path


def certificate(t):
    """Paths of a certificate and its key, for localhost."""
    paths = [os.path.join(t.dir, name) for name in ("cert.pem", "key.pem")]
    if not os.path.exists(paths[0]):
        subprocess.run([installed("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
                        "-subj", "/CN=localhost", "-days", "2", "-out", paths[0], "-keyout", paths[1]],
                       check=True, stderr=subprocess.DEVNULL)
    return paths


def documents(t):
    """The directory of what is served; readable to the user that a server started by root becomes."""
    where = os.path.join(t.dir, "www")
    if not os.path.exists(where):
        os.chmod(t.dir, 0o711)
        os.mkdir(where, 0o755)
        for name, content in (("hello", HELLO), ("big", bytes(BIG)), ("chunked", bytes(BIG)),
                              ("includes-big", '<!--#include virtual="/big" -->')):
            os.chmod(t.file(os.path.join("www", name), content), 0o644)
    return where


class Server:
    """`urls` by scheme. A request of a test bears a query that no other has, and so its lines are found again."""

    def await_port(self, port):
        def connects():
            assert self.process.popen.poll() is None, f"{self.process.name} ended"
            with socket.socket() as s:
                return s.connect_ex(("127.0.0.1", port)) == 0
        until(f"{self.process.name} listens", connects)

    def set_urls(self, **ports):
        self.urls = {scheme: f"{'https' if scheme == 'https' else 'http'}://127.0.0.1:{port}" for scheme, port in ports.items()}

    def lines(self, path):
        """Those of a log file that has the fields of Line in each line."""
        found = []
        with open(self.path, encoding="ascii") as f:
            for text in f:
                if text.startswith(path + " ") and text.endswith("\n"):
                    path, version, status, method, *counts, peer, tls, resumed = text.split()
                    found.append(Line(path, version, int(status), method, *map(int, counts), peer, tls,
                                      resumed in ("r", "Resumed")))
        return found

    def await_lines(self, path, n):
        """Lines of a path, once n are there: a server may write them after its answer."""
        until(f"{self.process.name} logged {n} requests of {path}", lambda: len(self.lines(path)) >= n)
        return self.lines(path)

    def received(self, path):
        """Bytes that came in with the requests of a path."""
        return sum(line.received for line in self.lines(path))


NGINX = """
%(user)s
daemon off;
pid %(dir)s/nginx.pid;
error_log stderr notice;
worker_processes %(workers)d;
events { worker_connections 1000; }
http {
    log_format lines '$request_uri $server_protocol $status $request_method $request_length $bytes_sent $body_bytes_sent '
                     '$remote_port $ssl_protocol $ssl_session_reused';
    access_log %(dir)s/access.log lines;
    client_body_temp_path %(dir)s/nginx-body;
    proxy_temp_path %(dir)s/nginx-proxy;
    fastcgi_temp_path %(dir)s/nginx-fastcgi;
    scgi_temp_path %(dir)s/nginx-scgi;
    uwsgi_temp_path %(dir)s/nginx-uwsgi;
    ssl_protocols %(tls)s;
    ssl_certificate %(cert)s;
    ssl_certificate_key %(key)s;
    %(more)s
    server {
        listen 127.0.0.1:%(http)d;
        listen 127.0.0.1:%(https)d ssl http2;
        listen 127.0.0.1:%(h2c)d http2;
        root %(www)s;
        default_type text/plain;
        location = /chunked { sub_filter_types *; sub_filter nothing something; }
        location = /none { return 204; }
        location = /ignored { return 200 "hello, world"; }
        location = /status { stub_status; }
        location = /slow { alias %(www)s/big; limit_rate 20k; }
        location = /post {
            proxy_pass http://127.0.0.1:%(http)d/hello?;
            proxy_method GET;
            proxy_pass_request_body off;
            proxy_set_header Content-Length "";
        }
    }
}
"""


class Nginx(Server):
    """more: directives of the block http."""

    def __init__(self, t, more="", workers=1, tls="TLSv1.2 TLSv1.3"):
        program = installed("nginx")
        cert, key = certificate(t)
        ports = {scheme: free_port() for scheme in ("http", "https", "h2c")}
        user = "user root;" if os.geteuid() == 0 else ""
        path = t.file("nginx.conf", NGINX % {"dir": t.dir, "www": documents(t), "cert": cert, "key": key, "workers": workers,
                                             "tls": tls, "user": user, "more": more, **ports})
        self.path = os.path.join(t.dir, "access.log")
        self.set_urls(**ports)
        self.process = t.start("nginx", program, "-p", t.dir, "-c", path, "-e", "stderr")
        self.await_port(ports["http"])

    def answering(self):
        """How many requests it is answering now."""
        with urllib.request.urlopen(self.urls["http"] + "/status", timeout=10) as status:
            return int(re.search(r"Writing: (\d+)", status.read().decode())[1]) - 1


APACHE = """
ServerRoot %(modules)s
DefaultRuntimeDir %(dir)s
PidFile %(dir)s/apache.pid
ServerName localhost
%(user)s
%(load)s
Listen 127.0.0.1:%(http)d
Listen 127.0.0.1:%(https)d
ErrorLog /dev/stderr
LogLevel warn
LogFormat "%%U%%q %%H %%>s %%m %%I %%O %%B %%{remote}p %%{SSL_PROTOCOL}x %%{SSL_SESSION_RESUMED}x" lines
CustomLog %(dir)s/access.log lines
StartServers 1
DocumentRoot %(www)s
Protocols h2 h2c http/1.1
KeepAliveTimeout 60
Redirect 204 /none
ProxyPass /post http://127.0.0.1:%(http)d/hello
AliasMatch "^/chunked$" %(www)s/includes-big
%(more)s
<VirtualHost 127.0.0.1:%(https)d>
    SSLEngine on
    SSLCertificateFile %(cert)s
    SSLCertificateKeyFile %(key)s
</VirtualHost>
<Directory %(www)s>
    Options +Includes
</Directory>
<Location /chunked>
    SetOutputFilter INCLUDES
</Location>
"""
APACHE_MODULES = ("mpm_event", "authz_core", "alias", "log_config", "logio", "include", "proxy", "proxy_http", "socache_shmcb",
                  "ssl", "http2")


class Apache(Server):
    """more: directives of the server."""

    def __init__(self, t, more=""):
        program = installed("apache2")
        modules = next(iter(glob.glob("/usr/lib*/apache2/modules")), None)
        if not modules:
            raise Skip("no modules of apache2")
        cert, key = certificate(t)
        ports = {"http": free_port(), "https": free_port()}
        load = "\n".join(f"LoadModule {name}_module {modules}/mod_{name}.so" for name in APACHE_MODULES
                         if os.path.exists(f"{modules}/mod_{name}.so"))
        path = t.file("apache.conf", APACHE % {"dir": t.dir, "www": documents(t), "cert": cert, "key": key, "more": more,
                                               "user": "User nobody\nGroup nogroup" if os.geteuid() == 0 else "",
                                               "modules": modules, "load": load, **ports})
        self.path = os.path.join(t.dir, "access.log")
        self.set_urls(**ports, h2c=ports["http"])
        self.process = t.start("apache2", program, "-f", path, "-D", "FOREGROUND")
        self.await_port(ports["http"])

    def received(self, path):
        """It does not count them in HTTP/2, but in the request that it passes on."""
        return super().received(path.replace("/post", "/hello"))


class Nghttpd(Server):
    """nghttpd says each frame; bytes in its lines are of bodies."""

    HEAD = re.compile(r"^\[id=(\d+)\] \[[ \d.]+\] (?:(send|recv) (?:(DATA|HEADERS) frame <length=(\d+), .*stream_id=(\d+)>|"
                      r"\(stream_id=(\d+)\) :(method|path): (.*))|stream_id=(\d+) closed)")

    def __init__(self, t, tls, *options):
        program = installed("nghttpd")
        port = free_port()
        self.tls = "TLS" if tls else "-"
        self.set_urls(**{"https" if tls else "h2c": port})
        self.process = t.start("nghttpd", program, "-v", "-a", "127.0.0.1", "-d", documents(t), *options,
                               *([str(port), *reversed(certificate(t))] if tls else ["--no-tls", str(port)]))
        self.await_port(port)

    def lines(self, path):
        return [line for line in self._log() if line.path == path]

    def _log(self):
        streams = collections.defaultdict(lambda: {"status": 0, "recv": 0, "send": 0})
        answering = None
        for text in self.process.out.splitlines():
            head = self.HEAD.match(text)
            if not head:
                status = re.match(r"^ +:status: (\d+)$", text)
                if status:
                    answering["status"] = int(status[1])
                continue
            peer, way, kind, length, of_frame, of_field, name, value, closed = head.groups()
            stream = streams[peer, of_frame or of_field or closed]
            if closed and "path" in stream:
                yield Line(stream["path"], "HTTP/2.0", stream["status"], stream["method"], stream["recv"], stream["send"],
                           stream["send"], peer, self.tls, False)
            elif name:
                stream[name] = value
            elif kind == "HEADERS" and way == "send":
                answering = stream
            elif kind == "DATA":
                stream[way] += int(length)


NODE = """
const fs = require("fs"), http = require("http"), https = require("https"), http2 = require("http2");
const { cert, key, keepAlive, log } = JSON.parse(process.argv[2]);
const out = fs.openSync(log, "a");
const hello = "hello, world", big = Buffer.alloc(1 << 20);

function answer(req, res) {
    let received = 0, sent = 0;
    const path = req.url.split("?")[0], { socket } = req.stream ? req.stream.session : req;
    const peer = socket.remotePort, version = socket.encrypted ? socket.getProtocol() : "-";
    const resumed = socket.encrypted && socket.isSessionReused() ? "r" : "-";
    const write = bytes => { res.write(bytes); sent += bytes.length; };
    const reply = (status, head, body) => {
        res.writeHead(status, head);
        if (body && req.method !== "HEAD")
            write(body);
        res.end();
    };
    res.on("close", () => {
        const fields = [req.url, "HTTP/" + req.httpVersion, res.statusCode, req.method, received, sent, sent, peer, version,
                        resumed];
        fs.writeSync(out, fields.join(" ") + "\\n");
    });
    req.on("data", chunk => { received += chunk.length; });
    req.on("end", () => {
        if (path === "/none")
            reply(204);
        else if (path === "/hello" && req.headers["if-none-match"])
            reply(304);
        else if (path === "/hello" || path === "/post")
            reply(200, { "content-length": hello.length }, hello);
        else if (path === "/big")
            reply(200, { "content-length": big.length }, big);
        else if (path === "/chunked") {
            for (let at = 0; at < big.length; at += 1 << 16)
                write(big.subarray(at, at + (1 << 16)));
            res.end();
        } else
            reply(404);
    });
}

const tls = { cert: fs.readFileSync(cert), key: fs.readFileSync(key) };
const servers = {
    http: http.createServer(answer),
    https: http2.createSecureServer({ ...tls, allowHTTP1: true }, answer),
    h2c: http2.createServer(answer),
    https1: https.createServer(tls, answer),
};
for (const name of ["http", "https1"])
    servers[name].maxRequestsPerSocket = keepAlive;
let ready = Object.keys(servers).length;
for (const server of Object.values(servers))
    server.listen(0, "127.0.0.1", () => {
        if (--ready === 0)
            console.log(JSON.stringify(Object.fromEntries(Object.entries(servers).map(([k, v]) => [k, v.address().port]))));
    });
"""


class Node(Server):
    """The servers of node's http, https (by the scheme https1, HTTP/1.1 alone) and http2. Bytes in its log are of bodies.

    keep_alive: requests that a connection may serve in HTTP/1.1; 0: any number.
    """

    def __init__(self, t, keep_alive=0):
        program = installed("node")
        cert, key = certificate(t)
        self.path = os.path.join(t.dir, "node.log")
        given = {"cert": cert, "key": key, "keepAlive": keep_alive, "log": self.path}
        self.process = t.start("node", program, t.file("servers.js", NODE), json.dumps(given))
        ports = json.loads(self.process.await_text(r"^\{.*\}$", which="out")[0])
        self.set_urls(**ports)
        self.urls["https1"] = self.urls["https1"].replace("http:", "https:")


class OpensslServer(Server):
    """`openssl s_server`, one connection at a time, HTTP/1.0. way: -WWW (files) or -www (a page about the session)."""

    def __init__(self, t, way, *options):
        program = installed("openssl")
        cert, key = certificate(t)
        port = free_port()
        self.set_urls(https=port)
        self.process = t.start("s_server", program, "s_server", "-accept", f"127.0.0.1:{port}", "-cert", cert, "-key", key, way,
                               *options, cwd=documents(t))
        self.process.await_text("ACCEPT", which="out")

    def files(self):
        """Paths it was asked for."""
        return re.findall(r"^FILE:(.*)$", self.process.err, re.MULTILINE)

    @staticmethod
    def counters(page):
        """Of the page of -www: handshakes that were finished, and how many of them resumed a session."""
        return {name: int(re.search(rf"^ *(\d+) {text}", page, re.MULTILINE)[1])
                for name, text in (("finished", r"server accepts that finished"), ("hits", "session cache hits"))}
