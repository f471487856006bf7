"""Models of several stages, live: bounds of time, accuracy and energy are kept
at exits, on a CPU and on an emulated device, and the answer is that of the exit
which the reply names."""

import threading
import time
import unittest

import _box
import _server
from _server import fp32

ACCURACY = [0.5, 0.8, 0.9, 0.85]  # the last is worse than the one before
X = [1, 2, 3, 4]
EMULATED = ["{name: npu, kind: npu, backend: emulated}"]


class Exits(_server.Case):
    def server(self, exits, devices=None, apps=(), ms=1.0, order="edf"):
        folder = "%s/%s" % (self.folder, self.id().rsplit(".", 1)[1])
        family = {"nested": (_box.stages(4), ACCURACY)}
        rows = {("nested", d.split("name:")[1].split(",")[0].strip()): ms
                for d in devices} if devices else None
        return self.start(_box.write_box(
            folder, {"fam": family}, devices=devices, rows=rows, apps=apps,
            extra="policy: {name: %s, exits: %s}\n" % (order, exits)))

    def answer(self, s, parameters=None, rows=1):
        """The reply's parameters; its outputs must be those of its exit."""
        status, _, body = s.infer("fam", [fp32("x", [X] * rows)], parameters)
        self.assertEqual(status, 200, body)
        exits = [self.exit_of(body["outputs"][0]["data"][k:k + len(X)])
                 for k in range(0, rows * len(X), len(X))]
        self.assertIn(body["parameters"]["exit"], exits)
        self.assertAlmostEqual(body["parameters"]["accuracy"],
                               min(ACCURACY[exit] for exit in exits))
        return body["parameters"]

    def exit_of(self, answer):
        """Whose answer this is; rows of a call may end at different exits."""
        exit = int(answer[0]).bit_length() - 2
        self.assertEqual(answer, [x * 2 ** (exit + 1) for x in X])
        return exit

    def test_the_exit_that_bounds_allow(self):
        """Each kind of bound; the emulated stage takes 60 ms and 120 mJ."""
        s = self.server("predictive", EMULATED, ms=60)
        for bounds, exit in (
                ({}, 2),
                ({"slo_min_accuracy": 0.5}, 0),
                ({"slo_min_accuracy": 0.8}, 1),
                ({"slo_min_accuracy": 0.85}, 2),
                ({"slo_max_energy_mj": 380}, 2),
                ({"slo_max_energy_mj": 260}, 1),
                ({"slo_deadline_us": 155000}, 1),
                ({"slo_deadline_us": 95000}, 0)):
            with self.subTest(bounds=bounds):
                reply = self.answer(s, bounds)
                self.assertEqual(reply["exit"], exit)
                self.assertTrue(reply["deadline_met"])
                self.assertLess(reply["energy_mj"], 120 * (exit + 1) + 1)
                self.assertTrue(reply["emulated"])

    def test_what_nothing_can_meet_is_said_at_once(self):
        s = self.server("predictive", EMULATED, ms=30)
        self.assertError(
            s.infer("fam", [fp32("x", [X])], {"slo_deadline_us": 20000}), 504,
            "no variant on any device is fast enough", "slo_deadline_us 300")
        self.assertError(
            s.infer("fam", [fp32("x", [X])], {"slo_min_accuracy": 0.95}), 504,
            "no variant is accurate enough", "slo_min_accuracy 0.9")
        self.assertError(
            s.infer("fam", [fp32("x", [X])], {"slo_max_energy_mj": 4}), 504,
            "no variant needs so little energy", "slo_max_energy_mj 4.78")

    def test_on_a_real_device(self):
        s = self.server("predictive")
        for rows in (1, 5):
            self.assertEqual(self.answer(s, rows=rows)["exit"], 2)
            self.assertEqual(
                self.answer(s, {"slo_min_accuracy": 0.8}, rows)["exit"], 1)

    def test_to_the_end(self):
        s = self.server("last")
        self.assertEqual(self.answer(s)["exit"], 3)

    def test_many_at_once(self):
        """Batches that split at exits, with bounds of all kinds among them."""
        s = self.server("predictive",
                        ["{name: npu, kind: npu, backend: emulated, units: 2}"],
                        ms=2)
        failed = []

        def client():
            try:
                for k in range(40):
                    self.answer(s, [{"slo_min_accuracy": 0.5},
                                    {"slo_min_accuracy": 0.8},
                                    {"slo_max_energy_mj": 9},
                                    {}][k % 4], rows=1 + k % 3)
            except AssertionError as e:
                failed.append(str(e))
        self.together(8, client)
        self.assertEqual(failed, [])
        self.assertEqual(s.metric("convergo_queue_length", app="") or 0, 0)

    def test_bounds_that_change_on_the_way(self):
        """A request is changed by the name that its client gave it, while its
        first stage runs; without that it would go to exit 2."""
        s = self.server("predictive", EMULATED, ms=60)
        answers = []

        def client():
            answers.append(s.infer("fam", [fp32("x", [X])], id="job-7"))
        thread = threading.Thread(target=client)
        thread.start()
        time.sleep(0.03)
        status, _, body = s.call("POST", "/v1/requests/job-7",
                                 {"slo_conditions": "exit >= 1"})
        self.assertEqual(status, 200, body)
        thread.join()
        self.assertEqual(answers[0][2]["id"], "job-7")
        self.assertEqual(answers[0][2]["parameters"]["exit"], 1)
        self.assertError(s.call("POST", "/v1/requests/job-7",
                                {"slo_conditions": "always"}), 400,
                         "while it lives")

    def test_a_client_that_goes_away_between_exits(self):
        s = self.server("predictive", EMULATED, ms=30)
        gone = [threading.Thread(target=self.leave, args=(s,))
                for _ in range(4)]
        for t in gone:
            t.start()
        for t in gone:
            t.join()
        self.assertEqual(self.answer(s)["exit"], 2)

    def leave(self, s):
        """Sends a request and hangs up while its second stage runs."""
        c = s.connect(timeout=0.045)
        try:
            s.call("POST", "/v2/models/fam/infer",
                   {"inputs": [fp32("x", [X])]}, connection=c)
        except TimeoutError:
            pass
        c.close()

    def test_a_device_that_fails_on_the_way(self):
        """The first batches of the bad one end well, the next are lost with
        their features: their requests are answered by what they have, or begin
        again on the other."""
        s = self.server("predictive", [
            "{name: bad, kind: npu, backend: emulated,"
            " options: {down_after: 5, down_for: 500ms}}",
            "{name: good, kind: npu, backend: emulated}"], ms=4)
        failed = []

        def client():
            try:
                for _ in range(25):
                    reply = self.answer(s, {"slo_min_accuracy": 0.85})
                    self.assertEqual(reply["exit"], 2)
            except AssertionError as e:
                failed.append(str(e))
        self.together(4, client)
        self.assertEqual(failed, [])

    def test_features_of_a_batch_that_was_lost(self):
        """The device is lost while it computes the second stage: the request is
        answered by what it has, at once, and the device still reads on."""
        wide = _box.stages(2, (-1, 1 << 20))
        s = self.start(_box.write_box(
            self.folder + "/wide", {"fam": {"wide": (wide, [0.5, 0.8])}},
            devices=["{name: npu, kind: npu, backend: emulated,"
                     " options: {down_after: 2, down_for: 100ms}}"],
            rows={("wide", "npu"): 1}))
        for _ in range(3):
            status, _, body = s.infer(
                "fam", [fp32("x", [[1] * (1 << 20)])],
                {"slo_conditions": "never; always"})
            self.assertEqual(status, 200, body["error"] if "error" in body
                             else "")
            exit = body["parameters"]["exit"]
            self.assertEqual(body["outputs"][0]["data"][:2],
                             [2 ** (exit + 1)] * 2)

    def test_inputs_that_a_later_stage_refuses(self):
        """Whoever has an answer by then gets it; who asks for more, 400."""
        shape = (-1, 4)
        first = _box.model(
            [_box.node("Add", ["x", "x"], ["y"]),
             _box.node("Identity", ["x"], ["f"]),
             _box.node("Identity", ["i"], ["j"])],
            [("x", "FP32", shape), ("i", "INT64", shape)],
            [("y", "FP32", shape), ("f", "FP32", shape),
             ("j", "INT64", shape)])
        second = _box.model(
            [_box.node("GatherElements", ["g", "h"], ["y"])],
            [("g", "FP32", shape), ("h", "INT64", shape)],
            [("y", "FP32", shape)])
        s = self.start(_box.write_box(
            self.folder + "/refused",
            {"fam": {"n": ([first, second], [0.5, 0.8])}}))

        def infer(rows, parameters=None):
            return s.infer("fam", [fp32("x", [X] * len(rows)),
                                   _server.int64("i", rows)], parameters)
        good, bad = [0] * 4, [9] * 4
        status, _, body = infer([good])
        self.assertEqual((status, body["parameters"]["exit"]), (200, 1))
        self.assertEqual(body["outputs"][0]["data"], X)
        status, _, body = infer([bad])
        self.assertEqual((status, body["parameters"]["exit"]), (200, 0))
        self.assertEqual(body["outputs"][0]["data"], [2, 4, 6, 8])
        self.assertError(infer([bad], {"slo_min_accuracy": 0.8}), 400,
                         "cannot run the inputs")
        self.assertEqual(
            s.metric("convergo_device_failures_total", device="cpu0"), 0)

    def test_a_guess_of_open_dimensions_is_no_proof(self):
        """Loading tries stages on zeros; open dimensions are guessed."""
        weights = _box.field(5, _box.field(1, 4) + _box.field(1, 4) +
                             _box.field(2, 1) + _box.field(8, "w") +
                             _box.field(9, _box.floats([1.0] * 16)))
        first = _box.model([_box.node("Add", ["x", "x"], ["y"]),
                            _box.node("Add", ["x", "x"], ["f"])],
                           [("x", "FP32", (-1, -1))],
                           [("y", "FP32", (-1, -1)), ("f", "FP32", (-1, -1))])
        second = _box.model([_box.node("MatMul", ["g", "w"], ["y"])],
                            [("g", "FP32", (-1, -1))],
                            [("y", "FP32", (-1, 4))], weights)
        s = self.start(_box.write_box(
            self.folder + "/open", {"fam": {"n": ([first, second],
                                                  [0.5, 0.8])}}))
        self.assertEqual(s.infer("fam", [fp32("x", [[1] * 4])])[2]
                         ["outputs"][0]["data"], [8.0] * 4)

    def test_more_than_wait_at_exits(self):
        """Many with conditions, each in more of a hurry than the last."""
        s = self.server("predictive",
                        ["{name: npu, kind: npu, backend: emulated}"],
                        apps=["{name: a, family: fam, queue: 2}"], ms=20)
        statuses = []

        def client(k):
            statuses.append(s.infer("fam", [fp32("x", [X])], {
                "slo_conditions": "never; always",
                "slo_deadline_us": 60000000 - 100000 * k})[0])
        threads = [threading.Thread(target=client, args=(k,))
                   for k in range(120)]
        for thread in threads:
            thread.start()
            time.sleep(0.005)
        for thread in threads:
            thread.join()
        self.assertEqual(set(statuses) - {200, 429}, set())
        self.assertEqual(s.get("/v2/health/live")[0], 200)


if __name__ == "__main__":
    unittest.main()
