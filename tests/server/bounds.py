"""Bounds and conditions: of a request, and changed while the server runs."""

import os
import subprocess
import threading
import time
import unittest

import _box
import _server
from _server import fp32

ROW = [0.0] * 16


class Bounds(_server.Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.box = _box.write_box(
            cls.folder,
            {"fam": {"one": (_box.identity(), 0.8)},
             "slow": {"snail": (_box.identity(), 0.8)}},
            devices=["{name: npu0, kind: npu, backend: emulated}",
                     "{name: npu1, kind: npu, backend: emulated}"],
            apps=["{name: door, family: fam, slo: {deadline: 2s}, "
                  "conditions: [never, always]}",
                  "{name: yard, family: slow}"],
            rows={("one", "npu0"): 1, ("snail", "npu1"): 600})
        cls.record = cls.folder + "/run.rec"
        cls.s = cls.start(cls.box, "--policy", "order=edf,batching=none",
                          "--record", cls.record)

    def app(self, name):
        apps = self.s.get("/v1/apps")[2]["apps"]
        return next(a for a in apps if a["name"] == name)

    def change(self, path, body):
        return self.s.call("POST", path, body)

    # --- of a request -----------------------------------------------------

    def test_conditions_of_a_request(self):
        for text in ("always", "never;response_time > 20ms",
                     "confidence \\u003e= 0.9", "\\u006eever; always"):
            status, _, body = self.s.call(
                "POST", "/v2/models/fam/infer",
                '{"parameters": {"slo_conditions": "%s"}, "inputs": [{"name":'
                ' "x", "shape": [1, 16], "datatype": "FP32", "data": [%s]}]}'
                % (text, ",".join("0" * 16)))
            self.assertEqual(status, 200, body)
            why = self.s.get("/v1/requests/"
                             + body["parameters"]["request_id"])[2]
            self.assertNotIn("conditions", why["asked"])  # it has ended

    def test_what_is_no_condition_is_400(self):
        for value, *words in (
                ("never; response_tme > 2ms", "model 'fam'", "slo_conditions",
                 "column 8", "did you mean 'response_time'"),
                ("", "column 1"), ("always;", "column 8"),
                ("exit == 1 " * 600, "slo_conditions"),
                (7, "string"), (None, "string")):
            self.assertError(
                self.s.infer("fam", [fp32("x", [ROW])],
                             {"slo_conditions": value}), 400, *words)

    # --- of an application ------------------------------------------------

    def test_an_application_changes(self):
        before = self.app("door")
        self.assertEqual(before["conditions"], "never; always")
        self.assertEqual(before["slo"], {"deadline_us": 2000000})
        status, _, now = self.change(
            "/v1/apps/door", {"slo_deadline_us": 1500000,
                              "slo_min_accuracy": 0.5,
                              "slo_max_energy_mj": 900,
                              "slo_conditions": "never;exit==1"})
        self.assertEqual(status, 200)
        self.assertEqual(now["conditions"], "never; exit == 1")
        self.assertEqual(now["slo"], {"deadline_us": 1500000,
                                      "min_accuracy": 0.5,
                                      "max_energy_mj": 900})
        again = self.app("door")
        self.assertEqual((again["slo"], again["conditions"]),
                         (now["slo"], now["conditions"]))
        self.assertEqual(self.s.get("/v1/apps/door")[2]["slo"], now["slo"])
        body = self.s.infer("fam", [fp32("x", [ROW])])[2]
        why = self.s.get("/v1/requests/" + body["parameters"]["request_id"])
        self.assertAlmostEqual(why[2]["asked"]["deadline_ms"], 1500)
        self.assertEqual(now["objective"], "none")
        now = self.change("/v1/apps/door", {"slo_objective": "energy"})[2]
        self.assertEqual(now["objective"], "energy")
        self.assertEqual(now["conditions"], "never; exit == 1")
        now = self.change("/v1/apps/door", {"slo_conditions": None})[2]
        self.assertIsNone(now["conditions"])
        self.assertEqual(now["slo"]["deadline_us"], 1500000)
        now = self.change("/v1/apps/door", {"slo_deadline_us": 2000000})[2]
        self.assertIsNone(now["conditions"])
        self.change("/v1/apps/door", {"slo_conditions": "never; always"})
        self.assertIn('app="door",kind="energy"', self.s.metrics())

    def test_what_cannot_change(self):
        change = self.change
        self.assertError(change("/v1/apps/gate", {"slo_deadline_us": 1}), 404,
                         "gate")
        for body, *words in (
                ({"slo_deadline": 5}, "slo_deadline", "did you mean",
                 "slo_deadline_us"),
                ({"slo_app": "yard"}, "unknown key"),
                ({}, "nothing is given"), ([], "{"), ("x", "byte"),
                ({"slo_deadline_us": 0}, "between 1"),
                ({"slo_deadline_us": 700000000}, "at most 600000000"),
                ({"slo_deadline_us": "5"}, "slo_deadline_us"),
                ({"slo_deadline_us": None}, "slo_deadline_us"),
                ({"slo_min_accuracy": 1.5}, "between 0 and 1"),
                ({"slo_max_energy_mj": -1}, "slo_max_energy_mj"),
                ({"slo_conditions": "nevr"}, "slo_conditions", "column 1"),
                ({"slo_conditions": 1}, "string"),
                ({"slo_objective": "enrgy"}, "did you mean 'energy'"),
                ({"slo_objective": None}, "slo_objective")):
            for path in ("/v1/apps/yard", ):
                self.assertError(change(path, body), 400, *words)
        self.assertEqual(self.app("yard")["slo"], {})
        self.assertEqual(self.s.call("PUT", "/v1/apps/yard", "{}")[0], 405)

    # --- of a request that is live ----------------------------------------

    def slow(self, answers, parameters=None):
        thread = threading.Thread(target=lambda: answers.append(
            self.s.infer("slow", [fp32("x", [ROW])], parameters)))
        thread.start()
        return thread

    def live(self, known):
        """The id of the newest request, once there is one that is live."""
        end = time.monotonic() + 10
        n = known + 1
        while time.monotonic() < end:
            status, _, why = self.s.get("/v1/requests/%d" % n)
            if status == 200 and not why["ended"]:
                return n
            n += status == 200
            time.sleep(0.01)
        self.fail("no request is live")

    def test_a_request_changes_while_it_waits(self):
        answers, waits = [], []
        first = self.slow(answers)
        id1 = self.live(0)
        second = self.slow(waits, {"slo_conditions": "always"})
        id2 = self.live(id1)
        why = self.s.get("/v1/requests/%d" % id2)[2]
        self.assertEqual(why["asked"]["conditions"], "always")
        status, _, why = self.change("/v1/requests/%d" % id2,
                                     {"slo_conditions": "never; always",
                                      "slo_deadline_us": 30000000})
        self.assertEqual(status, 200)
        self.assertEqual(why["asked"]["conditions"], "never; always")
        self.assertAlmostEqual(why["asked"]["deadline_ms"], 30000)
        why = self.change("/v1/requests/%d" % id2,
                          {"slo_conditions": None})[2]
        self.assertNotIn("conditions", why["asked"])
        for body in ({"x": 1}, {"slo_objective": "energy"}):
            self.assertError(self.change("/v1/requests/%d" % id2, body), 400,
                             "unknown key")
        # It cannot be met any more: its client hears so at once.
        self.change("/v1/requests/%d" % id2, {"slo_deadline_us": 700000})
        second.join(10)
        self.assertEqual(waits[0][0], 504)
        first.join(10)
        self.assertEqual(answers[0][0], 200)
        for number in (id1, id2):
            self.assertError(self.change("/v1/requests/%d" % number,
                                         {"slo_deadline_us": 5}),
                             404, "has ended")
        self.assertError(self.change("/v1/requests/99999999",
                                     {"slo_deadline_us": 5}), 404, "not known")
        self.assertError(self.change("/v1/requests/abc", {}), 400)

    # --- all of it in a record --------------------------------------------

    @classmethod
    def tearDownClass(cls):
        cls.s.stop()
        replay = subprocess.run([_server.CONVERGO, "replay", cls.record],
                                capture_output=True, text=True, timeout=60,
                                check=False)
        assert replay.returncode == 0, replay.stdout + replay.stderr
        assert "bounds" in replay.stdout and "app" in replay.stdout
        os.unlink(cls.record)
        super().tearDownClass()


if __name__ == "__main__":
    unittest.main()
