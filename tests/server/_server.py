"""Starts `convergo serve` on a box and talks to it."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import _box

CONVERGO = os.environ.get("CONVERGO", "build/convergo")


def sanitized():
    """Is it built with a sanitizer, which keeps freed memory for a while?"""
    with open(CONVERGO, "rb") as f:
        data = f.read()
    return b"__asan_init" in data or b"__tsan_init" in data


class Server:
    def __init__(self, box, *options, http="127.0.0.1:0",
                 metrics="127.0.0.1:0", wait=True):
        self.err_path = os.path.join(os.path.dirname(box), "stderr.txt")
        self.err_file = open(self.err_path, "ab")
        self.process = subprocess.Popen(
            [CONVERGO, "serve", box, "--http", http, "--metrics", metrics,
             *options], stdout=subprocess.PIPE, stderr=self.err_file,
            text=True)
        self.http_port = self.metrics_port = None
        if wait:
            self.wait_ready()

    def wait_ready(self):
        line = self.process.stdout.readline()
        ports = dict(re.findall(r"(\w+)=(?:127\.0\.0\.1:)?(\d+)", line))
        if "pid" not in ports:
            self.process.wait(10)
            raise RuntimeError("not ready: %r\n%s" % (line, self.stderr()))
        self.http_port = int(ports.get("http", 0))
        self.metrics_port = int(ports.get("metrics", 0))

    def stderr(self):
        with open(self.err_path) as f:
            return f.read()

    def connect(self, timeout=20):
        return http.client.HTTPConnection("127.0.0.1", self.http_port,
                                          timeout=timeout)

    def raw(self, timeout=20):
        s = socket.create_connection(("127.0.0.1", self.http_port), timeout)
        s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return s

    def call(self, method, path, body=None, headers=None, connection=None):
        """(status, headers, body); the body is JSON if it says so."""
        c = connection or self.connect()
        if isinstance(body, (dict, list)):
            body = json.dumps(body)
        c.request(method, path, body, headers or {})
        r = c.getresponse()
        data = r.read()
        if connection is None:
            c.close()
        if r.getheader("Content-Type") == "application/json" and data:
            data = json.loads(data)
        return r.status, r.headers, data

    def get(self, path):
        return self.call("GET", path)

    def infer(self, model, inputs, parameters=None, **more):
        body = {"inputs": inputs, **more}
        if parameters is not None:
            body["parameters"] = parameters
        return self.call("POST", "/v2/models/%s/infer" % model, body)

    def metrics(self):
        c = http.client.HTTPConnection("127.0.0.1", self.metrics_port,
                                       timeout=20)
        c.request("GET", "/metrics")
        r = c.getresponse()
        text = r.read().decode()
        c.close()
        return text

    def metric(self, name, **labels):
        """The value of the first line of that name that has these labels."""
        for line in self.metrics().splitlines():
            if re.match(re.escape(name) + r"[{ ]", line) and all(
                    '%s="%s"' % kv in line for kv in labels.items()):
                return float(line.rsplit(" ", 1)[1])
        return None

    def rss_mib(self):
        with open("/proc/%d/status" % self.process.pid) as f:
            return int(re.search(r"VmRSS:\s+(\d+)", f.read()).group(1)) / 1024

    def stop(self, number=signal.SIGTERM, timeout=30):
        """Ends it; returns its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.process.stdout.close()
            self.err_file.close()


def fp32(name, rows, width=None):
    """An input from a list of rows."""
    return {"name": name, "shape": [len(rows), width or len(rows[0])],
            "datatype": "FP32", "data": [x for row in rows for x in row]}


def int64(name, rows):
    return {**fp32(name, rows), "datatype": "INT64"}


class Case(unittest.TestCase):
    """A folder per test class; servers are stopped at its end."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="convergo-test-")
        cls.servers = []

    @classmethod
    def tearDownClass(cls):
        codes = []
        for s in cls.servers:
            if s.process.poll() is None:
                codes.append(s.stop())
                if codes[-1] != 0:
                    print(s.stderr()[-4000:])
        shutil.rmtree(cls.folder, ignore_errors=True)
        # A sanitizer's finding, or an assert, shows as another code.
        assert all(c == 0 for c in codes), codes

    @classmethod
    def start(cls, box, *options, **more):
        s = Server(box, *options, **more)
        cls.servers.append(s)
        return s

    @staticmethod
    def together(n, run):
        """Calls run() in n threads, to their ends."""
        workers = [threading.Thread(target=run) for _ in range(n)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def assertError(self, answer, status, *parts):
        self.assertEqual(answer[0], status, answer[2])
        self.assertEqual(answer[1]["Content-Type"], "application/json")
        self.assertEqual(list(answer[2]), ["error"])
        for part in parts:
            self.assertIn(part, answer[2]["error"])
