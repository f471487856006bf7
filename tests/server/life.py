"""Starting, draining, stopping, being killed; addresses and sockets."""

import glob
import http.client
import json
import os
import signal
import socket
import subprocess
import threading
import time
import unittest
import unittest.mock

import _box
import _server
from _server import fp32

X = [fp32("x", [[1] * 16])]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Life(_server.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = _box.write_box(
            cls.folder, {"slow": {"slow-1": (_box.identity(), 0.8)},
                         "quick": {"quick-1": (_box.identity(), 0.8)}},
            devices=["{name: npu0, kind: npu, backend: emulated}",
                     "{name: cpu0, kind: cpu, backend: onnxruntime}"],
            rows={("slow-1", "npu0"): 700, ("quick-1", "cpu0"): 0.1},
            extra="policy: {name: edf}\n")

    def run_it(self, *options):
        return subprocess.run(
            [_server.CONVERGO, "serve", *options], capture_output=True,
            text=True, timeout=60)

    def later(self, s, answers, path="/v2/models/slow/infer"):
        def one():
            try:
                answers.append(s.call("POST", path, {"inputs": X}))
            except (OSError, http.client.HTTPException) as e:
                answers.append(e)
        t = threading.Thread(target=one)
        t.start()
        return t

    def test_ready_soon(self):
        began = time.monotonic()
        s = _server.Server(self.box)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual(s.get("/v2/health/ready")[0], 200)
        self.assertEqual(s.stop(), 0)

    def test_the_runtime_leaves_nothing_behind(self):
        """It would write a database and a log, and report to its makers."""
        home = os.path.join(self.folder, "home")
        os.mkdir(home)
        own = dict.fromkeys(("HOME", "XDG_CACHE_HOME", "TMPDIR"), home)
        with unittest.mock.patch.dict(os.environ, own):
            s = _server.Server(self.box)
        self.assertEqual(s.infer("quick", X)[0], 200)
        self.assertEqual(os.listdir(home), [])
        self.assertEqual(glob.glob("/tmp/*-%d.log" % s.process.pid), [])
        self.assertEqual(s.stop(), 0)

    def test_where_a_setting_comes_from(self):
        """The command line, else the environment, else the box, else a
        default."""
        def settings(*options, **variables):
            done = subprocess.run(
                [_server.CONVERGO, "serve", self.box, "--print-config",
                 *options], capture_output=True, text=True, timeout=60,
                env={**os.environ, **variables})
            self.assertEqual(done.returncode, 0, done.stderr)
            return {line.split()[0]: line.split(None, 2)[1:]
                    for line in done.stdout.splitlines()}
        plain = settings()
        self.assertEqual(plain["policy"], ["edf", "box"])
        self.assertEqual(plain["http"], ["127.0.0.1:8000", "default"])
        self.assertEqual(plain["max-body"], ["64MiB", "default"])
        self.assertEqual(plain["socket"], ["off", "default"])
        changed = settings("--seed", "7", CONVERGO_SEED="8",
                           CONVERGO_POLICY="fifo", CONVERGO_MAX_BODY="1MiB",
                           CONVERGO_STRICT_READINESS="true")
        self.assertEqual(changed["seed"], ["7", "command line"])
        self.assertEqual(changed["policy"], ["fifo", "environment"])
        self.assertEqual(changed["max-body"], ["1MiB", "environment"])
        self.assertEqual(changed["strict-readiness"], ["true", "environment"])
        self.assertEqual(set(changed), set(plain))

    def test_the_environment_may_be_wrong(self):
        for name, value, text in (
                ("CONVERGO_SEED", "x", "whole number"),
                ("CONVERGO_MAX_BODY", "1", "unit"),
                ("CONVERGO_STRICT_READINESS", "yes", "neither true nor")):
            done = subprocess.run(
                [_server.CONVERGO, "serve", self.box], capture_output=True,
                text=True, timeout=60, env={**os.environ, name: value})
            self.assertEqual(done.returncode, 2)
            self.assertIn(name, done.stderr)
            self.assertIn(text, done.stderr)

    def test_a_service_manager_is_told(self):
        for path, address in ((self.folder + "/notify", None),
                              ("@convergo-%d" % os.getpid(), True)):
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
                manager.bind(path if address is None else "\0" + path[1:])
                manager.settimeout(20)
                os.environ["NOTIFY_SOCKET"] = path
                try:
                    s = _server.Server(self.box)
                finally:
                    del os.environ["NOTIFY_SOCKET"]
                told = [manager.recv(100), manager.recv(100)]
                self.assertEqual(s.stop(), 0)
                while told[-1] != b"STOPPING=1":
                    told.append(manager.recv(100))
            self.assertEqual(told[0], b"READY=1")
            self.assertEqual(set(told[1:-1]), {b"WATCHDOG=1"})

    def test_drain(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            s = _server.Server(self.box)
            kept = s.connect()
            s.call("GET", "/v2", connection=kept)
            answers = []
            t = self.later(s, answers)
            time.sleep(0.2)
            s.process.send_signal(number)
            time.sleep(0.1)
            with self.assertRaises(OSError):  # no new connections
                s.get("/v2")
            t.join()
            self.assertEqual(answers[0][0], 200)
            self.assertEqual(answers[0][1]["Connection"], "close")
            self.assertEqual(s.process.wait(10), 0)
            self.assertIn("event=drain", s.stderr())
            kept.close()
            s.stop()

    def test_drain_that_takes_too_long(self):
        s = _server.Server(self.box, "--exit-timeout-secs", "0")
        answers = []
        t = self.later(s, answers)
        time.sleep(0.2)
        s.process.send_signal(signal.SIGTERM)
        self.assertEqual(s.process.wait(10), 3)
        t.join()
        # Told, not cut off.
        self.assertError(answers[0], 503, "stopping")
        self.assertEqual(answers[0][1]["Connection"], "close")
        s.stop()

    def test_all_who_wait_are_told(self):
        s = _server.Server(self.box, "--exit-timeout-secs", "0")
        answers = []
        threads = [self.later(s, answers) for _ in range(100)]
        until = time.monotonic() + 20
        while s.metric("convergo_requests_live") + len(answers) < 100:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.01)
        s.process.send_signal(signal.SIGTERM)
        self.assertEqual(s.process.wait(10), 3)
        for t in threads:
            t.join()
        # A batch may have ended meanwhile.
        told = [a[0] for a in answers].count(503)
        self.assertEqual(told + [a[0] for a in answers].count(200), 100)
        self.assertGreater(told, 0)
        self.assertIn("%d requests were not finished" % told, s.stderr())
        s.stop()

    def test_metrics_to_the_end_of_a_drain(self):
        s = _server.Server(self.box)
        answers = []
        t = self.later(s, answers)
        time.sleep(0.2)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        self.assertEqual(s.metric("convergo_requests_live"), 1)
        t.join()
        self.assertEqual(s.process.wait(10), 0)
        self.assertEqual(answers[0][0], 200)
        s.stop()

    def test_a_hung_device_holds_up_nobody(self):
        """Its calls have been answered: they are not lost, nor waited for."""
        box = _box.write_box(
            self.folder + "/hung", {"fam": {"one": (_box.identity(), 0.8)}},
            devices=["{name: npu0, kind: npu, backend: emulated, "
                     "options: {hang_after: 0}}",
                     "{name: cpu0, kind: cpu, backend: onnxruntime}"],
            rows={("one", "npu0"): 1, ("one", "cpu0"): 50},
            extra="policy: {name: edf}\n")
        s = _server.Server(box)
        answer = s.infer("fam", X)  # after 5 s the engine tries elsewhere
        self.assertEqual(answer[0], 200)
        self.assertEqual(answer[2]["parameters"]["device"], "cpu0")
        began = time.monotonic()
        self.assertEqual(s.stop(), 0)
        self.assertLess(time.monotonic() - began, 5)
        self.assertNotIn("drain_timeout", s.stderr())

    def test_second_signal_is_now(self):
        s = _server.Server(self.box)
        answers = []
        t = self.later(s, answers)
        time.sleep(0.2)
        s.process.send_signal(signal.SIGTERM)
        time.sleep(0.1)
        s.process.send_signal(signal.SIGTERM)
        self.assertEqual(s.process.wait(5), 3)
        t.join()
        s.stop()

    def test_killed_under_load(self):
        """Nothing is left behind: the same addresses can be used at once."""
        path = self.folder + "/sock"
        port, metrics = free_port(), free_port()
        options = dict(http="127.0.0.1:%d" % port,
                       metrics="127.0.0.1:%d" % metrics)
        for _ in range(3):
            s = _server.Server(self.box, "--socket", path, **options)
            answers, threads = [], []
            for k in range(16):
                threads.append(self.later(
                    s, answers,
                    "/v2/models/%s/infer" % ("slow", "quick")[k % 2]))
            time.sleep(0.1)
            s.process.kill()
            s.process.wait()
            for t in threads:
                t.join()
            s.stop()
        s = _server.Server(self.box, "--socket", path, **options)
        self.assertEqual(s.infer("quick", X)[0], 200)
        self.assertEqual(s.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_unix_socket(self):
        path = self.folder + "/s2"
        s = _server.Server(self.box, "--socket", path, http="off")
        self.assertEqual(os.stat(path).st_mode & 0o777, 0o660)
        c = http.client.HTTPConnection("localhost")
        c.sock = socket.socket(socket.AF_UNIX)
        c.sock.connect(path)
        c.request("POST", "/v2/models/quick/infer", json.dumps({"inputs": X}))
        self.assertEqual(c.getresponse().status, 200)
        c.close()
        again = self.run_it(self.box, "--http", "off", "--metrics", "off",
                            "--socket", path)
        self.assertEqual(again.returncode, 1)
        self.assertIn("another server", again.stderr)
        self.assertEqual(s.stop(), 0)
        self.assertFalse(os.path.exists(path))

    def test_a_port_in_use(self):
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            address = "127.0.0.1:%d" % taken.getsockname()[1]
            done = self.run_it(self.box, "--http", address)
        self.assertEqual(done.returncode, 1)
        self.assertIn(address, done.stderr)
        self.assertIn("in use", done.stderr)

    def test_wrong_usage(self):
        for options, text in (
                ([], "which box"), ([self.box, "--nothing"], "--nothing"),
                ([self.box, "--http"], "--http"),
                ([self.box, "--http", "nonsense"], "nonsense"),
                ([self.box, "--policy", "edff"], "edf"),
                ([self.box, "--max-body", "7"], "--max-body"),
                ([self.box, "--seed", "x"], "x"),
                ([self.box, self.box], "one box"),
                (["/none/box.yaml"], "/none/box.yaml")):
            done = self.run_it(*options)
            self.assertIn(done.returncode, (1, 2), options)
            if options != ["/none/box.yaml"]:
                self.assertEqual(done.returncode, 2, options)
            self.assertIn(text, done.stderr)
        done = self.run_it("--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--max-body", done.stdout)

    def test_no_device_at_all(self):
        """Nothing could ever be served: it says why and does not pretend."""
        dead = "{name: %s, kind: npu, backend: emulated, options: {no: 1}}"
        families = {"fam": {"one": (_box.identity(), 0.8)}}
        box = _box.write_box(self.folder + "/dead", families,
                             devices=[dead % "npu0", dead % "npu1"])
        done = self.run_it(box, "--http", "127.0.0.1:0", "--metrics", "off")
        self.assertEqual(done.returncode, 1)
        self.assertNotIn("ready", done.stdout)
        self.assertIn("no device can be opened", done.stderr)
        self.assertIn("no option 'no'", done.stderr)
        box = _box.write_box(
            self.folder + "/half", families,
            devices=[dead % "npu0", "{name: cpu0, kind: cpu, "
                     "backend: onnxruntime}"])
        s = _server.Server(box)
        self.assertEqual(s.infer("fam", X)[0], 200)
        self.assertEqual(s.stop(), 0)

    def test_what_is_wrong_in_a_box_has_its_place(self):
        families = {"fam": {"one": (_box.identity(), 0.8)}}
        good = _box.write_box(self.folder + "/bad", families)
        with open(good) as file:
            text = file.read()
        for old, new, place, words in (
                ("models: models", "models: modelz", "2:9", "modelz: no model"),
                ("models: models\n", "", "1:1", "'models' is missing"),
                ("apps: []", "apps: []\npolicy: {name: nope}", "10:16",
                 "policy: unknown policy 'nope'; known: fifo"),
                ("provider: CPU", "provider: CUDAA", "6:61", "'CUDA'")):
            self.assertIn(old, text)
            box = self.folder + "/bad/spoilt.yaml"
            _box.write(box, text.replace(old, new))
            done = self.run_it(box, "--http", "127.0.0.1:0")
            self.assertEqual(done.returncode, 2, done.stderr)
            self.assertIn("%s:%s: " % (box, place), done.stderr)
            self.assertIn(words, done.stderr)

    def test_what_looks_wrong_in_a_box_is_logged(self):
        box = _box.write_box(
            self.folder + "/odd", {"fam": {"one": (_box.identity(), 0.8)}},
            devices=["{name: cpu0, kind: cpu, backend: onnxruntime}",
                     "{name: gpu0, kind: gpu, backend: emulated, "
                     "profile: typo}"], rows={("one", "cpu0"): 1})
        s = _server.Server(box)
        self.assertIn("nothing can run on device 'gpu0'", s.stderr())
        self.assertEqual(s.stop(), 0)

    def test_a_missing_model(self):
        folder = self.folder + "/missing"
        box = _box.write_box(
            folder, {"fam": {"one": (_box.identity(), 0.8),
                             "two": (b"no model at all", 0.9)},
                     "gone": {"gone-1": (b"", 0.9)}},
            extra="policy: {name: edf}\n")
        s = _server.Server(box)
        self.assertEqual(s.get("/v2/health/ready")[0], 503)
        self.assertEqual(s.get("/v2/health/live")[0], 200)
        self.assertEqual(s.infer("fam", X)[0], 200)
        self.assertEqual(s.infer("fam", X)[2]["parameters"]["variant"], "one")
        self.assertError(s.infer("two", X), 503, "two")
        self.assertError(s.infer("gone", X), 503, "gone")
        index = {m["name"]: m for m in
                 s.call("POST", "/v2/repository/index")[2]}
        self.assertEqual(index["two"]["state"], "UNAVAILABLE")
        self.assertNotEqual(index["two"]["reason"], "")
        self.assertEqual(s.stop(), 0)


if __name__ == "__main__":
    unittest.main()
