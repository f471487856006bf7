"""The demo in short form: it runs, its report is whole and honest, and policy
convergo is not worse than the others. How good the policies are is measured by
the demo itself and by simulation, not here: this machine may be busy."""
import json
import os
import subprocess
import unittest

SOURCE = os.environ["CONVERGO_SOURCE"]
POLICIES = ["convergo", "edf", "accuracy-first", "throughput-first"]


class Demo(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        if not os.path.exists(SOURCE + "/datasets/fashion-test.bin"):
            raise unittest.SkipTest("no datasets: scripts/setup makes them")
        env = dict(os.environ, DEMO_SECONDS="4")
        run = subprocess.run([SOURCE + "/scripts/demo"], cwd=SOURCE, env=env,
                             capture_output=True, text=True, timeout=100)
        cls.code, cls.out, cls.err = run.returncode, run.stdout, run.stderr
        with open(SOURCE + "/out/demo/report.json", encoding="utf-8") as file:
            cls.reports = json.load(file)

    def test_it_ends_well(self):
        self.assertEqual(self.code, 0, self.err)

    def test_one_report_for_each_policy(self):
        self.assertEqual([r["policy"] for r in self.reports], POLICIES)
        for report in self.reports:
            self.assertEqual(report["schema"], "convergo.report/1")
            self.assertEqual(report["mode"], "live")
            self.assertEqual(report["parts"]["order"], report["policy"])

    def test_every_request_is_accounted_for(self):
        for report in self.reports:
            n = report["requests"]
            self.assertGreater(n["offered"], 500)
            self.assertEqual(n["offered"], n["served"] + n["dropped"] +
                             n["rejected"] + n["failed"])
            self.assertEqual(n["failed"], 0)

    def test_all_four_kinds_are_judged(self):
        for report in self.reports:
            for kind in ("deadline", "accuracy", "throughput", "energy",
                         "joint"):
                self.assertIsInstance(report["slo"][kind], float, kind)
                self.assertTrue(0 <= report["slo"][kind] <= 1)

    def test_answers_are_real(self):
        accuracy = self.reports[0]["accuracy"]
        self.assertAlmostEqual(accuracy["measured"], accuracy["effective"],
                               delta=0.04)

    def test_emulated_devices_say_so(self):
        for report in self.reports:
            self.assertTrue(all(d["emulated"] for d in report["devices"]))
        self.assertIn("EMULATED", self.out)

    def test_convergo_is_not_worse(self):
        if any(r["generator"]["behind"] for r in self.reports):
            self.skipTest("the load generator fell behind: a busy machine")
        best = max(r["slo"]["joint"] for r in self.reports[1:])
        self.assertGreaterEqual(self.reports[0]["slo"]["joint"], best - 0.02)


if __name__ == "__main__":
    unittest.main()
