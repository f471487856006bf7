"""convergo plan: its answers on small boxes, its JSON, its words, and what it
refuses."""

import glob
import json
import os
import re
import subprocess
import tempfile
import unittest

CONVERGO = os.environ["CONVERGO"]
SOURCE = os.environ["CONVERGO_SOURCE"]

BOX = """\
version: 1
profiles: [profile.csv]
variants: [variants.csv]
devices:
  - {name: d0, kind: npu, backend: emulated}
  - {name: d1, kind: cpu, backend: emulated, units: 2}
families:
  - {name: f, metric: top1, variants: [small, large]}
apps:
  - {name: a, family: f, slo: {deadline: 50ms, accuracy: 0.8}}
  - {name: b, family: f, slo: {deadline: 90ms, throughput: 20/s}}
"""
PROFILE = """\
variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,source
small,0,d0,1,4,,,,1,0,made up
large,0,d0,1,10,,,,2,0,made up
small,0,d1,1,16,,,,5,0,made up
"""
VARIANTS = """\
variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,sparsity,source
small,0,0.7,top1,d,0,1,1,0,made up
large,0,0.9,top1,d,0,1,1,0,made up
"""
WORKLOAD = """\
version: 1
duration: 20s
apps:
  - {app: a, arrivals: {process: poisson, rate: 40/s}}
  - {app: b, arrivals: {process: poisson, rate: 20/s}}
"""

# One Edge TPU, three models, the rates of mix A3 of Ibis' validation (ACM TAAS
# 18(1), 2023): what its formulas predict, and what was measured.
TPU_BOX = """\
version: 1
profiles: [profile.csv]
variants: [variants.csv]
devices:
  - {name: tpu, kind: tpu, backend: emulated, switch: {fixed: 1ms, per_mib: 1ms}}
families:
  - {name: f1, metric: top1, variants: [efficientnet-l]}
  - {name: f2, metric: top1, variants: [inception-v3]}
  - {name: f3, metric: top1, variants: [inception-v4]}
apps:
  - {name: one, family: f1, slo: {deadline: 2s}}
  - {name: two, family: f2}
  - {name: three, family: f3, slo: {deadline: 2s}}
"""
TPU_PROFILE = """\
variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,source,switch_ms
efficientnet-l,0,tpu,1,42.18,,,,1,0,Ibis,17.53
inception-v3,0,tpu,1,62.95,,,,1,0,Ibis,19.39
inception-v4,0,tpu,1,125.13,,,,1,0,Ibis,19.43
"""
TPU_VARIANTS = VARIANTS.splitlines()[0] + """
efficientnet-l,0,0.8,top1,d,0,1,1,0,made up
inception-v3,0,0.8,top1,d,0,1,1,0,made up
inception-v4,0,0.8,top1,d,0,1,1,0,made up
"""
TPU_WORKLOAD = """\
version: 1
duration: 60s
apps:
  - {app: one, arrivals: {process: poisson, rate: 5.022/s}}
  - {app: two, arrivals: {process: poisson, rate: 2.428/s}}
  - {app: three, arrivals: {process: poisson, rate: 1.382/s}}
"""


class Plan(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.write("profile.csv", PROFILE)
        self.write("variants.csv", VARIANTS)
        self.box = self.write("box.yaml", BOX)
        self.workload = self.write("workload.yaml", WORKLOAD)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w") as file:
            file.write(text)
        return path

    def run_plan(self, *args, code=0):
        run = subprocess.run(
            [CONVERGO, "plan", *args],
            capture_output=True,
            text=True,
            timeout=50,
        )
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run

    def plan(self, *args, box=None, workload=None):
        if box is not None:
            self.write("box.yaml", box)
        if workload is not None:
            self.write("workload.yaml", workload)
        run = self.run_plan(self.box, self.workload, "--json", "-", *args)
        return json.loads(run.stdout)


def by_name(rows):
    return {row["name"]: row for row in rows}


class Answers(Plan):
    def test_it_fits(self):
        plan = self.plan()
        self.assertEqual(plan["schema"], "convergo.plan/1")
        self.assertEqual(plan["model"], "exact")
        self.assertIs(plan["feasible"], True)
        self.assertEqual(plan["verdict"], "fits")
        self.assertEqual(plan["bound"], {"joint": 1, "joint_weighted": 1})
        self.assertEqual(plan["breaks"], [])
        self.assertEqual([a["name"] for a in plan["apps"]], ["a", "b"])
        for app in plan["apps"]:
            times = app["predicted_ms"]
            self.assertLess(0, times["mean"])
            self.assertLess(times["mean"], 1.05 * times["p95"])
            self.assertAlmostEqual(
                app["margin"], 1 - times["p95"] / app["slo_ms"], places=5
            )
            self.assertAlmostEqual(
                sum(s["rate"] for s in app["shares"]),
                app["rate_rps"],
                places=4,
            )

    def test_headroom_and_binding(self):
        """a needs d0, 10 ms each; b can go to d1, 2 units of 16 ms."""
        plan = self.plan()
        self.assertEqual(plan["binding"], "d0")
        apps = by_name(plan["apps"])
        self.assertAlmostEqual(apps["a"]["headroom"], 100 / 40, places=4)
        # 0.6 of d0 at 4 ms, and all of d1
        self.assertAlmostEqual(
            apps["b"]["headroom"], (150 + 125) / 20, places=4
        )
        self.assertAlmostEqual(plan["load"], 2.5, places=4)
        self.assertAlmostEqual(plan["load_one"]["factor"], 2.5, places=4)

    def test_one_model_of_the_paper(self):
        self.write("profile.csv", TPU_PROFILE)
        self.write("variants.csv", TPU_VARIANTS)
        paper = self.plan("--model", "paper", box=TPU_BOX,
                          workload=TPU_WORKLOAD)
        self.assertEqual(paper["model"], "paper")
        self.assertAlmostEqual(paper["devices"][0]["rho"], 0.632, places=3)
        mean = [a["predicted_ms"]["mean"] for a in paper["apps"]]
        for got, wanted in zip(mean, [123.87, 151.14, 215.65]):
            self.assertAlmostEqual(got, wanted, delta=0.00501)
        exact = self.plan(box=TPU_BOX, workload=TPU_WORKLOAD)
        for a, b in zip(exact["apps"], mean):
            self.assertLess(abs(a["predicted_ms"]["mean"] / b - 1), 0.05)
            self.assertNotEqual(a["predicted_ms"]["mean"], b)
        self.assertIsNone(by_name(exact["apps"])["two"]["slo_ms"])

    def test_too_much(self):
        plan = self.plan(workload=WORKLOAD.replace("40/s", "400/s"))
        self.assertIs(plan["feasible"], False)
        self.assertLess(plan["bound"]["joint"], 1)
        self.assertEqual(plan["binding"], "d0")
        (broken,) = plan["breaks"]
        self.assertEqual((broken["app"], broken["kind"]), ("a", "deadline"))
        # small instead of large; or 100/s
        self.assertEqual(broken["nearest"]["throughput_rps"], 100)
        self.assertEqual(plan["pieces"][0]["feasible"], False)

    def test_each_kind_by_itself(self):
        cases = [
            ("deadline: 50ms, accuracy: 0.8", "deadline: 9ms, accuracy: 0.8",
             "deadline", {"deadline_ms": 10, "accuracy": 0.7}),
            ("accuracy: 0.8", "accuracy: 0.95", "accuracy",
             {"accuracy": 0.9}),
            ("accuracy: 0.8", "accuracy: 0.8, energy: 1.5mJ", "accuracy",
             {"accuracy": 0.7, "energy_mj": 2}),
        ]
        for old, new, kind, nearest in cases:
            with self.subTest(kind=kind):
                plan = self.plan(box=BOX.replace(old, new))
                self.assertIs(plan["feasible"], False)
                (broken,) = plan["breaks"]
                self.assertEqual((broken["app"], broken["kind"]), ("a", kind))
                self.assertEqual(broken["nearest"], nearest)
                # A time to compare with is there all the same.
                times = plan["apps"][0]["predicted_ms"]
                self.assertGreater(times["mean"], 0)

    def test_what_is_named_is_feasible(self):
        short = BOX.replace("deadline: 50ms", "deadline: 9ms")
        nearest = self.plan(box=short)["breaks"][0]["nearest"]
        for value, fits in ((nearest["deadline_ms"], True),
                            (nearest["deadline_ms"] * 0.99, False)):
            box = BOX.replace("deadline: 50ms", f"deadline: {value}ms")
            self.assertIs(self.plan(box=box)["feasible"], fits)

    def test_events_are_pieces(self):
        plan = self.plan(workload=WORKLOAD + """\
events:
  - {at: 5s, app: a, rate: 300/s}
  - {at: 10s, app: a, rate: 40/s}
  - {at: 12s, device: d0, state: down, for: 3s}
  - {at: 16s, app: b, slo: {deadline: 10ms}}
""")
        pieces = plan["pieces"]
        self.assertEqual(
            [(p["from_s"], p["until_s"], p["feasible"]) for p in pieces],
            [(0, 5, True), (5, 10, False), (10, 12, True), (12, 15, False),
             (15, 16, True), (16, 20, True)])
        (worst,) = [p for p in pieces if p["worst"]]
        self.assertEqual(worst["from_s"], 12)  # without d0 nothing of a
        self.assertGreater(plan["bound"]["joint"],
                           worst["bound"]["joint"])
        self.assertIs(plan["feasible"], False)

    def test_device_that_is_down_cannot_serve(self):
        plan = self.plan(workload=WORKLOAD + """\
events: [{at: 0s, device: d0, state: down}]
""")
        (broken,) = plan["breaks"]
        self.assertEqual(broken["app"], "a")
        # d1 has the small one only
        self.assertEqual(broken["nearest"], {"accuracy": 0.7})

    def test_trace(self):
        rows = ["arrival_ms,app"]
        rows += [f"{i * 25},a" for i in range(400)]
        rows += [f"{10000 + i * 2.5},a" for i in range(1000)]
        self.write("trace.csv", "\n".join(rows) + "\n")
        run = self.run_plan(self.box, os.path.join(self.folder, "trace.csv"),
                            "--json", "-")
        plan = json.loads(run.stdout)
        self.assertIs(plan["feasible"], False)
        self.assertIs(plan["pieces"][0]["feasible"], True)
        self.assertIs(plan["pieces"][-1]["feasible"], False)
        self.assertTrue(any("trace" in n for n in plan["notes"]))

    def test_states_have_a_peak(self):
        plan = self.plan(workload=WORKLOAD.replace(
            "{process: poisson, rate: 40/s}",
            "{process: mmpp, rates: [10/s, 200/s], stay: [4s, 500ms]}"))
        self.assertIs(plan["feasible"], True)
        self.assertIs(plan["peak"]["feasible"], False)
        self.assertTrue(any("states" in n for n in plan["notes"]))
        self.assertIsNone(self.plan(workload=WORKLOAD)["peak"])

    def test_app_without_arrivals(self):
        plan = self.plan(workload=WORKLOAD[:WORKLOAD.index("  - {app: b")])
        silent = by_name(plan["apps"])["b"]
        self.assertEqual(silent["rate_rps"], 0)
        self.assertIsNone(silent["predicted_ms"]["mean"])
        self.assertEqual(silent["shares"], [])
        self.assertIs(plan["feasible"], True)
        words = self.run_plan(self.box, self.workload).stdout
        self.assertIn("No arrivals are described for b.", words)

    def test_the_same_every_time(self):
        self.assertEqual(self.plan(), self.plan())


class Words(Plan):
    def test_they_say_the_same(self):
        words = self.run_plan(self.box, self.workload).stdout
        self.assertIn("CARRIES this workload", words)
        self.assertIn("What binds first is d0", words)
        self.assertRegex(words, r"\n  a +40 +50")
        self.write("workload.yaml", WORKLOAD.replace("40/s", "400/s"))
        words = self.run_plan(self.box, self.workload).stdout
        self.assertIn("does NOT carry this workload", words)
        self.assertIn("a breaks by its deadline", words)
        self.assertIn("a rate of 100/s", words)

    def test_every_example(self):
        for box in sorted(glob.glob(SOURCE + "/examples/*/box.yaml")):
            folder = os.path.dirname(box)
            for workload in sorted(glob.glob(folder + "/*.yaml")):
                if workload == box:
                    continue
                with self.subTest(workload=workload):
                    run = self.run_plan(box, workload)
                    self.assertEqual(run.stderr, "")
                    for line in run.stdout.splitlines():
                        if not line.startswith("  "):
                            self.assertLessEqual(len(line), 79)
                    self.assertNotRegex(run.stdout, r"\bnan\b|\binf\b|-0\b")
                    # Full boxes: load 1.0 of the examples is all that fits.
                    if os.path.basename(workload) == "steady.yaml":
                        self.assertIn("There is room", run.stdout)
                    if os.path.basename(workload) == "overload.yaml":
                        self.assertIn("does NOT carry", run.stdout)


class Refusals(Plan):
    def test_usage(self):
        for args, text in (
            ((), "give a box and a workload"),
            ((self.box,), "give a box and a workload"),
            ((self.box, self.workload, "x"), "what is 'x'?"),
            ((self.box, self.workload, "--model", "best"),
             "give exact or paper, not 'best'"),
            ((self.box, self.workload, "--modle", "paper"),
             "did you mean --model?"),
            ((self.box, self.workload, "--json"), "--json needs a value"),
        ):
            with self.subTest(args=args):
                self.assertIn(text, self.run_plan(*args, code=2).stderr)

    def test_bad_input_has_a_place(self):
        bad = self.write("bad.yaml", WORKLOAD.replace("app: b", "app: c"))
        self.assertRegex(
            self.run_plan(self.box, bad, code=2).stderr,
            re.escape(bad) + r":5:\d+: ")
        self.write("box.yaml", BOX.replace("kind: npu", "kind: npx"))
        self.assertRegex(
            self.run_plan(self.box, self.workload, code=2).stderr,
            re.escape(self.box) + r":5:\d+: ")

    def test_files_that_cannot_be_written(self):
        path = os.path.join(self.folder, "no", "plan.json")
        self.run_plan(self.box, self.workload, "--json", path, code=2)
        path = os.path.join(self.folder, "plan.json")
        run = self.run_plan(self.box, self.workload, "--json", path)
        self.assertIn("CARRIES", run.stdout)
        with open(path) as file:
            self.assertEqual(json.load(file)["schema"], "convergo.plan/1")

    def test_input_is_not_overwritten(self):
        for path in (self.box, self.workload):
            self.run_plan(self.box, self.workload, "--json", path, code=2)
        self.assertIs(self.plan()["feasible"], True)


if __name__ == "__main__":
    unittest.main()
