"""Devices that fail: requests go elsewhere, or are told so; the server lives.
The faults are options of emulated devices."""

import json
import threading
import time
import unittest

import _box
import _server
from _server import fp32, int64

X = [fp32("x", [[1] * 16])]
CPU = "{name: cpu0, kind: cpu, backend: onnxruntime}"


def npu(options, name="npu0"):
    return ("{name: %s, kind: npu, backend: emulated, options: {%s}}" %
            (name, options))


class Faults(_server.Case):
    def server(self, *devices, rows=None, options=()):
        folder = "%s/%s" % (self.folder, self.id().rsplit(".", 1)[1])
        box = _box.write_box(
            folder, {"fam": {"one": (_box.identity(), 0.8)}},
            devices=list(devices), rows=rows,
            extra="policy: {name: edf}\n")
        return self.start(box, *options)

    def many(self, s, n, threads=4):
        answers = []

        def client():
            c = s.connect()
            for _ in range(n // threads):
                answers.append(s.call("POST", "/v2/models/fam/infer",
                                      {"inputs": X}, connection=c))
            c.close()
        self.together(threads, client)
        return answers

    def test_batches_fail_and_go_elsewhere(self):
        # By its profile the CPU is so slow that it is asked only in need.
        s = self.server(npu("fail_after: 5"), CPU,
                        rows={("one", "npu0"): 1, ("one", "cpu0"): 50})
        answers = self.many(s, 80)
        self.assertEqual([a[0] for a in answers], [200] * 80)
        self.assertGreater(s.metric("convergo_device_failures_total",
                                    device="npu0"), 0)
        self.assertIn("batch_failed", s.stderr())

    def test_a_large_answer_after_a_long_wait(self):
        """The time to take it begins when it is there."""
        width = 2 << 20
        box = _box.write_box(
            self.folder + "/large",
            {"fam": {"one": (_box.identity(shape=(-1, width)), 0.8)}},
            devices=[npu("")], rows={("one", "npu0"): 2500},
            extra="policy: {name: edf}\n")
        s = self.start(box, "--body-timeout-secs", "2")
        head = json.dumps({
            "inputs": [{"name": "x", "shape": [1, width], "datatype": "FP32",
                        "parameters": {"binary_data_size": 4 * width}}],
            "parameters": {"binary_data_output": True}}).encode()
        c = s.connect()
        c.request("POST", "/v2/models/fam/infer", head + bytes(4 * width),
                  {"Inference-Header-Content-Length": str(len(head))})
        r = c.getresponse()
        time.sleep(1.3)
        data = r.read()
        c.close()
        self.assertEqual(r.status, 200)
        self.assertGreater(len(data), 4 * width)

    def test_nowhere_to_go(self):
        s = self.server(npu("fail_after: 3"))
        answers = self.many(s, 3, threads=1)
        self.assertEqual([a[0] for a in answers], [200] * 3)
        answer = s.call("POST", "/v2/models/fam/infer", {"inputs": X},
                        {"X-Request-ID": "of-a-client"})
        self.assertError(answer, 500, "device failed")
        self.assertRegex(s.stderr(), 'event=request_failed '
                         'x_request_id="of-a-client" error=".*device failed')
        # It is left alone now; who cannot wait is told.
        answer = s.infer("fam", X, {"timeout": 100000})
        self.assertError(answer, 504, "timeout")
        self.assertEqual(s.get("/v2/health/live")[0], 200)

    def test_a_device_goes_down(self):
        s = self.server(npu("down_after: 5"), CPU,
                        rows={("one", "npu0"): 1, ("one", "cpu0"): 50})
        answers = self.many(s, 80)
        self.assertEqual([a[0] for a in answers], [200] * 80)
        self.assertEqual(s.metric("convergo_device_up", device="npu0"), 0)
        self.assertEqual(s.metric("convergo_device_up", device="cpu0"), 1)
        self.assertEqual(s.get("/v2/health/ready")[0], 200)
        self.assertIn("event=device_down device=npu0", s.stderr())

    def test_strict_readiness(self):
        s = self.server(npu("down_after: 1"), CPU,
                        rows={("one", "npu0"): 1, ("one", "cpu0"): 2},
                        options=["--strict-readiness"])
        self.assertEqual(s.get("/v2/health/ready")[0], 200)
        self.many(s, 20)
        self.assertEqual(s.get("/v2/health/ready")[0], 503)

    def test_the_only_device_goes_down_and_comes_back(self):
        s = self.server(npu("down_after: 3, down_for: 900ms"))
        self.many(s, 2, threads=1)
        answers = []
        lost = threading.Thread(
            target=lambda: answers.append(s.infer("fam", X)))
        lost.start()
        time.sleep(0.2)
        self.assertEqual(s.get("/v2/health/ready")[0], 503)
        until = time.monotonic() + 5
        while s.get("/v2/health/ready")[0] != 200:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        lost.join()  # it was asked for again
        self.assertEqual(answers[0][0], 200)
        self.assertEqual(self.many(s, 1, threads=1)[0][0], 200)

    def test_a_load_fails(self):
        s = self.server(npu("fail_load: 1"), CPU,
                        rows={("one", "npu0"): 1, ("one", "cpu0"): 50})
        self.assertEqual(s.get("/v2/health/ready")[0], 200)
        answers = self.many(s, 8)
        self.assertEqual([a[0] for a in answers], [200] * 8)
        self.assertEqual({a[2]["parameters"]["device"] for a in answers},
                         {"cpu0"})

    def test_the_only_load_fails(self):
        s = self.server(npu("fail_load: 1"))
        self.assertEqual(s.get("/v2/health/ready")[0], 503)
        self.assertEqual(s.infer("fam", X, {"timeout": 200000})[0] // 100, 5)
        # An operator tries again.
        self.assertEqual(
            s.call("POST", "/v2/repository/models/fam/load")[0], 200)
        self.assertEqual(s.infer("fam", X)[0], 200)
        self.assertEqual(s.get("/v2/health/ready")[0], 200)

    def test_what_a_model_cannot_run_is_its_clients_fault(self):
        """Whatever a client sends, the device stays up for the others."""
        for kind, device in (("real", CPU), ("emulated", npu("")),):
            s = self.start(_box.write_box(
                "%s/inputs-%s" % (self.folder, kind),
                {"rows": {"rows-1": (_box.look_up(), 0.8)},
                 "odd": {"odd-1": (_box.non_zero(), 0.8)},
                 "fam": {"one": (_box.identity(), 0.8)}},
                devices=[device], extra="policy: {name: edf}\n"))

            def look(*index):
                return s.infer("rows", [fp32("x", [[1, 2, 3, 4]]),
                                        int64("i", [list(index)])])
            good = [0, 0, 0, 0]
            self.assertEqual(look(*good)[0], 200)
            bad = look(0, 99, 0, 0)
            self.assertError(bad, 400, "'rows'", "request 2",
                             "GatherElements")
            self.assertError(
                s.infer("odd", [fp32("x", [[1, 2, 3, 4]])]), 500, "'y'",
                "1 rows")
            why = s.get("/v1/requests/2")[2]
            self.assertEqual((why["outcome"], why["attempts"]),
                             ("failed", 1))
            self.assertEqual(s.metric("convergo_device_up"), 1)
            self.assertEqual(s.infer("fam", X)[0], 200)
            # One bad row is an error for its call, and for no other call.
            answers = {"good": set(), "bad": set()}

            def client(kind, index):
                for _ in range(25):
                    answers[kind].add(look(*index)[0])
            threads = [threading.Thread(target=client, args=a) for a in
                       [("good", good)] * 6 + [("bad", [0, 99, 0, 0])] * 2]
            for t in threads:
                t.start()
            for t in threads:
                t.join()
            self.assertEqual(answers, {"good": {200}, "bad": {400}})
            self.assertError(s.infer("rows", [
                fp32("x", [[1, 2, 3, 4]] * 5),
                int64("i", [good] * 2 + [[0, 99, 0, 0]] + [good] * 2)]), 400)
            self.assertEqual(s.metric("convergo_device_up"), 1)
            self.assertEqual(s.metric("convergo_requests_live"), 0)
            self.assertNotIn("batch_failed", s.stderr())


if __name__ == "__main__":
    unittest.main()
