"""More than a device can do: 429, 503, 504 with Retry-After; clients that go
away are cancelled and leave room for others.

Whatever must happen while a batch runs has most of a second for it: the machine
may be busy."""

import json
import re
import socket
import threading
import time
import unittest

import _box
import _server
from _server import fp32

X = [fp32("x", [[1] * 16])]
NPU = "{name: npu0, kind: npu, backend: emulated}"


class Overload(_server.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        box = _box.write_box(
            cls.folder,
            {"slow": {"slow-1": (_box.identity(), 0.8)},
             "quick": {"quick-1": (_box.identity(), 0.8)}},
            devices=[NPU, "{name: npu1, kind: npu, backend: emulated}"],
            apps=["{name: few, family: slow, queue: 3}",
                  "{name: tight, family: quick, slo: {deadline: 300ms}, "
                  "queue: 500}"],
            rows={("slow-1", "npu0"): 1000, ("quick-1", "npu1"): 50})
        # One at a time: what the profile has for a batch of 1 only.
        path = cls.folder + "/profile.csv"
        with open(path) as f:
            lines = [x for x in f if not x.startswith(("slow-1,0,npu0,32",
                                                       "quick-1,0,npu1,32"))]
        with open(path, "w") as f:
            f.writelines(lines)
        cls.s = cls.start(box, "--policy", "edf", "--exit-timeout-secs", "20")

    def all_at_once(self, n, model, inputs):
        """All are connected before the first is sent, and sent before an
        answer is read."""
        connections = [self.s.connect() for _ in range(n)]
        for c in connections:
            c.connect()
        body = json.dumps({"inputs": inputs})
        for c in connections:
            c.request("POST", "/v2/models/%s/infer" % model, body)
        answers = []
        for c in connections:
            r = c.getresponse()
            answers.append((r.status, r.headers, json.loads(r.read())))
            c.close()
        return answers

    def wait_for(self, what):
        until = time.monotonic() + 20
        while not what():
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)

    def running(self):
        return self.s.metric("convergo_batches_running") == 1

    def idle(self):
        self.wait_for(lambda: not (self.s.metric("convergo_requests_live") or
                                   self.s.metric("convergo_batches_running")))

    def test_a_full_queue_is_429(self):
        self.idle()
        answers = self.all_at_once(12, "slow", X)
        refused = [a for a in answers if a[0] == 429]
        served = [a for a in answers if a[0] == 200]
        self.assertEqual(len(refused) + len(served), 12)
        self.assertEqual(len(served), 4)  # one runs, three wait
        for a in refused:
            self.assertError(a, 429, "queue", "few")
            self.assertGreaterEqual(int(a[1]["Retry-After"]), 1)

    def test_what_would_be_late_is_504(self):
        self.idle()
        answers = self.all_at_once(40, "quick", X)
        late = [a for a in answers if a[0] == 504]
        self.assertGreater(len(late), 10)
        self.assertGreater(len([a for a in answers if a[0] == 200]), 1)
        self.assertError(late[0], 504, "deadline")
        self.assertGreater(self.s.metric("convergo_requests_dropped_total",
                                         app="tight", reason="deadline"), 10)

    def test_why_it_was_not_served(self):
        """What was given up is not said to have been in time."""
        self.idle()
        answers = self.all_at_once(20, "quick", X)
        dropped = [a for a in answers if a[0] == 504]
        self.assertTrue(dropped)
        for answer in dropped:
            number = re.search(r"request (\d+)", answer[2]["error"]).group(1)
            text = self.s.get("/v1/requests/" + number)[2]["text"]
            self.assertIn("dropped", text)
            self.assertNotIn("in time", text)
            self.assertRegex(text, "before its deadline|after its deadline")

    def test_a_timeout_is_kept(self):
        self.idle()
        c = self.s.connect()
        c.request("POST", "/v2/models/slow/infer", json.dumps({"inputs": X}))
        self.wait_for(self.running)
        began = time.monotonic()
        answer = self.s.infer("slow", X, {"timeout": 40000})
        took = time.monotonic() - began
        self.assertError(answer, 504, "timeout")
        self.assertTrue(0.03 < took < 0.8, took)
        self.assertEqual(c.getresponse().status, 200)
        c.close()

    def test_one_bad_row_spoils_the_request(self):
        self.idle()
        answer = self.s.infer("slow", [fp32("x", [[1] * 16] * 9)])
        self.assertError(answer, 429)
        self.idle()  # the others are cancelled, not run

    def test_clients_that_go_are_cancelled(self):
        self.idle()

        def cancelled():
            return self.s.metric("convergo_requests_total", app="few",
                                 outcome="cancelled")
        before = cancelled()
        body = json.dumps({"inputs": X}).encode()
        request = (b"POST /v2/models/slow/infer HTTP/1.1\r\nHost: x\r\n"
                   b"Content-Length: %d\r\n\r\n" % len(body) + body)
        sockets = [self.s.raw() for _ in range(4)]
        sockets[0].sendall(request)
        self.wait_for(self.running)
        for s in sockets[1:]:
            s.sendall(request)
        self.wait_for(lambda: self.s.metric("convergo_requests_live") == 4)
        for s in sockets[1:]:  # those that wait
            s.close()
        self.wait_for(lambda: cancelled() == before + 3)
        # Their places in the queue are free at once.
        answers = self.all_at_once(3, "slow", X)
        self.assertEqual([a[0] for a in answers], [200] * 3)
        self.assertIn(b" 200 ", sockets[0].recv(4096))
        sockets[0].close()

    def test_health_answers_under_load(self):
        stop = threading.Event()

        def load():
            c = self.s.connect()
            while not stop.is_set():
                self.s.call("POST", "/v2/models/quick/infer", {"inputs": X},
                            connection=c)
            c.close()
        threads = [threading.Thread(target=load) for _ in range(8)]
        for t in threads:
            t.start()
        for _ in range(20):
            began = time.monotonic()
            self.assertEqual(self.s.get("/v2/health/live")[0], 200)
            self.assertLess(time.monotonic() - began, 5)
        stop.set()
        for t in threads:
            t.join()


if __name__ == "__main__":
    unittest.main()
