"""convergo sim: many runs in one call, what it writes, and what it refuses."""

import csv
import json
import os
import re
import signal
import subprocess
import tempfile
import time
import unittest

CONVERGO = os.environ["CONVERGO"]
SOURCE = os.environ["CONVERGO_SOURCE"]
EXAMPLE = os.path.join(SOURCE, "examples/xavier-nx-coral")

BOX = """\
version: 1
profiles: [profile.csv]
variants: [variants.csv]
devices:
  - {name: d0, kind: npu, backend: emulated}
families:
  - {name: f, metric: top1, variants: [small, large]}
apps:
  - {name: a, family: f, slo: {deadline: 50ms, accuracy: 0.8}}
  - {name: b, family: f}
"""
PROFILE = """\
variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,source
small,0,d0,1,4,4,5,6,1,0,made up
small,0,d0,4,10,10,11,12,3,0,made up
large,0,d0,1,8,8,9,10,2,0,made up
"""
VARIANTS = """\
variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,sparsity,source
small,0,0.7,top1,d,0,1,1,0,made up
large,0,0.9,top1,d,0,1,1,0,made up
"""
WORKLOAD = """\
version: 1
duration: 20s
warmup: 2s
apps:
  - {app: a, arrivals: {process: poisson, rate: 40/s}}
  - {app: b, arrivals: {process: poisson, rate: 60/s}}
"""


class Sim(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path("profile.csv", PROFILE)
        self.path("variants.csv", VARIANTS)
        self.box = self.path("box.yaml", BOX)
        self.workload = self.path("workload.yaml", WORKLOAD)

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
        return path

    def run_sim(self, *options, box=None, workload=None, code=0):
        run = subprocess.run(
            [CONVERGO, "sim", box or self.box, workload or self.workload,
             *options], capture_output=True, text=True, timeout=50)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        return run

    def sim(self, *options, **kwargs):
        """The reports, without what depends on the machine."""
        out = self.path("out.json")
        self.run_sim("--json", out, *options, **kwargs)
        with open(out) as file:
            reports = json.load(file)
        for report in reports if isinstance(reports, list) else [reports]:
            del report["decision_us"]
        return reports


class Runs(Sim):
    def test_one_run_is_one_report(self):
        report = self.sim()
        self.assertEqual(report["schema"], "convergo.report/1")
        self.assertEqual(report["mode"], "sim")
        self.assertEqual(report["policy"], "convergo")
        self.assertEqual((report["load"], report["seed"]), (1.0, 1))
        self.assertEqual(report["duration_s"], 18)
        counts = report["requests"]
        self.assertGreater(counts["offered"], 1500)
        self.assertEqual(counts["offered"],
                         counts["served"] + counts["dropped"]
                         + counts["rejected"] + counts["failed"])
        self.assertIsNone(report["slo"]["throughput"])

    def test_order_is_policies_then_loads_then_seeds(self):
        reports = self.sim("--policy", "edf", "--policy=fifo", "--load",
                           "0.5,2", "--seed", "7", "--seeds", "3")
        self.assertEqual(
            [(r["policy"], r["load"], r["seed"]) for r in reports],
            [(p, l, s) for p in ("edf", "fifo") for l in (0.5, 2.0)
             for s in (7, 8, 9)])

    def test_equal_inputs_give_equal_reports(self):
        options = ["--policy", "convergo", "--policy", "edf", "--load",
                   "1,1.5", "--seeds", "4"]
        one = self.sim(*options, "--jobs", "1")
        self.assertEqual(one, self.sim(*options, "--jobs", "7"))
        self.assertNotEqual(one[0]["latency_ms"], one[1]["latency_ms"])
        # A run does not depend on those beside it.
        alone = self.sim("--policy", "edf", "--load", "1.5", "--seed", "3")
        self.assertEqual(alone, one[14])

    def test_record_is_replayed_and_explained(self):
        for policy in ((), ("--policy", "edf")):
            record = self.path("run%d.rec" % len(policy))
            report = self.sim("--record", record, *policy)
            self.assertEqual(report, self.sim(*policy))
            for verb in (("replay", record), ("explain", record, "700")):
                run = subprocess.run([CONVERGO, *verb], capture_output=True,
                                     text=True, timeout=50)
                self.assertEqual(run.returncode, 0, run.stdout + run.stderr)
                if verb[0] == "replay":
                    self.assertIn("every action is the same", run.stdout)
                    self.assertIn(f"sim, policy {report['policy']}, seed 1",
                                  run.stdout)
                    arrivals = int(re.search(r"arrival (\d+)", run.stdout)[1])
                    self.assertGreaterEqual(arrivals,
                                            report["requests"]["offered"])
                else:
                    self.assertIn("Request 700 of ", run.stdout)

    def test_record_never_overwrites_and_is_of_one_run(self):
        record = self.path("kept.rec", "mine")
        run = self.run_sim("--record", record, code=2)
        self.assertIn("kept.rec is there already", run.stderr)
        with open(record) as file:
            self.assertEqual(file.read(), "mine")
        new = self.path("new.rec")
        run = self.run_sim("--record", new, "--seeds", "2", code=2)
        self.assertIn("--record is for one run", run.stderr)
        self.assertFalse(os.path.exists(new))
        run = self.run_sim("--record", "/dev/full", code=1)
        self.assertIn("/dev/full: cannot write", run.stderr)

    def test_arrivals_are_the_same_for_every_policy(self):
        reports = self.sim("--policy", "edf", "--policy", "fifo")
        self.assertEqual(reports[0]["requests"]["offered"],
                         reports[1]["requests"]["offered"])

    def test_table_has_a_row_for_each_policy_and_load(self):
        text = self.run_sim("--policy", "edf", "--policy", "fifo", "--load",
                            "1,2", "--seeds", "2").stdout
        totals, apps = text.split("joint% of each application")
        for part in (totals, apps):
            rows = [line.split()[:3] for line in part.splitlines()
                    if "1-2" in line]
            self.assertEqual(rows, [["edf", "1", "1-2"], ["edf", "2", "1-2"],
                                    ["fifo", "1", "1-2"],
                                    ["fifo", "2", "1-2"]])

    def test_json_to_stdout_leaves_it_alone(self):
        run = self.run_sim("--json", "-")
        self.assertEqual(json.loads(run.stdout)["mode"], "sim")
        self.assertIn("policy convergo (sim)", run.stderr)

    def test_the_bound_stands_beside_what_was_kept(self):
        plain = self.sim("--policy", "edf", "--load", "4")
        self.assertEqual(plain["bound"],
                         {"joint": None, "joint_weighted": None})
        reports = self.sim("--policy", "edf", "--load", "0.5,4", "--bound")
        for report in reports:
            self.assertLessEqual(report["slo"]["joint"],
                                 report["bound"]["joint"] + 0.02)
        self.assertGreater(reports[0]["bound"]["joint"], 0.99)
        self.assertLess(reports[1]["bound"]["joint"], 1)
        reports[1]["bound"] = plain["bound"]
        self.assertEqual(reports[1], plain)
        self.assertIsNotNone(self.sim("--find-load", "joint=0.9", "--bound",
                                      "--duration", "5s")["bound"]["joint"])

    def test_overhead_keeps_devices_waiting(self):
        plain = self.sim("--policy", "fifo")
        slower = self.sim("--policy", "fifo", "--overhead", "1ms")
        self.assertGreater(slower["latency_ms"]["mean"],
                           plain["latency_ms"]["mean"] + 1)

    def test_duration_and_warmup(self):
        report = self.sim("--duration", "40s", "--warmup", "0s")
        self.assertEqual(report["duration_s"], 40)
        trace = self.path("t.csv", "arrival_ms,app\n" + "".join(
            "%d,a\n" % (100 * i) for i in range(100)))
        report = self.sim(workload=trace)
        self.assertEqual(report["requests"]["offered"], 100)
        report = self.sim("--duration", "2s", workload=trace)
        self.assertEqual(report["requests"]["offered"], 20)
        report = self.sim("--duration", "2s", "--load", "2", workload=trace)
        self.assertEqual(report["requests"]["offered"], 40)
        report = self.sim("--duration", "1h", workload=trace)
        self.assertLess(report["duration_s"], 10)


class Requests(Sim):
    def rows(self, *options):
        out = self.path("requests.csv")
        report = self.sim("--warmup", "0s", "--requests", out, *options)
        with open(out) as file:
            return report, list(csv.DictReader(file))

    def test_rows_add_up_to_the_report(self):
        report, rows = self.rows("--load", "1.5", "--policy", "edf")
        counts = report["requests"]
        self.assertEqual(len(rows), counts["offered"])
        self.assertEqual(len({row["id"] for row in rows}), len(rows))
        for outcome in ("served", "dropped", "rejected", "failed"):
            self.assertEqual(sum(r["outcome"] == outcome for r in rows),
                             counts[outcome])
        self.assertGreater(counts["dropped"], 0)
        served = [r for r in rows if r["outcome"] == "served"]
        mean = sum(float(r["latency_ms"]) for r in served) / len(served)
        self.assertAlmostEqual(mean, report["latency_ms"]["mean"], 5)
        accuracy = sum(float(r["accuracy"]) for r in served) / len(served)
        self.assertAlmostEqual(accuracy, report["accuracy"]["effective"], 5)
        app = report["apps"][0]
        of_a = [r for r in rows if r["app"] == "a"]
        self.assertEqual(sum(r["deadline_met"] == "1" for r in of_a),
                         app["requests"]["on_time"])
        for reason, n in app["reasons"].items():
            self.assertEqual(sum(r["reason"] == reason for r in of_a), n)

    def test_a_row_holds_together(self):
        _, rows = self.rows("--load", "1.5", "--policy", "edf")
        for r in rows:
            if r["outcome"] != "served":
                self.assertEqual(r["latency_ms"], "")
                self.assertNotEqual(r["reason"], "")
                continue
            self.assertEqual(r["device"], "d0")
            self.assertEqual(r["accuracy"],
                             {"small": "0.7", "large": "0.9"}[r["variant"]])
            self.assertAlmostEqual(
                float(r["queued_ms"]) + float(r["run_ms"]),
                float(r["latency_ms"]), 5)
            if r["app"] == "a":
                self.assertEqual(float(r["deadline_ms"]), 50)
                self.assertEqual(r["deadline_met"] == "1",
                                 float(r["latency_ms"]) <= 50)
            else:
                self.assertEqual(r["deadline_met"], "")


class FindLoad(Sim):
    def test_it_finds_where_a_policy_fails(self):
        reports = self.sim("--policy", "convergo", "--policy", "fifo",
                           "--seeds", "2", "--find-load", "joint=0.9",
                           "--duration", "60s")
        self.assertEqual([r["policy"] for r in reports],
                         ["convergo"] * 2 + ["fifo"] * 2)
        for i in (0, 2):
            found = reports[i]["find_load"]
            self.assertEqual(found, reports[i + 1]["find_load"])
            self.assertEqual(found["joint"], 0.9)
            self.assertEqual(reports[i]["load"], found["load"])
            mean = sum(r["slo"]["joint"] for r in reports[i:i + 2]) / 2
            self.assertAlmostEqual(found["mean_joint"], mean, 5)
            self.assertGreaterEqual(found["mean_joint"], 0.9)
            self.assertLess(found["mean_joint_there"], 0.9)
            self.assertGreater(found["fails_at"], found["load"])
            self.assertLessEqual(found["fails_at"], 1.005 * found["load"])
        self.assertGreater(reports[0]["find_load"]["load"],
                           reports[2]["find_load"]["load"])

    def test_a_policy_that_never_will_do(self):
        self.path("profile.csv", PROFILE.replace(
            "large,0,d0,1,8,8,9,10", "large,0,d0,1,51,51,51,51"))
        out = self.path("out.json")
        text = self.run_sim("--find-load", "joint=0.9", "--json", out).stdout
        self.assertIn("convergo: below 0.9 at every load", text)
        with open(out) as file:
            found = json.load(file)["find_load"]
        self.assertIsNone(found["load"])
        self.assertGreater(found["fails_at"], 0)

    def test_nobody_asks_for_anything(self):
        box = self.path("free.yaml", BOX.replace(
            ", slo: {deadline: 50ms, accuracy: 0.8}", ""))
        run = self.run_sim("--find-load", "joint=0.9", box=box, code=2)
        self.assertIn("there is no joint rate to look for", run.stderr)


class BadInput(Sim):
    """Exit 2, the place, and nothing is overwritten."""

    def refuse(self, message, *options, **kwargs):
        out = self.path("kept.json", "precious")
        run = self.run_sim("--json", out, *options, code=2, **kwargs)
        self.assertIn(message, run.stderr)
        self.assertEqual(run.stderr.count("error:"), 1)
        self.assertEqual(run.stdout, "")
        with open(out) as file:
            self.assertEqual(file.read(), "precious")
        self.assertEqual([n for n in os.listdir(self.folder) if "tmp" in n],
                         [])

    def bad_workload(self, message, old, new):
        path = self.path("bad.yaml", WORKLOAD.replace(old, new))
        self.refuse(message, workload=path)

    def test_workloads(self):
        self.bad_workload("bad.yaml:5:49: rate: '0/s'", "40/s", "0/s")
        self.bad_workload("bad.yaml:5:49: rate: 'inf/s'", "40/s", "inf/s")
        self.bad_workload("bad.yaml:5:49: rate: '1e999/s'", "40/s", "1e999/s")
        self.bad_workload("bad.yaml:5:11: app: unknown app 'c'", "app: a",
                          "app: c")

    def test_traces(self):
        for text, message in [
                ("5,a\n3,a\n", "t.csv:3:1: arrival_ms: '3' is before"),
                ("5,a\n6,nobody\n", "t.csv:3:3: app: unknown app 'nobody'"),
                ("5,a\n1e300,a\n", "t.csv:3:1: ")]:
            trace = self.path("t.csv", "arrival_ms,app\n" + text)
            self.refuse(message, workload=trace)

    def test_a_run_that_is_too_long_or_too_large(self):
        trace = self.path("t.csv", "arrival_ms,app\n5,a\n3600000,a\n")
        self.refuse("t.csv: at load 1e-06 it lasts", "--load", "1e-6",
                    workload=trace)
        self.refuse("workload.yaml: at load 1e+06 and for",
                    "--load", "1,1e6", "--duration", "8000h")
        self.refuse("the warm-up of 20s leaves nothing of 20s", "--warmup",
                    "20s")

    def test_a_box_that_cannot_serve_an_app(self):
        self.path("variants.csv", VARIANTS + VARIANTS.splitlines()[1].replace(
            "small", "odd") + "\n")
        box = self.path("odd.yaml", BOX.replace(
            "apps:", "  - {name: g, metric: top1, variants: [odd]}\napps:"
        ).replace("name: b, family: f", "name: b, family: g"))
        self.refuse("odd", box=box)

    def test_options(self):
        for message, *options in [
                ("did you mean --load?", "--laod", "2"),
                ("--load: '' is no", "--load", "1,,2"),
                ("--load: give factors", "--load", "0"),
                ("--load: ", "--load", "inf"),
                ("--seeds: ", "--seeds", "0"),
                ("--jobs: ", "--jobs", "0"),
                ("--overhead: give 1s or less", "--overhead", "1h"),
                ("--find-load: give joint=RATE", "--find-load", "p99=3"),
                ("--find-load: give a rate above 0", "--find-load",
                 "joint=1.1"),
                ("leave out --load", "--find-load", "joint=1", "--load", "2"),
                ("10000 at most", "--load", "1,2", "--seeds", "9999"),
                ("--requests is for one run", "--requests", "r", "--seeds",
                 "2"),
                ("unknown policy 'best'", "--policy", "best"),
                ("what is 'more'?", "more"),
                ("/nowhere/r.csv: cannot be written", "--requests",
                 "/nowhere/r.csv"),
                ("is read: it cannot be written", "--requests", self.box),
                ("cannot both be written", "--requests",
                 self.path("kept.json"))]:
            with self.subTest(options=options):
                self.refuse(message, *options)
        run = subprocess.run([CONVERGO, "sim", self.box], capture_output=True,
                             text=True)
        self.assertEqual(run.returncode, 2)
        self.assertIn("give a box and a workload", run.stderr)


class Ends(Sim):
    def start_long(self):
        """A run of minutes, once its children are at work."""
        out = self.path("kept.json", "precious")
        run = subprocess.Popen(
            [CONVERGO, "sim", self.box, self.workload, "--policy", "fifo",
             "--seeds", "4", "--jobs", "2", "--duration", "2000h", "--json",
             out], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.addCleanup(run.wait)
        self.addCleanup(run.kill)
        self.addCleanup(run.stdout.close)
        self.addCleanup(run.stderr.close)
        children = []
        until = time.monotonic() + 20
        while len(children) < 2 and time.monotonic() < until:
            time.sleep(0.02)
            with open("/proc/%d/task/%d/children" % (run.pid, run.pid)) as f:
                children = [int(pid) for pid in f.read().split()]
        self.assertEqual(len(children), 2)
        return run, children

    def check_end(self, run, children, message):
        _, stderr = run.communicate(timeout=20)
        self.assertEqual(run.returncode, 1)
        self.assertIn(message, stderr)
        self.assertEqual(stderr.count("\n"), 1)
        with open(self.path("kept.json")) as file:
            self.assertEqual(file.read(), "precious")
        self.assertEqual([n for n in os.listdir(self.folder) if "tmp" in n],
                         [])
        for pid in children:
            self.assertFalse(os.path.exists("/proc/%d" % pid))

    def test_a_child_that_dies_is_one_clear_error(self):
        run, children = self.start_long()
        os.kill(children[1], signal.SIGKILL)
        self.check_end(run, children,
                       "policy fifo, load 1, seed 2: its process was ended by "
                       "signal 9 (Killed)")

    def test_it_can_be_interrupted(self):
        for number in (signal.SIGINT, signal.SIGTERM):
            run, children = self.start_long()
            run.send_signal(number)
            self.check_end(run, children, "interrupted after 0 of 4 runs")

    def test_memory_does_not_grow_with_the_length(self):
        def peak_kib(duration):
            pid = os.posix_spawn(
                CONVERGO, [CONVERGO, "sim", os.path.join(EXAMPLE, "box.yaml"),
                           os.path.join(EXAMPLE, "workload.yaml"), "--policy",
                           "edf", "--duration", duration, "--json",
                           self.path("long.json")], os.environ,
                file_actions=[(os.POSIX_SPAWN_OPEN, 1, "/dev/null",
                               os.O_WRONLY, 0)])
            # Of the largest among it and its children.
            _, status, usage = os.wait4(pid, 0)
            self.assertEqual(status, 0)
            with open(self.path("long.json")) as file:
                offered = json.load(file)["requests"]["offered"]
            return usage.ru_maxrss, offered

        short, few = peak_kib("200s")
        long, many = peak_kib("2000s")
        self.assertGreater(many, 9 * few)
        self.assertLess(long, short + 256, "KiB")


if __name__ == "__main__":
    unittest.main()
