"""Accuracy scaling, live: what a device holds follows demand, and a solver that
fails is told of while serving goes on."""

import time
import unittest

import _box
import _server
from _server import fp32

X = [fp32("x", [[1] * 16])]
APP = ("{name: faces, family: fam, slo: {deadline: 400ms, accuracy: 0.9},"
       " accuracy_over: window, relax: [accuracy]}")


class Scaling(_server.Case):
    def server(self, devices, policy, apps, rows=None):
        folder = "%s/%s" % (self.folder, self.id().rsplit(".", 1)[1])
        variants = {"good": (_box.identity(), 0.9),
                    "fast": (_box.identity(), 0.7)}
        return self.start(_box.write_box(
            folder, {"fam": variants}, devices=devices, rows=rows, apps=apps,
            extra="policy: {%s}\n" % policy))

    def flood(self, s, threads, seconds):
        """Closed loops: who answered, when, and how."""
        answers, end = [], time.monotonic() + seconds

        def client():
            c = s.connect()
            while time.monotonic() < end:
                status, _, body = s.call(
                    "POST", "/v2/models/fam/infer", {"inputs": X}, connection=c)
                answers.append((status, body.get("parameters", {})))
            c.close()
        self.together(threads, client)
        return answers

    def test_the_variant_follows_demand(self):
        """One device that holds one variant: the accurate one at ease, the fast
        one when more comes than that could serve, and back."""
        s = self.server(
            ["{name: npu, kind: npu, backend: emulated, resident: 1}"],
            "name: convergo, period: 300ms, smoothing: 300ms", [APP],
            rows={("good", "npu"): 80, ("fast", "npu"): 2})
        first = s.infer("fam", X)
        self.assertEqual(first[2]["parameters"]["variant"], "good")
        answers = self.flood(s, threads=24, seconds=4)
        late = [p["variant"] for status, p in answers[len(answers) // 2:]
                if status == 200]
        self.assertGreater(late.count("fast"), 0.9 * len(late))
        deadline = time.monotonic() + 15
        variant = "fast"
        while variant != "good" and time.monotonic() < deadline:
            time.sleep(0.3)
            variant = s.infer("fam", X)[2]["parameters"]["variant"]
        self.assertEqual(variant, "good")
        self.assertGreater(s.metric("convergo_plans_total"), 3)
        self.assertGreaterEqual(
            s.metric("convergo_device_loads_total", device="npu"), 2)

    def test_a_solver_that_fails(self):
        """Eighteen types of devices are too many for `dp`: it says so, and
        serving goes on."""
        devices = ["{name: d%d, kind: npu, backend: emulated, resident: 1}" % i
                   for i in range(18)]
        s = self.server(devices, "allocation: dp, order: edf, period: 100ms",
                        [APP])
        answers = self.flood(s, threads=2, seconds=1.5)
        self.assertEqual({status for status, _ in answers}, {200})
        self.assertGreater(s.metric("convergo_plans_failed_total"), 0)
        self.assertEqual(s.metric("convergo_plans_total"), 0)
        log = s.stderr()
        self.assertEqual(log.count("event=plan_failed"), 1)
        self.assertIn("too many devices of too many types for 'dp'", log)


if __name__ == "__main__":
    unittest.main()
