"""A headless Chromium, driven over the pipe of its DevTools protocol."""

import base64
import json
import os
import shutil
import subprocess
import tempfile

PATH = shutil.which("chromium") or shutil.which("chromium-browser")


class Chromium:
    """One tab. `complaints` holds what it wrote to its console and what the
    page threw; `requests` every address that it asked for."""

    def __init__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_browser, our_out = os.pipe()
        our_in, from_browser = os.pipe()
        self.process = subprocess.Popen(
            # The browser reads from descriptor 3 and writes to 4.
            ["sh", "-c", 'exec "$@" 3<&%d 4>&%d' % (to_browser, from_browser),
             "sh", PATH, "--headless=new", "--no-sandbox", "--disable-gpu",
             "--disable-dev-shm-usage", "--hide-scrollbars",
             "--remote-debugging-pipe", "--no-first-run",
             "--user-data-dir=" + self.profile.name, "about:blank"],
            pass_fds=(to_browser, from_browser), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL)
        os.close(to_browser)
        os.close(from_browser)
        self.out = os.fdopen(our_out, "wb", buffering=0)
        self.into = os.fdopen(our_in, "rb", buffering=0)
        self.buffer = b""
        self.last = 0
        self.session = None
        self.complaints = []
        self.requests = []
        tabs = self.call("Target.getTargets")["targetInfos"]
        tab = next(t for t in tabs if t["type"] == "page")
        self.session = self.call("Target.attachToTarget", flatten=True,
                                 targetId=tab["targetId"])["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(domain + ".enable")

    def close(self):
        self.process.terminate()
        self.process.wait()
        self.out.close()
        self.into.close()
        self.profile.cleanup()

    def message(self):
        while b"\0" not in self.buffer:
            more = os.read(self.into.fileno(), 1 << 20)
            if not more:
                raise RuntimeError("Chromium has ended")
            self.buffer += more
        text, self.buffer = self.buffer.split(b"\0", 1)
        return json.loads(text)

    def note(self, message):
        method, params = message.get("method"), message.get("params")
        if method == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif method == "Runtime.exceptionThrown":
            self.complaints.append(params["exceptionDetails"])
        elif method == "Log.entryAdded":
            self.complaints.append(params["entry"])
        elif method == "Runtime.consoleAPICalled":
            self.complaints.append(params["args"])

    def call(self, method, **params):
        self.last += 1
        call = {"id": self.last, "method": method, "params": params}
        if self.session:
            call["sessionId"] = self.session
        self.out.write(json.dumps(call).encode() + b"\0")
        while True:
            message = self.message()
            if message.get("id") == self.last:
                if "error" in message:
                    raise RuntimeError("%s: %s" % (method, message["error"]))
                return message["result"]
            self.note(message)

    def evaluate(self, script):
        """Its value; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=script,
                           awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in answer:
            raise RuntimeError(json.dumps(answer["exceptionDetails"]))
        return answer["result"].get("value")

    def look(self, width=1400, height=900, scheme="light", media=""):
        self.call("Emulation.setDeviceMetricsOverride", width=width,
                  height=height, deviceScaleFactor=1, mobile=False)
        self.call("Emulation.setEmulatedMedia", media=media, features=[
            {"name": "prefers-color-scheme", "value": scheme}])
        self.settle()

    def settle(self):
        """Until what was asked for has been drawn."""
        self.evaluate("new Promise(done => requestAnimationFrame(() =>"
                      " requestAnimationFrame(() => setTimeout(done, 50))))")

    def open(self, path):
        self.call("Page.navigate", url="file://" + os.path.abspath(path))
        self.evaluate("new Promise(done => document.readyState == 'complete'"
                      " ? done() : addEventListener('load', () => done()))")
        self.settle()

    def screenshot(self, path):
        """Of the whole page."""
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        shot = self.call("Page.captureScreenshot", captureBeyondViewport=True,
                         clip=dict(x=0, y=0, width=size["width"],
                                   height=min(size["height"], 16000), scale=1))
        with open(path, "wb") as file:
            file.write(base64.b64decode(shot["data"]))

    def pdf(self):
        return base64.b64decode(self.call(
            "Page.printToPDF", preferCSSPageSize=True,
            printBackground=True)["data"])
