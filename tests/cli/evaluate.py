"""scripts/evaluate: a quick run on one box to its page, what is kept of it, and
what a comparison of two results says."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml

CONVERGO = os.environ["CONVERGO"]
SOURCE = os.environ["CONVERGO_SOURCE"]
sys.path.insert(0, SOURCE + "/scripts")

from evaluation import judge, numbers, plot, runs # pylint: disable=C0413

BOX = "jetson-nano" # the quickest to simulate


def evaluate(*arguments, convergo=CONVERGO, code=0):
    environment = {**os.environ, "CONVERGO": convergo, "EVALUATE": "quick"}
    done = subprocess.run([SOURCE + "/scripts/evaluate", *arguments],
                          env=environment, capture_output=True, text=True,
                          timeout=100, check=False)
    if done.returncode != code:
        raise AssertionError(f"ended with {done.returncode}: {done.stderr}")
    return done


class Folder(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder)

    def path(self, name):
        return os.path.join(self.folder, name)

    def text(self, name):
        with open(self.path(name), encoding="utf-8") as file:
            return file.read()

    def run_here(self, *arguments, **options):
        return evaluate("--box", BOX, "--out", self.path("out"), "--cache",
                        self.path("cache"), *arguments, **options)


class Quick(Folder):
    def test_from_nothing_to_the_page(self):
        done = self.run_here()
        self.assertIn("requirements met: ", done.stdout)
        results = json.loads(self.text("out/results.json"))
        self.assertEqual(results["schema"], "convergo.evaluation/1")
        self.assertEqual(len(results["runs"]), len(runs.POLICIES) * 3 * 2)
        for run in results["runs"]:
            self.assertTrue(0 <= run["joint"] <= 1, run)
            self.assertTrue(0 <= run["late_share"] <= 1, run)
            self.assertLessEqual(run["joint"], run["bound"] + 0.03, run)
            self.assertGreater(run["cpu_s"], 0)
        self.check_page(self.text("out/evaluation.md"))
        self.check_chart(self.text(f"out/evaluation/{BOX}.svg"))

    def check_page(self, page):
        for policy in runs.POLICIES:
            self.assertIn(f"\n| {policy} |", page)
        for load in ("0.7", "1", "1.3"):
            self.assertRegex(page, rf"\n\| {load} \| 0\.\d+ ± |\n\| {load} \| 1")
        self.assertIn(f"](evaluation/{BOX}.svg)", page)
        self.assertIn("--duration 20s", page)
        self.assertNotRegex(page, r"[{}]|\b(nan|inf|None)\b")
        for line in page.splitlines():
            if line.startswith("|"):
                self.assertNotIn("||", line)

    def check_chart(self, svg):
        space = "{http://www.w3.org/2000/svg}"
        root = xml.fromstring(svg)
        self.assertIn("prefers-color-scheme: dark", svg)
        lines = [p for p in root.iter(space + "path")
                 if not re.search(r"lead|bar", p.get("class"))]
        self.assertEqual(len(lines), len(runs.POLICIES) + 1)
        self.assertEqual(lines[-1].get("class"), "ours")
        names = [t for t in root.iter(space + "text")
                 if re.fullmatch(r"n\d|ours-name|bound-name",
                                 t.get("class", ""))]
        self.assertEqual({t.text for t in names},
                         {*runs.POLICIES, "fluid bound"})
        at = sorted(float(t.get("y")) for t in names)
        for above, below in zip(at, at[1:]):
            self.assertGreater(below - above, 12)

    def test_what_was_run_is_not_run_again(self):
        short = ("--policy", "fifo,convergo", "--load")
        first = self.run_here(*short, "0.7")
        self.assertIn("1 of 1 groups of runs", first.stderr)
        self.assertEqual(self.run_here(*short, "0.7").stderr, "")
        more = self.run_here(*short, "0.7,1")
        self.assertIn("1 of 1 groups of runs", more.stderr)

    def test_another_program_is_run_again(self):
        other = self.path("convergo")
        shutil.copy(CONVERGO, other)
        with open(other, "ab") as file:
            file.write(b"another one")
        short = ("--policy", "edf", "--load", "0.7")
        self.run_here(*short)
        again = self.run_here(*short, convergo=other)
        self.assertIn("1 of 1 groups of runs", again.stderr)

    def test_one_policy_alone_has_a_page(self):
        for policy in ("edf", "convergo"):
            self.run_here("--policy", policy, "--load", "0.85")
            self.assertIn(f"\n| {policy} |", self.text("out/evaluation.md"))

    def test_what_cannot_be_run_is_named(self):
        done = self.run_here("--policy", "nosuch", code=1)
        self.assertIn("nosuch", done.stderr)
        self.assertNotIn("Traceback", done.stderr)
        done = evaluate("--box", "nosuch", code=1)
        self.assertIn("nosuch", done.stderr)
        done = evaluate(convergo="/nosuch/convergo", code=1)
        self.assertIn("/nosuch/convergo", done.stderr)


def results_of(cells, duration=None):
    """`cells`: (policy, load) to the joint of each seed, and late work."""
    return {"schema": runs.SCHEMA, "convergo": "convergo 0", "seeds": [1, 2, 3],
            "duration": duration,
            "runs": [{"box": "b", "workload": "steady", "load": load,
                      "policy": policy, "seed": seed, "joint": joint,
                      "bound": 1.0, "late_share": 0.005}
                     for (policy, load), joints in cells.items()
                     for seed, joint in enumerate(joints, 1)]}


class Compare(Folder):
    def file(self, name, results):
        with open(self.path(name), "w", encoding="utf-8") as file:
            json.dump(results, file)
        return self.path(name)

    def test_by_seed_and_beyond_the_interval(self):
        """Between seeds they differ by far more than by the change."""
        old = self.file("old", results_of({
            ("edf", 1.0): (0.5, 0.7, 0.9), ("fifo", 1.0): (0.5, 0.7, 0.9),
            ("dream", 1.0): (0.5, 0.7, 0.9), ("heft", 1.0): (0.5, 0.7, 0.9)}))
        new = self.file("new", results_of({
            ("edf", 1.0): (0.51, 0.712, 0.911),
            ("fifo", 1.0): (0.48, 0.681, 0.88),
            ("dream", 1.0): (0.6, 0.7, 0.85)}))
        text = evaluate("--compare", old, new).stdout
        self.assertIn("3 cells compared: 1 better, 1 worse, 1 as before", text)
        worse, better = text.index("\nworse\n"), text.index("\nbetter\n")
        self.assertTrue(worse < text.index(" fifo ") < better)
        self.assertTrue(better < text.index(" edf "))
        self.assertIn("0.7000 -> 0.7110  +0.0110 +- 0.0025", text)

    def test_what_does_not_compare(self):
        a = self.file("a", results_of({("edf", 1.0): (0.5, 0.6)}))
        b = self.file("b", results_of({("edf", 1.0): (0.5, 0.6)}, "20s"))
        c = self.file("c", results_of({("fifo", 1.0): (0.5, 0.6)}))
        d = self.file("d", {"schema": "convergo.bench/1"})
        for other, text in ((b, "durations"), (c, "no run in common"),
                            (d, "no results of an evaluation")):
            done = evaluate("--compare", a, other, code=1)
            self.assertIn(text, done.stderr)


class Judge(unittest.TestCase):
    def met(self, ours, peer, load):
        found = judge.verdicts(runs.Results(results_of(
            {("convergo", load): ours, ("edf", load): peer})))
        return [verdict.by_box["b"][0] for verdict in found]

    def test_low_load(self):
        self.assertEqual(self.met((0.996,) * 3, (0.9965,) * 3, 0.5),
                         [True, True])
        self.assertEqual(self.met((0.994,) * 3, (0.996,) * 3, 0.7),
                         [False, False])

    def test_full_load(self):
        """Equal is not lower, unless both are good."""
        self.assertEqual(self.met((0.97, 0.98, 0.99), (0.96, 0.97, 0.98), 1.0),
                         [True, True])
        self.assertEqual(self.met((0.97, 0.98, 0.99), (0.97, 0.98, 0.98), 1.0),
                         [True, False])
        self.assertEqual(self.met((0.996,) * 3, (0.997,) * 3, 1.0),
                         [True, True])

    def test_overload(self):
        self.assertEqual(self.met((0.96,) * 3, (0.92,) * 3, 1.3), [True] * 3)
        self.assertEqual(self.met((0.94,) * 3, (0.92,) * 3, 1.3),
                         [False, False, True])


class Numbers(unittest.TestCase):
    def test_interval(self):
        """3 values with a deviation of 1: 4.303 / sqrt(3)."""
        self.assertAlmostEqual(numbers.half_interval([1, 2, 3]), 2.4843, 3)

    def test_names_stand_apart_and_inside(self):
        for wanted in ([5, 5, 5, 50], [95, 97, 99], [0, 10, 11, 12, 90]):
            got = plot.spread(wanted, 10, 0, 100)
            self.assertTrue(got[0] >= 0 and got[-1] <= 100, got)
            for above, below in zip(got, got[1:]):
                self.assertGreaterEqual(below - above, 10 - 1e-9)
        self.assertEqual(plot.spread([10, 50, 90], 10, 0, 100), [10, 50, 90])


if __name__ == "__main__":
    unittest.main()
