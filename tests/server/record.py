"""Recorded runs: what the server did is done again, byte for byte; whatever
ended the record, it can be read."""

import json
import os
import resource
import signal
import socket
import struct
import subprocess
import threading
import time
import unittest
import zlib

import _box
import _server
from _server import CONVERGO, fp32

X = [fp32("x", [[1] * 16])]
ROWS = [fp32("x", [[1] * 16] * 3)]
CPU = "{name: cpu0, kind: cpu, backend: onnxruntime, units: 2}"
NPU = ("{name: npu0, kind: npu, backend: emulated, in_flight: 2, "
       "options: {%s}}")
APPS = ["{name: belt, family: fam, slo: {deadline: 60ms, accuracy: 0.85}}",
        "{name: door, family: fam, queue: 40, relax: [energy], "
        "slo: {deadline: 30ms, energy: 9mJ}}",
        "{name: look, family: other}"]


def blocks(data):
    """(kind, payload) of each block of a record, by docs/record.md."""
    magic, version = struct.unpack_from("<8sI", data)
    assert (magic, version) == (b"CVGRECRD", 5)
    at, number = 16, 0
    while at < len(data):
        mark, n, kind, size, crc = struct.unpack_from("<4sIIII", data, at)
        payload = data[at + 24:at + 24 + size]
        assert (mark, n, crc) == (b"CVGB", number, zlib.crc32(payload))
        yield kind, payload
        at += 24 + size
        number += 1


def block(number, kind, payload):
    head = struct.pack("<4sIIII", b"CVGB", number, kind, len(payload),
                       zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def with_policy(data, policy, *parts):
    """The record, as if it had been made under another policy."""
    out = data[:16]
    for number, (kind, payload) in enumerate(blocks(data)):
        if kind == 1:
            at, texts = 0, []
            for _ in range(8):  # all shorter than 128 bytes
                texts.append(payload[at + 1:at + 1 + payload[at]])
                at += 1 + payload[at]
            texts[3:] = [t.encode() for t in (policy, *parts)]
            payload = b"".join(bytes([len(t)]) + t for t in texts) + b"\0" + \
                payload[at + 1:]
        out += block(number, kind, payload)
    return out


def convergo(*words):
    p = subprocess.run([CONVERGO, *words], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, text=True, timeout=60)
    return p.returncode, p.stdout, p.stderr


class Record(_server.Case):
    def setUp(self):
        self.here = "%s/%s" % (self.folder, self.id().rsplit(".", 1)[1])
        os.makedirs(self.here)
        self.file = self.here + "/run.rec"

    def box(self, *devices, policy="convergo"):
        return _box.write_box(
            self.here,
            {"fam": {"one": (_box.identity(), 0.8),
                     "two": (_box.identity(), 0.9)},
             "other": {"three": (_box.identity(), 0.7)}},
            devices=list(devices) or [CPU], apps=APPS,
            rows={("one", "npu0"): 1, ("two", "npu0"): 4, ("three", "npu0"): 2,
                  ("one", "cpu0"): 6, ("two", "cpu0"): 9,
                  ("three", "cpu0"): 5},
            extra="policy: {name: %s}\n" % policy)

    def serve(self, *options, devices=(), policy="convergo"):
        return self.start(self.box(*devices, policy=policy), "--record",
                          self.file, *options)

    def replay(self, *options, code=0):
        """The JSON of a replay."""
        got, out, err = convergo("replay", self.file, "--json", "-", *options)
        self.assertEqual(got, code, out + err)
        return json.loads(out)

    def use(self, s, seconds=1.5):
        """Clients of all apps, some of which leave; an operator."""
        until = time.monotonic() + seconds
        codes = []

        def client(app, model, inputs, more):
            c = s.connect()
            while time.monotonic() < until:
                codes.append(s.call(
                    "POST", "/v2/models/%s/infer" % model,
                    {"inputs": inputs,
                     "parameters": {"slo_app": app, **more}},
                    connection=c)[0])
            c.close()

        def leaver():
            body = json.dumps({"inputs": ROWS,
                               "parameters": {"slo_app": "look"}})
            request = ("POST /v2/models/other/infer HTTP/1.1\r\nHost: x\r\n"
                       "Content-Length: %d\r\n\r\n%s" % (len(body), body))
            while time.monotonic() < until:
                with socket.create_connection(
                        ("127.0.0.1", s.http_port)) as c:
                    c.sendall(request.encode())
                    time.sleep(0.001)
                time.sleep(0.004)

        def operator():
            time.sleep(seconds / 3)
            for what in "unload", "load":
                s.call("POST", "/v2/repository/models/two/" + what)
                time.sleep(seconds / 4)
        threads = [threading.Thread(target=client, args=a) for a in (
            ("belt", "fam", X, {}), ("belt", "fam", ROWS, {}),
            ("belt", "fam", X, {"slo_min_accuracy": 0.99}),
            ("door", "fam", X, {}), ("door", "fam", ROWS, {}),
            ("door", "one", X, {"slo_deadline_us": 5000, "priority": 1}),
            ("door", "fam", X, {"timeout": 2000}), ("look", "other", X, {}))]
        threads += [threading.Thread(target=f) for f in
                    (leaver, leaver, operator)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        return codes

    def test_a_run_is_the_same_again(self):
        for policy in "convergo", "edf":
            self.file = "%s/%s.rec" % (self.here, policy)
            s = self.serve("--seed", "5",
                           devices=[NPU % "down_after: 8, down_for: 200ms",
                                    CPU], policy=policy)
            codes = self.use(s)
            # Some are still there when the end comes.
            late = [threading.Thread(
                target=lambda: codes.append(s.infer("fam", ROWS)[0]))
                for _ in range(8)]
            for t in late:
                t.start()
            time.sleep(0.01)
            self.assertEqual(s.stop(signal.SIGTERM), 0)
            for t in late:
                t.join()
            self.assertIn("event=recorded", s.stderr())
            self.assertIn(200, codes)
            self.assertIn(504, codes)
            found = self.replay()
            self.assertTrue(found["equal"] and found["whole"], found)
            self.assertEqual((found["mode"], found["seed"], found["policy"]),
                             ("live", 5, policy))
            for kind, least in (("arrival", 200), ("done", 50), ("cancel", 1),
                                ("device", 1), ("model", 2), ("loaded", 3),
                                ("drain", 1)):
                self.assertGreaterEqual(found["events"][kind], least, found)
            self.assertGreater(found["actions"]["drop"], 10)
            # It needs nothing but itself.
            os.rename(self.here + "/profile.csv", self.here + "/away")
            code, out, _ = convergo("replay", self.file)
            os.rename(self.here + "/away", self.here + "/profile.csv")
            self.assertEqual(code, 0)
            self.assertIn("every action is the same", out)

    def test_the_first_difference(self):
        s = self.serve(devices=[NPU % "", CPU])
        self.use(s, 0.6)
        self.assertEqual(s.stop(), 0)
        with open(self.file, "rb") as f:
            data = f.read()
        self.assertEqual([kind for kind, _ in blocks(data)][::len(
            list(blocks(data))) - 1], [1, 3])
        with open(self.file, "wb") as f:
            f.write(with_policy(data, "accuracy-first", "none",
                                "accuracy-first", "greedy", "last"))
        found = self.replay(code=1)
        self.assertFalse(found["equal"])
        where = found["difference"]
        self.assertGreater(where["event"], 1)
        self.assertNotEqual(where["expected"], where["got"])
        code, out, _ = convergo("replay", self.file)
        self.assertEqual(code, 1)
        self.assertIn("differs at event %d," % where["event"], out)
        self.assertIn("recorded, action %d: %s" % (
            where["action"], where["expected"]), out)
        self.assertIn("replayed, action %d: %s" % (
            where["action"], where["got"]), out)
        # Why the last request went its way cannot be told any more.
        code, _, err = convergo("explain", self.file,
                                str(found["events"]["arrival"] + 50))
        self.assertEqual(code, 2)
        self.assertIn("decides otherwise from event %d on" % where["event"],
                      err)
        with open(self.file, "wb") as f:
            f.write(with_policy(data, "edf", "none", "fifo", "greedy",
                                "last"))
        code, _, err = convergo("replay", self.file)
        self.assertEqual(code, 2)
        self.assertIn("its policy 'edf' had other parts", err)

    def test_another_policy(self):
        s = self.serve(devices=[NPU % "", CPU])
        self.use(s, 0.6)
        self.assertEqual(s.stop(), 0)
        reports = self.replay("--policy", "fifo")
        self.assertEqual([r["policy"] for r in reports], ["convergo", "fifo"])
        self.assertEqual([r["mode"] for r in reports], ["replay"] * 2)
        offered = [r["requests"]["offered"] + r["requests"]["cancelled"]
                   for r in reports]
        self.assertEqual(offered[0], offered[1])
        self.assertGreater(reports[0]["requests"]["served"], 20)
        self.assertEqual(self.replay("--policy", "fifo"), reports)
        page = os.path.join(os.path.dirname(self.file), "page.html")
        self.replay("--policy", "fifo", "--report", page)
        with open(page) as file:
            self.assertIn('"policy":"fifo"', file.read())
        code, _, err = convergo("replay", self.file, "--report", page)
        self.assertEqual(code, 2)
        code, out, _ = convergo("replay", self.file, "--policy", "fifo")
        self.assertEqual(code, 0)
        self.assertIn("Both are simulated", out)
        code, _, err = convergo("replay", self.file, "--policy", "fido")
        self.assertEqual(code, 2)
        self.assertIn("did you mean 'fifo'?", err)

    def test_why(self):
        s = self.serve(devices=[NPU % "", CPU])
        answer = s.infer("fam", X, {"slo_app": "belt"})[2]["parameters"]
        self.assertEqual(answer["request_id"], "1")
        s.infer("fam", X, {"slo_app": "belt", "slo_min_accuracy": 0.95})
        url = "http://127.0.0.1:%d" % s.http_port
        code, out, _ = convergo("explain", url, "1")
        self.assertEqual(code, 0)
        self.assertIn("Request 1 of application belt", out)
        code, out, _ = convergo("explain", url, "1", "--json", "-")
        live = json.loads(out)
        code, _, err = convergo("explain", url, "77")
        self.assertEqual(code, 2)
        self.assertIn("does not know request 77", err)
        self.assertEqual(s.stop(), 0)
        self.assertEqual(convergo("explain", url, "1")[0], 1)

        code, out, _ = convergo("explain", self.file, "1")
        self.assertEqual(code, 0)
        for part in ("Request 1 of belt arrived", "within 60 ms",
                     "accuracy of 0.85 or more", "it was started: two on npu0 "
                     "(emulated), alone", "not accurate enough", "taken"):
            self.assertIn(part, out)
        code, out, _ = convergo("explain", self.file, "1", "--json", "-")
        why = json.loads(out)
        for key in ("request_id", "app", "asked", "chosen", "outcome",
                    "relaxed", "attempts", "started_ms", "finished_ms"):
            self.assertEqual(why[key], live[key], key)
        ways = {(w["variant"], w["device"]): w for w in why["ways"]}
        self.assertTrue(ways["two", "npu0"]["chosen"])
        self.assertEqual(ways["one", "npu0"]["ruled_out_by"], ["accuracy"])
        self.assertEqual(ways["two", "cpu0"]["ruled_out_by"], [])
        self.assertGreater(ways["two", "cpu0"]["finish_ms"],
                           ways["two", "npu0"]["finish_ms"])
        code, out, _ = convergo("explain", self.file, "2")
        self.assertIn("it was dropped: no variant is accurate enough", out)

    # --- ends ---------------------------------------------------------------

    def test_a_kill_in_mid_run(self):
        s = self.serve(devices=[NPU % "", CPU])
        self.use(s, 1.6)
        s.process.kill()
        s.process.wait()
        self.servers.remove(s)
        s.process.stdout.close()
        s.err_file.close()
        found = self.replay()
        self.assertTrue(found["equal"] and not found["whole"], found)
        self.assertGreater(found["events"]["arrival"], 50)
        code, out, _ = convergo("replay", self.file)
        self.assertIn("it ends early: it was cut off", out)

    def test_the_limit(self):
        s = self.serve("--record-limit", "64KiB")
        for _ in range(4):
            self.use(s, 1)
            if "record_stopped" in s.stderr():
                break
        self.assertIn("event=record_stopped", s.stderr())
        self.assertEqual(s.infer("fam", X, {"slo_app": "look"})[0] // 100, 4)
        self.assertEqual(s.infer("other", X)[0], 200)
        time.sleep(1.2)
        self.assertEqual(s.stderr().count("record_stopped"), 1)
        self.assertGreater(s.metric("convergo_record_lost_steps_total"), 0)
        self.assertEqual(s.stop(), 0)
        self.assertLessEqual(os.path.getsize(self.file), 64 << 10)
        found = self.replay()
        self.assertEqual((found["equal"], found["end"]),
                         (True, "its limit of bytes was reached"))

    def test_a_full_disk(self):
        """A write that fails: what is there stays readable, serving goes on."""
        s = self.serve()
        resource.prlimit(s.process.pid, resource.RLIMIT_FSIZE,
                         (30000, 30000))
        for _ in range(6):
            self.use(s, 1)
            if "record_stopped" in s.stderr():
                break
        time.sleep(1.2)
        self.assertIn("cannot write: File too large", s.stderr())
        self.assertEqual(s.stderr().count("record_stopped"), 1)
        self.assertEqual(s.infer("other", X)[0], 200)
        self.assertGreater(s.metric("convergo_record_lost_steps_total"), 0)
        self.assertEqual(s.stop(), 0)
        self.assertLessEqual(os.path.getsize(self.file), 30000)
        found = self.replay()
        self.assertTrue(found["equal"] and not found["whole"], found)

    def refused(self, code, *parts):
        p = subprocess.run(
            [CONVERGO, "serve", self.box(), "--http", "127.0.0.1:0",
             "--metrics", "off", "--record", self.file],
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            timeout=30)
        self.assertEqual(p.returncode, code, p.stderr)
        for part in parts:
            self.assertIn(part, p.stderr)

    def test_no_file_is_overwritten(self):
        with open(self.file, "w") as f:
            f.write("precious")
        self.refused(2, self.file, "is there already")
        with open(self.file) as f:
            self.assertEqual(f.read(), "precious")
        self.file = self.here + "/no/such/folder"
        self.refused(2, self.file, "No such file")
        self.file = "/dev/full"
        self.refused(1, "/dev/full: cannot write: No space left")

    def test_a_server_that_cannot_start_leaves_no_record(self):
        with open(self.box(), "a") as f:
            f.write("server: {http: nowhere}\n")
        box = self.here + "/box.yaml"
        for options in (["--http", "256.1.1.1:1"], ["--record-limit", "64KiB",
                                                    "--policy", "edv"]):
            code, _, _ = convergo("serve", box, "--record", self.file,
                                  *options)
            self.assertNotEqual(code, 0)
            self.assertFalse(os.path.exists(self.file))

    # --- bad input ----------------------------------------------------------

    def test_bad_records(self):
        s = self.serve()
        self.use(s, 0.5)
        self.assertEqual(s.stop(), 0)
        with open(self.file, "rb") as f:
            good = f.read()
        bad = self.here + "/bad.rec"

        def both(data, *parts):
            with open(bad, "wb") as f:
                f.write(data)
            for words in (["replay", bad], ["explain", bad, "1"],
                          ["replay", bad, "--policy", "edf"]):
                code, _, err = convergo(*words)
                self.assertEqual(code, 2, err)
                for part in (bad, *parts):
                    self.assertIn(part, err)
        both(b"", "no record: an empty file")
        both(b"version: 1\n", "no record")
        both(good[:100], "byte 16: cut off")
        both(good[:400] + b"x" + good[401:], "byte 16: damaged")
        self.assertEqual(convergo("replay", "/nowhere.rec")[0], 2)
        self.assertEqual(convergo("explain", self.file, "1000000")[0], 2)

    def test_usage(self):
        for words in (["replay"], ["replay", "a", "b"], ["replay", "--policy"],
                      ["replay", "a", "--nonsense"], ["explain"],
                      ["explain", "a"], ["explain", "a", "b"],
                      ["explain", "a", "0"], ["explain", "a", "1", "2"],
                      ["explain", "a", "1", "--json"]):
            code, _, err = convergo(*words)
            self.assertEqual(code, 2, words)
            self.assertIn("usage: convergo " + words[0], err)
        for verb in "replay", "explain":
            code, out, _ = convergo(verb, "--help")
            self.assertEqual(code, 0)
            self.assertIn("--json FILE", out)


if __name__ == "__main__":
    unittest.main()
