#!/usr/bin/python3
"""The page in a real browser: headless Chromium, driven over WebDriver (https://www.w3.org/TR/webdriver2/)."""
import base64
import json
import os
import shutil
import urllib.error
import urllib.request

from lps import Skip, main, test, until

# A browser of a closed network: no look-ups of its own at start.
CHROMIUM = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", "--window-size=1280,1400"]

READ = """
const text = (id) => document.getElementById(id)?.textContent ?? "";
const tiles = document.getElementById("tiles");
return {run: tiles?.dataset.run, k: Number(tiles?.dataset.k), state: document.querySelector(".strip")?.dataset.state,
        status: document.querySelector("header .status")?.textContent ?? "",
        requests: Number(text("requests").replaceAll(",", "")), errors: Number(text("errors").replaceAll(",", "")),
        iterations: [...document.querySelectorAll(".iterations tbody tr")].map((row) => row.innerText.replaceAll("\\n", " ")),
        nodes: [...document.querySelectorAll(".nodes tbody tr")].map((row) => row.innerText.replaceAll("\\n", " ")),
        charts: document.querySelectorAll(".u-over").length, stale: !!document.querySelector(".stale"),
        width: document.documentElement.scrollWidth - document.documentElement.clientWidth};
"""


class Browser:
    def __init__(self, t, url):
        for name in ("chromium", "chromedriver"):
            if not shutil.which(name):
                raise Skip(f"{name} is not installed")
        driver = t.start("chromedriver", "chromedriver", "--port=0")
        port = driver.await_text(r"started successfully on port (\d+)", 20, which="out")[1]
        self.base = f"http://127.0.0.1:{port}/session"
        profile = os.path.join(t.dir, "profile")
        options = {"binary": shutil.which("chromium"), "args": [*CHROMIUM, f"--user-data-dir={profile}"]}
        made = self.call("POST", "", {"capabilities": {"alwaysMatch": {"browserName": "chrome", "goog:chromeOptions": options,
                                                                      "goog:loggingPrefs": {"browser": "ALL"}}}})
        self.base += "/" + made["sessionId"]
        self.call("POST", "/url", {"url": url})

    def call(self, method, path, body=None):
        data = json.dumps(body).encode() if body is not None else None
        request = urllib.request.Request(self.base + path, data, {"Content-Type": "application/json"}, method=method)
        with urllib.request.urlopen(request, timeout=60) as reply:
            return json.load(reply)["value"]

    def read(self):
        return self.call("POST", "/execute/sync", {"script": READ, "args": []})

    def complaints(self):
        return [entry["message"] for entry in self.call("POST", "/se/log", {"type": "browser"}) if entry["level"] == "SEVERE"]

    def resize(self, width, height):
        self.call("POST", "/window/rect", {"width": width, "height": height})

    def screenshot(self, path):
        with open(path, "wb") as f:
            f.write(base64.b64decode(self.call("GET", "/screenshot")))

    def close(self):
        try:
            self.call("DELETE", "")
        except (OSError, urllib.error.URLError):
            pass


def keep(browser, name):
    """LPS_SCREENSHOTS names a directory for who wants to look."""
    if os.environ.get("LPS_SCREENSHOTS"):
        browser.screenshot(os.path.join(os.environ["LPS_SCREENSHOTS"], name + ".png"))


@test
def page_shows_what_rest_says(t):
    cluster, target = t.cluster(expected=2).start(1), t.target()
    browser = Browser(t, cluster.rest + "/")
    try:
        first = cluster.lps("w1", "-u", target.http + "/delay/2", "-nc", "3", "-d", "6")
        waiting = until("the page says who is missing", lambda: (lambda p: p if any("missing" in n for n in p["nodes"]) else None)(browser.read()))
        assert waiting["state"] == "Created" and any("w1" in node for node in waiting["nodes"]), waiting
        keep(browser, "waiting")
        cluster.start_worker("w2")
        second = cluster.lps("w2", "-u", target.http + "/delay/2", "-nc", "3", "-d", "6")

        agreed = set()

        def look():
            page, run = browser.read(), cluster.state()["run"]
            if page["run"] == run["id"] and page["k"] == run["k"] and page["k"] >= 0 and page["requests"] == run["totals"]["requests"] \
                    and page["errors"] == run["totals"]["errors"]:
                agreed.add(page["k"])
            return len(agreed) >= 3
        until("the page equals REST in three seconds of the run", look, 15)
        page = browser.read()
        assert page["charts"] == 2 and page["state"] == "Running" and not page["stale"], page
        keep(browser, "running")

        assert [first.wait(), second.wait()] == [0, 0]
        document = cluster.result()
        until("the page shows the end", lambda: (lambda p: p["state"] == "Stopped" and p["requests"] == document["totals"]["requests"])(browser.read()))
        rows = until("the page shows the iteration", lambda: browser.read()["iterations"])
        assert len(rows) == 1 and f"{document['series'][0]['requests']:,}" in rows[0], rows
        keep(browser, "stopped")
        browser.resize(360, 1400)
        assert browser.read()["width"] <= 0, "the page is wider than a narrow window"
        keep(browser, "narrow")
        complaints = browser.complaints()
        assert not complaints, complaints
    finally:
        browser.close()


@test
def page_says_when_it_is_stale(t):
    cluster = t.cluster().start(1)
    browser = Browser(t, cluster.rest + "/")
    try:
        until("the page is there", lambda: any("w1" in node for node in browser.read()["nodes"]))
        assert not browser.read()["stale"]
        cluster.master.kill()
        until("the page says that what it shows is old", lambda: browser.read()["stale"])
        keep(browser, "stale")
        cluster.start_master()
        until("the page is live again", lambda: not browser.read()["stale"], 20)
    finally:
        browser.close()


if __name__ == "__main__":
    main()
