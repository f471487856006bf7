"""The files of examples/: each one passes convergo check without a warning, each
figure names its source, and each box has its page and its line in README.md.
What the boxes for planning promise beyond that: tests/unit/config/examples.c."""

import csv
import glob
import json
import os
import subprocess
import unittest

CONVERGO = os.environ["CONVERGO"]
EXAMPLES = os.environ["CONVERGO_SOURCE"] + "/examples"


def files(pattern):
    return sorted(glob.glob(f"{EXAMPLES}/{pattern}"))


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def text(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


class Examples(unittest.TestCase):
    def test_check(self):
        for path in files("*/*.yaml") + files("*/*.csv"):
            with self.subTest(path=path):
                done = subprocess.run(
                    [CONVERGO, "check", path],
                    capture_output=True,
                    text=True,
                    timeout=30,
                )
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(": ok: ", done.stdout)
                self.assertNotIn("not checked", done.stdout)

    def test_every_row_has_a_source(self):
        for path in files("*/profile.csv") + files("*/variants.csv"):
            for row in rows(path):
                with self.subTest(path=path, variant=row["variant"]):
                    self.assertGreater(len(row["source"]), 20)

    def test_derived_rows_say_so(self):
        """A time that nobody published was not measured here either."""
        for box in files("*/box.yaml"):
            folder = os.path.dirname(box)
            if "backend: onnxruntime" in text(box):
                continue
            for row in rows(folder + "/profile.csv"):
                with self.subTest(folder=folder, variant=row["variant"]):
                    self.assertEqual(row["samples"], "0")
                    self.assertNotIn("measured by convergo", row["source"])

    def test_pages(self):
        table = text(EXAMPLES + "/README.md")
        for box in files("*/box.yaml"):
            folder = os.path.dirname(box)
            name = os.path.basename(folder)
            with self.subTest(name=name):
                self.assertIn(f"[{name}]({name}/README.md)", table)
                page = text(folder + "/README.md")
                self.assertTrue(page.startswith(f"# {name}"))
                self.assertIn("emulated", page)
                for workload in files(name + "/*.yaml"):
                    if workload != box:
                        self.assertIn(os.path.basename(workload), page + table)

    def test_bounds_at_exits(self):
        """Each workload of jetson-nano-multi-exit: its bound is kept, at the
        exits that its page names."""
        folder = EXAMPLES + "/jetson-nano-multi-exit"
        exits = {"latency": {0, 1}, "accuracy": {1}, "energy": {2}}
        for workload, used in exits.items():
            with self.subTest(workload=workload):
                done = subprocess.run(
                    [CONVERGO, "sim", folder + "/box.yaml",
                     f"{folder}/{workload}.yaml", "--json", "-"],
                    capture_output=True,
                    check=True,
                    timeout=30,
                )
                report = json.loads(done.stdout)
                self.assertEqual(report["parts"]["exits"], "predictive")
                self.assertGreaterEqual(report["slo"]["joint"], 0.99)
                app, = (a for a in report["apps"] if a["requests"]["offered"])
                self.assertEqual({int(name.split("/")[1])
                                  for name, share in app["exits"].items()
                                  if share > 0}, used)


if __name__ == "__main__":
    unittest.main()
