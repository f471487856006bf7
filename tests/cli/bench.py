"""convergo bench: what it sends, how it counts, and how it judges.

Against a server made for the purpose, whose every reply is known, so that each
number of the report can be; and against the real one. Either may have to wait
for a core: a deadline that is to be kept is far away, one that is to be missed
is over before the server answers.
"""

import asyncio
import json
import os
import re
import signal
import struct
import subprocess
import tempfile
import threading
import time
import unittest

CONVERGO = os.environ["CONVERGO"]
SOURCE = os.environ["CONVERGO_SOURCE"]
ITEM_BYTES = 16


class FakeServer:
    """Speaks just enough of the protocol. `reply(app, parameters, item)` gives
    (seconds to wait, status, JSON or raw bytes); `before` is called first."""

    def __init__(self, apps, reply, report=None):
        self.apps = apps
        self.reply = reply
        self.report = report
        self.seen = []          # (app, parameters, item)
        self.connections = 0
        self.close_after = False
        self.stall = (0, 0)     # (from, length): nothing is answered
        self.first = None
        self.loop = asyncio.new_event_loop()
        self.ready = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()
        self.ready.wait()

    def run(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(
            asyncio.start_server(self.serve, "127.0.0.1", 0, limit=1 << 20))
        self.port = self.server.sockets[0].getsockname()[1]
        self.ready.set()
        self.loop.run_forever()

    def stop(self):
        asyncio.run_coroutine_threadsafe(self.close(), self.loop).result(10)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    async def close(self):
        self.server.close()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def url(self):
        return "http://127.0.0.1:%d" % self.port

    async def serve(self, reader, writer):
        self.connections += 1
        try:
            while await self.exchange(reader, writer):
                pass
        except (asyncio.IncompleteReadError, ConnectionError,
                asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def exchange(self, reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        lines = head.split("\r\n")
        method, path, _ = lines[0].split(" ")
        fields = dict(line.lower().split(": ", 1)
                      for line in lines[1:] if line)
        body = await reader.readexactly(int(fields.get("content-length", 0)))
        if method == "GET":
            status, reply = self.get(path)
        else:
            wait, status, reply = self.infer(path, fields, body)
            await asyncio.sleep(wait)
            await self.sleep_through_stall()
        if reply is None:
            return False
        header = ""
        if isinstance(reply, tuple):    # JSON and binary
            header = "Inference-Header-Content-Length: %d\r\n" % len(reply[0])
            reply = reply[0] + reply[1]
        elif not isinstance(reply, bytes):
            reply = json.dumps(reply).encode()
        if status == 0:
            writer.write(reply)
        else:
            writer.write(("HTTP/1.1 %d X\r\nContent-Length: %d\r\n%s\r\n"
                          % (status, len(reply), header)).encode() + reply)
        await writer.drain()
        return status != 0 and not self.close_after

    async def sleep_through_stall(self):
        since = time.monotonic() - self.first - self.stall[0]
        if 0 <= since < self.stall[1]:
            await asyncio.sleep(self.stall[1] - since)

    def get(self, path):
        if path == "/v1/apps":
            return 200, {"apps": self.apps}
        if path == "/v2/models/stats":
            return 200, {"model_stats": [{"name": "f"}, {"name": "small"},
                                         {"name": "large"}]}
        if path == "/v2/models/f":
            return 200, {"name": "f", "inputs": [
                {"name": "x", "datatype": "UINT8",
                 "shape": [-1, ITEM_BYTES]}]}
        if path == "/v1/report" and self.report is not None:
            return 200, self.report()
        return 404, {"error": "no such thing"}

    def infer(self, path, fields, body):
        if self.first is None:
            self.first = time.monotonic()
        assert path == "/v2/models/f/infer", path
        n = int(fields["inference-header-content-length"])
        request = json.loads(body[:n])
        assert request["inputs"] == [
            {"name": "x", "shape": [1, ITEM_BYTES], "datatype": "UINT8",
             "parameters": {"binary_data_size": ITEM_BYTES}}], request
        item = body[n:]
        assert len(item) == ITEM_BYTES
        parameters = request["parameters"]
        app = parameters.get("slo_app")
        self.seen.append((app, parameters, item))
        return self.reply(app, parameters, item)


def served(variant="small", exit=0, accuracy=0.9, energy=5.0, best=0):
    """A whole reply: 10 scores, the `best` of them the largest."""
    scores = struct.pack("<10f", *[float(i == best) for i in range(10)])
    return json.dumps({
        "model_name": "f", "model_version": "1",
        "parameters": {"variant": variant, "exit": exit, "device": "d",
                       "accuracy": accuracy, "energy_mj": energy,
                       "queue_us": 100, "run_us": 200,
                       "deadline_met": True},
        "outputs": [{"name": "y", "datatype": "FP32", "shape": [1, 10],
                     "parameters": {"binary_data_size": 40}}],
    }).encode(), scores


def app(name, **slo):
    return {"name": name, "family": "f", "weight": 1.0, "slo": slo}


class Fake(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w" if isinstance(text, str) else "wb") as file:
                file.write(text)
        return path

    def start(self, apps, reply, **options):
        server = FakeServer(apps, reply, **options)
        self.addCleanup(server.stop)
        return server

    def bench(self, server, workload, *options, name="w.yaml", code=0):
        """The report, of one run."""
        out = self.path("report.json")
        run = subprocess.run(
            [CONVERGO, "bench", server.url, self.path(name, workload),
             "--json", out, *options],
            capture_output=True, text=True, timeout=50)
        self.assertEqual(run.returncode, code, run.stderr)
        self.output = run.stdout + run.stderr
        if os.path.exists(out):
            with open(out) as file:
                return json.load(file)
        return None

    def app(self, report, name):
        return next(a for a in report["apps"] if a["name"] == name)


def periodic(rate, duration="2s", more=""):
    return ("version: 1\nduration: %s\n%sapps:\n  - {app: a, arrivals: "
            "{process: periodic, rate: %s/s}}\n" % (duration, more, rate))


class Latency(Fake):
    def test_counts_from_the_intended_instant(self):
        server = self.start([app("a", deadline_us=20000000)],
                            lambda *_: (0.040, 200, served()))
        report = self.bench(server, periodic(50))
        latency = report["latency_ms"]
        self.assertEqual(report["requests"]["offered"], 100)
        self.assertEqual(report["requests"]["on_time"], 100)
        self.assertGreaterEqual(latency["p50"], 40)
        self.assertLess(latency["p50"], 200)
        self.assertEqual(report["mode"], "live")
        self.assertAlmostEqual(report["throughput_rps"], 50, delta=0.01)
        self.assertEqual(report["slo"]["deadline"], 1)
        self.assertIsNone(report["slo"]["energy"])

    def test_the_page_is_of_the_same_numbers(self):
        server = self.start([app("a", deadline_us=1000000)],
                            lambda *_: (0, 200, served()))
        page = self.path("page.html")
        report = self.bench(server, periodic(50), "--report", page)
        with open(page) as file:
            text = file.read()
        data = json.loads(re.search('id="data">(.*?)</script>', text)[1])
        (group,) = data["groups"]
        self.assertEqual(group["mode"], "live")
        self.assertAlmostEqual(group["mean"]["latency_ms.p99"],
                               report["latency_ms"]["p99"], 3)
        self.assertEqual(group["apps"][0]["name"], "a")

    def test_a_stall_is_charged_to_all_that_came_during_it(self):
        """The mistake of closed-loop clients: to wait with the server."""
        server = self.start([app("a", deadline_us=100000)],
                            lambda *_: (0, 200, served()))
        server.stall = (0.5, 0.6)
        report = self.bench(server, periodic(100))
        late = report["requests"]["late"]
        # Those that came in the first 500 of the 600 ms were late. How many
        # more were is the machine's doing.
        self.assertGreaterEqual(late, 45)
        self.assertGreater(report["latency_ms"]["max"], 560)
        self.assertGreater(report["generator"]["connections"], 40)

    def test_few_connections_make_requests_wait(self):
        server = self.start([app("a", deadline_us=100000)],
                            lambda *_: (0.040, 200, served()))
        report = self.bench(server, periodic(50, "1s"), "--connections", "1")
        self.assertEqual(report["generator"]["connections"], 1)
        # 50 requests of 40 ms one after the other take 2 s.
        self.assertGreater(report["latency_ms"]["max"], 900)
        self.assertTrue(report["generator"]["behind"])
        self.assertTrue(report["generator"]["full"])
        self.assertIn("all 1 connections were in use", self.output)

    def test_warm_up_is_left_out(self):
        server = self.start([app("a", deadline_us=100000)],
                            lambda *_: (0, 200, served()))
        report = self.bench(server, periodic(100, "2s", "warmup: 500ms\n"))
        self.assertEqual(len(server.seen), 200)
        self.assertTrue(149 <= report["requests"]["offered"] <= 151)
        self.assertEqual(report["duration_s"], 1.5)
        self.assertEqual(report["generator"]["sent"], 200)

    def test_duration_and_load(self):
        server = self.start([app("a")], lambda *_: (0, 200, served()))
        report = self.bench(server, periodic(100, "30s"), "--duration", "1s",
                            "--load", "2.5")
        self.assertEqual(report["requests"]["offered"], 250)
        self.assertEqual(report["load"], 2.5)

    def test_requests_without_any_reply_fail_at_the_end(self):
        server = self.start([app("a", deadline_us=100000)],
                            lambda *_: (30, 200, served()))
        began = time.monotonic()
        report = self.bench(server, periodic(10, "1s"), "--patience", "500ms",
                            code=1)
        # Duration, largest deadline, and the patience.
        self.assertTrue(1.5 < time.monotonic() - began < 15)
        self.assertEqual(report["requests"]["failed"], 10)
        self.assertEqual(report["generator"]["no_reply"], 10)

    def test_what_comes_late_is_late_not_failed(self):
        """The run drains: here 2.5 s after the last deadline."""
        server = self.start([app("a", deadline_us=100000)],
                            lambda *_: (2.6, 200, served()))
        report = self.bench(server, periodic(20, "300ms"))
        self.assertEqual(report["requests"]["failed"], 0)
        self.assertEqual(report["requests"]["late"], 6)
        self.assertGreater(report["latency_ms"]["p50"], 2500)

    def test_a_trickle_of_replies_is_waited_for(self):
        """Patience counts from the last reply, not from the last arrival."""
        server = self.start([app("a")], lambda *_: (0.7, 200, served()))
        report = self.bench(server, periodic(20, "200ms"), "--patience",
                            "2s", "--connections", "1")
        self.assertEqual(report["requests"]["served"], 4)

    def test_nothing_could_run(self):
        """That is no measurement, whatever the reason."""
        for answer in ((503, {"error": "no device that could run it is up and "
                                       "has it loaded"}),
                       (500, {"error": "the device failed"})):
            server = self.start([app("a")], lambda *_: (0, *answer))
            report = self.bench(server, periodic(50, "200ms"), code=1)
            self.assertIn("not one request could be served: status %d: %s" %
                          (answer[0], answer[1]["error"]), self.output)
            self.assertEqual(report["generator"]["unable"], 10)

    def test_one_that_could_run_is_enough(self):
        count = [0]

        def reply(*_):
            count[0] += 1
            return (0, 200, served()) if count[0] == 1 else (0, 500, {})
        self.bench(self.start([app("a")], reply), periodic(20, "200ms"))


class Judging(Fake):
    KINDS = {
        "fine": (200, served()),
        "full": (429, {"error": "the queue of its application is full"}),
        "away": (503, {"error": "no device that could run it is up and has "
                                "it loaded"}),
        "drain": (503, {"error": "the server is draining"}),
        "late": (504, {"error": "its deadline could no longer be met"}),
        "broken": (500, {"error": "the device failed"}),
        "closed": (200, None),
        "garbage": (0, b"SSH-2.0-OpenSSH\r\n\r\n"),
        "nothing": (200, {"outputs": []}),
    }

    def test_classes_of_errors(self):
        server = self.start(
            [app(name, deadline_us=20000000) for name in self.KINDS],
            lambda name, *_: (0, *self.KINDS[name]))
        rows = ["arrival_ms,app"]
        rows += ["%d,%s" % (10 * i, name)
                 for i, name in enumerate(list(self.KINDS) * 5)]
        report = self.bench(server, "\n".join(rows) + "\n", name="t.csv")
        wanted = {"fine": "served", "full": "rejected", "away": "dropped",
                  "drain": "rejected", "late": "dropped", "broken": "failed",
                  "closed": "failed", "garbage": "failed",
                  "nothing": "failed"}
        for name, outcome in wanted.items():
            requests = self.app(report, name)["requests"]
            self.assertEqual(requests["offered"], 5, name)
            self.assertEqual(requests[outcome], 5, name)
            joint = 1 if outcome == "served" else 0
            self.assertEqual(self.app(report, name)["slo"]["joint"], joint)
        self.assertEqual(self.app(report, "full")["reasons"],
                         {"queue_full": 5})
        self.assertEqual(self.app(report, "away")["reasons"],
                         {"unavailable": 5})
        self.assertEqual(self.app(report, "drain")["reasons"],
                         {"draining": 5})
        self.assertEqual(self.app(report, "late")["reasons"], {"deadline": 5})
        self.assertIsNotNone(report["generator"]["first_error"])

    def test_a_connection_closed_while_idle_is_no_failure(self):
        server = self.start([app("a")], lambda *_: (0, 200, served()))
        server.close_after = True
        report = self.bench(server, periodic(100, "1s"))
        self.assertEqual(report["requests"]["served"], 100)
        self.assertGreaterEqual(server.connections, 100)

    def test_connections_are_used_again(self):
        server = self.start([app("a")], lambda *_: (0, 200, served()))
        report = self.bench(server, periodic(200, "1s"))
        most = report["generator"]["connections"]
        self.assertLess(most, 100)
        # Beside those: what is asked before and after the run.
        self.assertLess(server.connections, most + 10)

    def test_accuracy_energy_and_variants(self):
        """Two of three replies are good enough, one of two cheap enough."""
        count = [0]

        def reply(*_):
            count[0] += 1
            n = count[0]
            return 0, 200, served(variant="large" if n % 3 else "small",
                                  accuracy=0.95 if n % 3 else 0.5,
                                  energy=20.0 if n % 2 else 4.0)
        server = self.start([app("a", min_accuracy=0.9, max_energy_mj=10.0)],
                            reply)
        report = self.bench(server, periodic(60, "1s"))
        self.assertAlmostEqual(report["slo"]["accuracy"], 2 / 3, delta=1e-6)
        self.assertAlmostEqual(report["slo"]["energy"], 1 / 2, delta=1e-6)
        self.assertAlmostEqual(report["slo"]["joint"], 1 / 3, delta=1e-6)
        self.assertAlmostEqual(report["accuracy"]["effective"], 0.8)
        self.assertAlmostEqual(report["energy_per_inference_mj"], 12)
        one = report["apps"][0]
        self.assertAlmostEqual(one["variants"]["large"], 2 / 3, delta=1e-6)
        self.assertAlmostEqual(one["exits"]["small/0"], 1 / 3, delta=1e-6)

    def test_throughput_is_judged_by_windows(self):
        """Nothing of the second second: its window is lost, the first not."""
        server = self.start(
            [app("a", throughput_rps=40.0)],
            lambda *_: (0, 200, served()) if len(server.seen) <= 50
            else (0, 503, {"error": "x"}))
        report = self.bench(server, periodic(50))
        # One or two may have overtaken others at the border.
        self.assertTrue(0.45 <= report["slo"]["throughput"] <= 0.5,
                        report["slo"])

    def dataset(self, labels):
        items = b"".join(bytes([label]) * ITEM_BYTES for label in labels)
        return self.path("set.bin", b"CVGDATA1" + struct.pack(
            "<II", len(labels), ITEM_BYTES) + items +
            struct.pack("<%di" % len(labels), *labels))

    def test_labels(self):
        """`a` always answers what its item says, `b` always 3."""
        def reply(name, _, item):
            return 0, 200, served(best=item[0] if name == "a" else 3)
        server = self.start([app("a"), app("b")], reply)
        workload = periodic(200, "1s") + (
            "  - {app: b, arrivals: {process: poisson, rate: 200/s}}\n")
        data = self.dataset([0, 3, 4, 9])
        report = self.bench(server, workload, "--labels", "--dataset", data)
        self.assertEqual(self.app(report, "a")["accuracy"]["measured"], 1)
        items = [item[0] for name, _, item in server.seen if name == "b"]
        share = items.count(3) / len(items)
        self.assertAlmostEqual(self.app(report, "b")["accuracy"]["measured"],
                               share, delta=1e-6)
        self.assertTrue(0.1 < share < 0.4)
        report = self.bench(server, workload, "--dataset", data)
        self.assertIsNone(report["accuracy"]["measured"])
        self.bench(server, workload, "--labels", code=2)
        self.assertIn("no dataset", self.output)

    def test_equal_seeds_send_the_same(self):
        data = self.dataset(list(range(10)) * 20)

        def send(seed):
            server = self.start([app("a")], lambda *_: (0, 200, served()))
            # One connection: the server sees them in the order of sending.
            self.bench(server, periodic(200, "500ms"), "--dataset", data,
                       "--seed", seed, "--connections", "1")
            return [item for _, _, item in server.seen]
        first = send("1")
        self.assertEqual(first, send("1"))
        self.assertNotEqual(first, send("2"))

    def test_parameters_of_a_request(self):
        server = self.start([app("a", deadline_us=50000)],
                            lambda *_: (0.1, 200, served(accuracy=0.85)))
        trace = ("arrival_ms,app,deadline_ms,min_accuracy\n"
                 "0,a,,\n100,a,20000,\n200,a,,0.8\n300,a,20000,0.9\n")
        report = self.bench(server, trace, name="t.csv")
        sent = [dict(p) for _, p, _ in server.seen]
        for parameters in sent:
            self.assertEqual(parameters.pop("slo_app"), "a")
            self.assertTrue(parameters.pop("binary_data_output"))
        self.assertCountEqual(sent, [
            {}, {"slo_deadline_us": 20000000}, {"slo_min_accuracy": 0.8},
            {"slo_deadline_us": 20000000, "slo_min_accuracy": 0.9}])
        self.assertEqual(report["requests"]["on_time"], 2)

    def test_a_trace_is_played_to_its_end_at_any_load(self):
        trace = "arrival_ms,app\n0,a\n400,a\n800,a\n"
        for load, seconds in (("0.5", 1.602), ("2", 0.4005)):
            server = self.start([app("a")], lambda *_: (0, 200, served()))
            report = self.bench(server, trace, "--load", load, name="t.csv")
            self.assertEqual(report["requests"]["offered"], 3)
            self.assertAlmostEqual(report["duration_s"], seconds, 5)

    def test_events_on_rates_and_slos(self):
        server = self.start([app("a", deadline_us=50000)],
                            lambda *_: (0, 200, served()))
        report = self.bench(server, periodic(50) + (
            "events:\n"
            "  - {at: 1s, app: a, rate: 150/s}\n"
            "  - {at: 1500ms, app: a, slo: {deadline: 20ms}}\n"))
        self.assertTrue(195 <= report["requests"]["offered"] <= 205)
        with_bound = [p for _, p, _ in server.seen if "slo_deadline_us" in p]
        self.assertTrue(70 <= len(with_bound) <= 80, len(with_bound))
        self.assertEqual(with_bound[0]["slo_deadline_us"], 20000)

    def test_the_servers_part_since_the_warm_up(self):
        began = time.monotonic()

        def report():
            n = len(server.seen)
            return {"policy": "edf", "parts": {"order": "edf"},
                    "duration_s": time.monotonic() - began,
                    "decision_us": {"p50": 1.5, "p99": 9.0, "max": 10.0,
                                    "count": n},
                    "devices": [{"name": "gpu", "emulated": True,
                                 "utilization": 0.5, "batches": n,
                                 "mean_batch": 1.0, "switches": 3,
                                 "loads": 1, "energy_j": n * 0.01,
                                 "worked_s": 1 + n, "late_share":
                                 (1 + 0.25 * n) / (1 + n)}]}
        server = self.start([app("a")], lambda *_: (0, 200, served()),
                            report=report)
        got = self.bench(server, periodic(100, "2s", "warmup: 1s\n"))
        self.assertEqual(got["policy"], "edf")
        self.assertEqual(got["parts"]["order"], "edf")
        self.assertEqual(got["decision_us"]["p99"], 9.0)
        gpu = got["devices"][0]
        # What was under way when it was asked counts on either side.
        self.assertTrue(80 <= gpu["batches"] <= 120, gpu)
        self.assertEqual(gpu["switches"], 0)
        self.assertEqual(gpu["mean_batch"], 1)
        self.assertAlmostEqual(gpu["utilization"], 0.5, delta=0.01)
        self.assertAlmostEqual(gpu["energy_j"], gpu["batches"] * 0.01,
                               delta=1e-6)
        self.assertEqual(got["energy_j"], gpu["energy_j"])
        self.assertEqual(gpu["worked_s"], gpu["batches"])
        self.assertAlmostEqual(gpu["late_share"], 0.25, delta=1e-4)
        self.assertEqual(got["late_share"], gpu["late_share"])
        self.assertIn("gpu (emulated)", self.output)


class Usage(Fake):
    def check(self, code, text, *arguments):
        run = subprocess.run([CONVERGO, "bench", *arguments],
                             capture_output=True, text=True, timeout=20)
        self.assertEqual(run.returncode, code, run.stderr)
        self.assertIn(text, run.stdout + run.stderr)

    def test_wrong_usage(self):
        box = SOURCE + "/examples/xavier-nx-coral/box.yaml"
        workload = SOURCE + "/examples/xavier-nx-coral/workload.yaml"
        self.check(0, "--labels", "--help")
        self.check(2, "give a box")
        self.check(2, "give a box", box)
        self.check(2, "what is", box, workload, "third")
        self.check(2, "unknown option", box, workload, "--polcy", "edf")
        self.check(2, "needs a value", box, workload, "--policy")
        self.check(2, "edf", box, workload, "--policy", "eddf")
        self.check(2, "--load", box, workload, "--load", "0")
        self.check(2, "--load", box, workload, "--load", "nan")
        self.check(2, "--seed", box, workload, "--seed", "-1")
        self.check(2, "warm-up", box, workload, "--duration", "1s")
        self.check(2, "running server", "http://127.0.0.1:1", workload,
                   "--policy", "edf")
        self.check(2, "port", "http://127.0.0.1", workload)
        self.check(1, "refused", "http://127.0.0.1:1", workload)

    def test_more_than_can_be_sent_is_refused(self):
        """It would only fall behind. Before anything has begun."""
        box = SOURCE + "/examples/xavier-nx-coral/box.yaml"
        text = ("version: 1\nduration: 5s\napps:\n  - {app: door, arrivals: "
                "{process: %s}}\n")
        for process, more, options, place in (
                ("poisson, rate: 1000000000/s", "", (), "4:52"),
                ("poisson, rate: 30/s", "", ("--load", "1e6"), "4:52"),
                ("mmpp, rates: [1/s, 9e8/s], stay: [1s, 1s]", "", (), "4:51"),
                ("poisson, rate: 5/s",
                 "events: [{at: 1s, app: door, rate: 60000/s}]\n", (),
                 "5:36")):
            process = process.replace("9e8", "900000000")
            workload = self.path("w.yaml", text % process + more)
            self.check(2, "%s:%s: " % (workload, place), box, workload,
                       *options)
            self.check(2, "50000/s is the most", box, workload, *options)
        self.check(0, "50000/s", "--help")

    def test_events_on_devices_are_refused(self):
        box = SOURCE + "/examples/xavier-nx-coral/box.yaml"
        workload = self.path("w.yaml", (
            "version: 1\nduration: 5s\napps:\n  - {app: door, arrivals: "
            "{process: poisson, rate: 5/s}}\n"
            "events:\n  - {at: 1s, device: tpu0, state: down}\n"))
        self.check(2, "tpu0", box, workload)


class Real(Fake):
    BOX = SOURCE + "/examples/xavier-nx-coral/box.yaml"
    WORKLOAD = SOURCE + "/examples/xavier-nx-coral/workload.yaml"

    def servers_of(self, pid):
        path = "/proc/%d/task/%d/children" % (pid, pid)
        try:
            with open(path) as file:
                return [int(child) for child in file.read().split()]
        except FileNotFoundError:
            return []

    def alive(self, pid):
        try:
            with open("/proc/%d/stat" % pid) as file:
                return file.read().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_two_policies(self):
        out = self.path("report.json")
        run = subprocess.run(
            [CONVERGO, "bench", self.BOX, self.WORKLOAD, "--labels",
             "--duration", "3s", "--policy", "edf", "--policy",
             "order=fifo,batching=none", "--load", "0.3", "--json", out],
            capture_output=True, text=True, timeout=55)
        self.assertEqual(run.returncode, 0, run.stderr)
        with open(out) as file:
            reports = json.load(file)
        self.assertEqual([r["policy"] for r in reports],
                         ["edf", "order=fifo,batching=none"])
        self.assertIn("all runs", run.stdout)
        for report in reports:
            requests = report["requests"]
            self.assertEqual(
                requests["offered"],
                sum(requests[k] for k in ("served", "dropped", "rejected",
                                          "failed")))
            self.assertGreater(requests["offered"], 70)
            self.assertEqual(requests["failed"], 0,
                             report["generator"]["first_error"])
            self.assertGreater(requests["served"], 50)
            self.assertAlmostEqual(report["accuracy"]["measured"],
                                   report["accuracy"]["effective"], delta=0.1)
            self.assertEqual(len(report["devices"]), 4)
            self.assertTrue(all(d["emulated"] for d in report["devices"]))
            self.assertGreater(report["decision_us"]["count"], 0)
            self.assertGreater(report["energy_j"], 0)
        offered = [a["requests"]["offered"] for r in reports
                   for a in r["apps"]]
        self.assertEqual(offered[:3], offered[3:])  # policies do not matter

    def test_the_server_does_not_outlive_it(self):
        for how in (signal.SIGTERM, signal.SIGKILL):
            bench = subprocess.Popen(
                [CONVERGO, "bench", self.BOX, self.WORKLOAD],
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            until = time.monotonic() + 10
            children = []
            while not children and time.monotonic() < until:
                children = self.servers_of(bench.pid)
                time.sleep(0.05)
            self.assertTrue(children)
            time.sleep(0.5)
            bench.send_signal(how)
            bench.wait()
            until = time.monotonic() + 10
            while self.alive(children[0]) and time.monotonic() < until:
                time.sleep(0.05)
            self.assertFalse(self.alive(children[0]))

    def test_a_server_that_dies(self):
        bench = subprocess.Popen(
            [CONVERGO, "bench", self.BOX, self.WORKLOAD, "--duration", "2500ms",
             "--load", "0.1"], stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 10
        children = []
        while not children and time.monotonic() < until:
            children = self.servers_of(bench.pid)
            time.sleep(0.05)
        time.sleep(0.5)
        os.kill(children[0], signal.SIGKILL)
        error = bench.communicate(timeout=40)[1]
        self.assertEqual(bench.returncode, 1, error)
        # When exactly depends on the machine, and so whether it had written
        # anything yet; what is quoted is one line.
        self.assertRegex(error, r"the server (died during the run|ended before "
                         r"it was ready) \(signal 9\)(: \S.*)?\n$")
        self.assertEqual(error.count("\n"), 1)

    def test_a_box_without_a_device_that_works(self):
        with open(self.BOX) as file:
            text = file.read()
        base = os.path.dirname(self.BOX)
        text = text.replace("models: ", "models: %s/" % base)
        text = text.replace("dataset: ", "dataset: %s/" % base)
        text = re.sub(r"(profiles|variants): \[([a-z.]+)\]",
                      r"\1: [%s/\2]" % base, text)
        text = text.replace("backend: emulated",
                            "backend: emulated\n    options: {nonsense: 1}")
        box = self.path("box.yaml", text)
        run = subprocess.run([CONVERGO, "bench", box, self.WORKLOAD],
                             capture_output=True, text=True, timeout=20)
        self.assertEqual(run.returncode, 1, run.stderr)
        self.assertIn("exit code 1): no device can be opened", run.stderr)
        self.assertIn("nonsense", run.stderr)

    def test_a_server_that_cannot_start(self):
        broken = self.path("box.yaml", "version: 1\n")
        run = subprocess.run([CONVERGO, "bench", broken, self.WORKLOAD],
                             capture_output=True, text=True, timeout=20)
        self.assertEqual(run.returncode, 2)


if __name__ == "__main__":
    unittest.main()
