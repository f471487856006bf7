"""Infer: JSON and binary, both ways; identifiers, parameters, explanations,
and the rules for errors."""

import json
import math
import struct
import threading
import unittest

import _box
import _server
from _server import fp32

ROW = [0.5, -1, 2, 3.25, 1e-7, 1e10, 0.1, 7, 8, 9, 10, 11, 12, 13, 14, 15]


def f32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


def binary_body(inputs, blobs, **more):
    head = json.dumps({"inputs": inputs, **more}).encode()
    return head + b"".join(blobs), {
        "Inference-Header-Content-Length": str(len(head)),
        "Content-Type": "application/octet-stream"}


def split(headers, body):
    n = int(headers["Inference-Header-Content-Length"])
    return json.loads(body[:n]), body[n:]


class Infer(_server.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        families = {
            "fam": {"low": (_box.identity(), 0.8),
                    "high": (_box.identity(), 0.9)},
            "pair": {"pair-1": (_box.sum_and_copy(), 0.7)},
            "open": {"open-1": (_box.identity(shape=(-1, -1)), 0.7)},
        }
        for t in ("INT8", "INT16", "INT32", "INT64", "UINT8", "UINT16",
                  "UINT32", "UINT64", "FP64", "BOOL", "FP16"):
            families["t-" + t] = {
                "v-" + t: (_box.identity(t, (-1, 3)), 0.5)}
        cls.s = cls.start(_box.write_box(
            cls.folder, families,
            apps=["{name: door, family: fam, slo: {deadline: 5s}}",
                  "{name: yard, family: fam}", "{name: sum, family: pair}"]),
            "--policy", "edf")

    def test_json(self):
        status, headers, body = self.s.infer("fam", [fp32("x", [ROW])],
                                             id="my \"id\" \u00e9")
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(body["model_name"], "fam")
        self.assertEqual(body["model_version"], "1")
        self.assertEqual(body["id"], "my \"id\" \u00e9")
        out = body["outputs"][0]
        self.assertEqual((out["name"], out["datatype"], out["shape"]),
                         ("y", "FP32", [1, 16]))
        self.assertEqual([f32(x) for x in out["data"]], [f32(x) for x in ROW])
        p = body["parameters"]
        self.assertIn(p["variant"], ("low", "high"))
        self.assertEqual((p["device"], p["emulated"], p["exit"]),
                         ("cpu0", False, 0))
        self.assertTrue(p["deadline_met"])
        for key in ("accuracy", "energy_mj", "queue_us", "run_us"):
            self.assertIsInstance(p[key], (int, float))
        self.assertNotIn("id", self.s.infer("fam", [fp32("x", [ROW])])[2])

    def test_a_variant_is_exactly_that_one(self):
        for name, accuracy in (("low", 0.8), ("high", 0.9)):
            body = self.s.infer(name, [fp32("x", [ROW])])[2]
            self.assertEqual(body["model_name"], name)
            self.assertEqual(body["parameters"]["variant"], name)
            self.assertAlmostEqual(body["parameters"]["accuracy"], accuracy)

    def test_accuracy_bound_rules_variants_out(self):
        for _ in range(5):
            p = self.s.infer("fam", [fp32("x", [ROW])],
                             {"slo_min_accuracy": 0.85})[2]["parameters"]
            self.assertEqual(p["variant"], "high")

    def test_rows_are_joined_in_order(self):
        rows = [[i + k / 16 for k in range(16)] for i in range(100)]
        status, _, body = self.s.infer("fam", [fp32("x", rows)])
        self.assertEqual(status, 200)
        self.assertEqual(body["outputs"][0]["shape"], [100, 16])
        self.assertEqual(body["outputs"][0]["data"],
                         [x for row in rows for x in row])
        one = self.s.infer("fam", [fp32("x", rows[:1])])[2]["parameters"]
        self.assertGreater(body["parameters"]["energy_mj"],
                           2 * one["energy_mj"])

    def test_rows_of_a_call_run_together(self):
        """None of them starts alone while the others are on their way in."""
        body = self.s.infer("fam", [fp32("x", [ROW] * 8)])[2]
        first = int(body["parameters"]["request_id"])
        for row in range(8):
            why = self.s.get("/v1/requests/%d" % (first + row))[2]
            self.assertEqual(why["chosen"]["batch"], 8)

    def test_a_reply_tells_of_the_row_that_ended_last(self):
        """One row at a time on each of two devices: nothing in it is of
        different rows, but the sum of the energies."""
        folder = self.folder + "/two"
        box = _box.write_box(
            folder, {"fam": {"low": (_box.identity(), 0.8)}},
            devices=["{name: npu0, kind: npu, backend: emulated}",
                     "{name: npu1, kind: npu, backend: emulated}"],
            rows={("low", "npu0"): 50, ("low", "npu1"): 80},
            extra="policy: {name: fifo}\n")
        with open(folder + "/profile.csv") as file:
            lines = [x for x in file if ",32," not in x]
        _box.write(folder + "/profile.csv", "".join(lines))
        s = _server.Server(box)
        answer = s.infer("fam", [fp32("x", [ROW] * 3)])[2]["parameters"]
        rows = [s.get("/v1/requests/%d" % (int(answer["request_id"]) + k))[2]
                for k in range(3)]
        self.assertEqual({r["chosen"]["device"] for r in rows},
                         {"npu0", "npu1"})
        # Rows arrived one after the other, microseconds apart.
        last = max(rows, key=lambda r: r["finished_ms"])
        self.assertEqual(answer["device"], last["chosen"]["device"])
        self.assertAlmostEqual(answer["queue_us"], last["started_ms"] * 1e3,
                               delta=1)
        self.assertAlmostEqual(
            answer["queue_us"] + answer["run_us"], last["finished_ms"] * 1e3,
            delta=2)
        self.assertAlmostEqual(answer["energy_mj"], sum(
            r["chosen"]["energy_mj"] for r in rows), places=3)
        self.assertEqual(s.stop(), 0)

    def test_row_limit(self):
        self.assertEqual(
            self.s.infer("fam", [fp32("x", [ROW] * 256)])[0], 200)
        self.assertError(self.s.infer("fam", [fp32("x", [ROW] * 257)]), 400,
                         "257 rows", "256")

    def test_two_inputs_two_outputs(self):
        a, b = [[1, 2, 3, 4]], [[10, 20, 30, 40]]
        body = self.s.infer("pair", [fp32("b", b), fp32("a", a)])[2]
        self.assertEqual([o["name"] for o in body["outputs"]],
                         ["total", "copy"])
        self.assertEqual(body["outputs"][0]["data"], [11, 22, 33, 44])
        body = self.s.infer("pair", [fp32("a", a), fp32("b", b)],
                            outputs=[{"name": "copy"}])[2]
        self.assertEqual([o["name"] for o in body["outputs"]], ["copy"])

    def test_variable_dimension(self):
        for n in (1, 7, 300):
            body = self.s.infer("open", [fp32("x", [[1.5] * n])])[2]
            self.assertEqual(body["outputs"][0]["shape"], [1, n])

    def test_types_in_json(self):
        limits = {"INT8": (-2 ** 7, 2 ** 7 - 1), "UINT8": (0, 255),
                  "INT16": (-2 ** 15, 2 ** 15 - 1), "UINT16": (0, 65535),
                  "INT32": (-2 ** 31, 2 ** 31 - 1), "UINT32": (0, 2 ** 32 - 1),
                  "INT64": (-2 ** 63, 2 ** 63 - 1), "UINT64": (0, 2 ** 64 - 1),
                  "FP64": (-1.7976931348623157e308, 5e-324)}
        for t, (low, high) in limits.items():
            body = self.s.infer("t-" + t, [{
                "name": "x", "shape": [1, 3], "datatype": t,
                "data": [low, 1, high]}])[2]
            self.assertEqual(body["outputs"][0]["data"], [low, 1, high], t)
        body = self.s.infer("t-BOOL", [{
            "name": "x", "shape": [1, 3], "datatype": "BOOL",
            "data": [True, False, 1]}])[2]
        self.assertEqual(body["outputs"][0]["data"], [True, False, True])

    def test_binary_both_ways(self):
        blob = _box.floats(ROW)
        body, headers = binary_body(
            [{"name": "x", "shape": [1, 16], "datatype": "FP32",
              "parameters": {"binary_data_size": len(blob)}}], [blob],
            id="b", parameters={"binary_data_output": True})
        status, headers, data = self.s.call(
            "POST", "/v2/models/fam/infer", body, headers)
        self.assertEqual(status, 200)
        self.assertEqual(headers["Content-Type"], "application/octet-stream")
        head, rest = split(headers, data)
        self.assertEqual(head["id"], "b")
        self.assertEqual(head["outputs"][0]["parameters"],
                         {"binary_data_size": 64})
        self.assertEqual(rest, blob)

    def test_binary_in_json_out_and_the_reverse(self):
        blob = _box.floats(ROW)
        body, headers = binary_body(
            [{"name": "x", "shape": [1, 16], "datatype": "FP32",
              "parameters": {"binary_data_size": 64}}], [blob])
        answer = self.s.call("POST", "/v2/models/fam/infer", body, headers)[2]
        self.assertEqual([f32(x) for x in answer["outputs"][0]["data"]],
                         [f32(x) for x in ROW])
        status, headers, data = self.s.infer(
            "fam", [fp32("x", [ROW])],
            outputs=[{"name": "y", "parameters": {"binary_data": True}}])
        self.assertEqual(split(headers, data)[1], blob)

    def test_binary_outputs_one_by_one(self):
        a, b = _box.floats([1, 2, 3, 4]), _box.floats([5, 6, 7, 8])
        inputs = [{"name": n, "shape": [1, 4], "datatype": "FP32",
                   "parameters": {"binary_data_size": 16}} for n in "ba"]
        body, headers = binary_body(
            inputs, [b, a], outputs=[
                {"name": "copy", "parameters": {"binary_data": True}},
                {"name": "total", "parameters": {"binary_data": False}}],
            parameters={"binary_data_output": True})
        status, headers, data = self.s.call(
            "POST", "/v2/models/pair/infer", body, headers)
        head, rest = split(headers, data)
        self.assertEqual(rest, b)
        self.assertEqual(head["outputs"][1]["data"], [6, 8, 10, 12])

    def test_raw_body(self):
        blob = _box.floats(ROW)
        status, headers, data = self.s.call(
            "POST", "/v2/models/fam/infer", blob,
            {"Inference-Header-Content-Length": "0"})
        self.assertEqual(status, 200)
        self.assertEqual(split(headers, data)[1], blob)
        self.assertError(self.s.call(
            "POST", "/v2/models/fam/infer", blob[:-1],
            {"Inference-Header-Content-Length": "0"}), 400, "64 bytes")

    def test_half_precision_is_binary(self):
        blob = struct.pack("<3e", 1, -2, 0.5)
        item = {"name": "x", "shape": [1, 3], "datatype": "FP16",
                "parameters": {"binary_data_size": 6}}
        body, headers = binary_body([item], [blob],
                                    parameters={"binary_data_output": True})
        status, headers, data = self.s.call(
            "POST", "/v2/models/t-FP16/infer", body, headers)
        self.assertEqual(split(headers, data)[1], blob)
        body, headers = binary_body([item], [blob])
        self.assertError(self.s.call(
            "POST", "/v2/models/t-FP16/infer", body, headers), 400, "FP16")

    def test_large_binary_of_many_sizes(self):
        c = self.s.connect()
        for n in (1000, 4096, 16384, 65536, 300001, 1 << 20):
            blob = bytes(bytearray(range(1, 126)) * (n * 4 // 125 + 1))[:n * 4]
            body, headers = binary_body(
                [{"name": "x", "shape": [1, n], "datatype": "FP32",
                  "parameters": {"binary_data_size": n * 4}}], [blob],
                parameters={"binary_data_output": True})
            status, headers, data = self.s.call(
                "POST", "/v2/models/open/infer", body, headers, connection=c)
            self.assertEqual(status, 200)
            self.assertEqual(split(headers, data)[1], blob)
        c.close()

    def test_chunked_body(self):
        c = self.s.connect()
        text = json.dumps({"inputs": [fp32("x", [ROW])]}).encode()
        c.request("POST", "/v2/models/fam/infer",
                  iter([text[:10], text[10:50], text[50:]]),
                  encode_chunked=True,
                  headers={"Transfer-Encoding": "chunked"})
        self.assertEqual(c.getresponse().status, 200)
        c.close()

    def test_explanation(self):
        body = self.s.infer("fam", [fp32("x", [ROW])],
                            {"slo_app": "door"})[2]
        number = body["parameters"]["request_id"]
        why = self.s.get("/v1/requests/" + number)[2]
        self.assertEqual(why["request_id"], number)
        self.assertEqual((why["app"], why["outcome"]), ("door", "served"))
        self.assertEqual(why["chosen"]["variant"],
                         body["parameters"]["variant"])
        self.assertEqual(why["chosen"]["device"], "cpu0")
        self.assertAlmostEqual(why["asked"]["deadline_ms"], 5000)
        self.assertGreater(why["finished_ms"], why["started_ms"])
        self.assertIn("cpu0", why["text"])
        self.assertError(self.s.get("/v1/requests/999999999"), 404)
        self.assertError(self.s.get("/v1/requests/abc"), 400)
        self.assertError(self.s.get("/v1/requests/99999999999999999999999"),
                         400)

    def test_whose_request_it_is(self):
        def app_of(model, parameters=None):
            body = self.s.infer(model, [fp32("x", [ROW])], parameters)[2]
            number = body["parameters"]["request_id"]
            return self.s.get("/v1/requests/" + number)[2]["app"]
        self.assertEqual(app_of("fam"), "best-effort/fam")
        self.assertEqual(app_of("low"), "best-effort/fam")
        self.assertEqual(app_of("fam", {"slo_app": "yard"}), "yard")
        body = self.s.infer("pair", [fp32("a", [[0] * 4]),
                                     fp32("b", [[0] * 4])])[2]
        number = body["parameters"]["request_id"]
        self.assertEqual(self.s.get("/v1/requests/" + number)[2]["app"],
                         "sum")
        self.assertError(self.s.infer("fam", [fp32("x", [ROW])],
                                      {"slo_app": "gate"}),
                         400, "gate", "door", "yard")
        self.assertError(self.s.infer("fam", [fp32("x", [ROW])],
                                      {"slo_app": "sum"}),
                         400, "sum", "pair", "door")

    def test_what_nothing_can_meet(self):
        answer = self.s.infer("fam", [fp32("x", [ROW])],
                              {"slo_min_accuracy": 0.99})
        self.assertError(answer, 504, "slo_min_accuracy 0.9")
        answer = self.s.infer("fam", [fp32("x", [ROW])],
                              {"slo_deadline_us": 10})
        self.assertError(answer, 504, "slo_deadline_us 1000")
        answer = self.s.infer("low", [fp32("x", [ROW])],
                              {"slo_max_energy_mj": 0.001})
        self.assertError(answer, 504, "slo_max_energy_mj")
        # Each names bounds that can be met.
        self.assertEqual(self.s.infer("fam", [fp32("x", [ROW])], {
            "slo_min_accuracy": 0.9})[0], 200)

    def test_wrong_requests(self):
        x = fp32("x", [ROW])
        for inputs, parts in (
                ([], ("'fam'", "'x'", "missing")),
                ([dict(x, name="z")], ("'z'", "'x'")),
                ([dict(x, datatype="INT8")], ("'x'", "FP32", "INT8")),
                ([dict(x, shape=[1, 15])], ("[-1,16]", "[1,15]")),
                ([dict(x, shape=[16])], ("[-1,16]", "[16]")),
                ([dict(x, data=ROW[:-1])], ("16", "15")),
                ([dict(x, data=ROW + [1])], ("16", "more")),
                ([x, x], ("twice",))):
            self.assertError(self.s.infer("fam", inputs), 400, *parts)

    def test_many_clients_at_once(self):
        failures = []

        def client(k):
            c = self.s.connect()
            for i in range(30):
                rows = [[k * 1000 + i] * 16] * (1 + i % 3)
                status, _, body = self.s.call(
                    "POST", "/v2/models/fam/infer",
                    {"id": "%d-%d" % (k, i), "inputs": [fp32("x", rows)]},
                    connection=c)
                if (status != 200 or body["id"] != "%d-%d" % (k, i) or
                        set(body["outputs"][0]["data"]) != {k * 1000 + i}):
                    failures.append((status, body))
            c.close()
        threads = [threading.Thread(target=client, args=(k,))
                   for k in range(16)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(failures, [])
        self.assertEqual(self.s.metric("convergo_requests_live"), 0)
        self.assertEqual(self.s.metric("convergo_requests_bytes"), 0)


if __name__ == "__main__":
    unittest.main()
