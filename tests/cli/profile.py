"""convergo profile: what it measures, what it leaves alone, what it refuses."""

import csv
import json
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

CONVERGO = os.environ["CONVERGO"]
SOURCE = pathlib.Path(os.environ["CONVERGO_SOURCE"])
MODELS = SOURCE / "models"
VARIANTS = ["fashion-xxs", "fashion-s"]

BOX = """\
version: 1
models: {models}
profiles: [profile.csv]
variants: [variants.csv]
devices:
  - {{name: cpu, kind: cpu, backend: onnxruntime, profile: this-cpu}}
  - {{name: twin, kind: cpu, backend: onnxruntime, profile: this-cpu}}
  - {{name: gpu, kind: gpu, backend: emulated}}
families:
  - {{name: fashion, metric: top1, variants: [fashion-xxs, fashion-s]}}
apps:
  - {{name: door, family: fashion}}
"""

PROFILE_COLUMNS = ("variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,"
                   "energy_mj,samples,source,switch_ms,load_ms").split(",")
VARIANTS_COLUMNS = ("variant,exit,accuracy,metric,dataset,samples,weights_mib,"
                    "memory_mib,sparsity,source").split(",")


def read(path):
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


@unittest.skipUnless((MODELS / "fashion-s/1/model.onnx").exists(),
                     "no fashion models")
class Profile(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, self.folder)
        self.box = self.folder / "box.yaml"
        self.box.write_text(BOX.format(models=MODELS), encoding="utf-8")
        self.profile = self.folder / "profile.csv"
        self.variants = self.folder / "variants.csv"

    def run_profile(self, *args, code=0):
        result = subprocess.run(
            [CONVERGO, "profile", *map(str, args)], capture_output=True,
            text=True, timeout=60, check=False)
        self.assertEqual(result.returncode, code, result.stderr)
        return result

    def measure(self, *args, **kwargs):
        return self.run_profile(self.box, "--batches", "1,4", "--runs", "20",
                                "--seconds", "0.05", "-o", self.profile, *args,
                                **kwargs)

    def dataset(self, count=20):
        path = self.folder / "labelled.bin"
        images = b"".join(struct.pack("<784f", *[i / count] * 784)
                          for i in range(count))
        labels = struct.pack(f"<{count}i", *[i % 10 for i in range(count)])
        path.write_bytes(b"CVGDATA1" + struct.pack("<II", count, 3136)
                         + images + labels)
        return path

    def test_measures_what_nobody_has_measured(self):
        result = self.measure("--json", self.folder / "out.json")
        rows = read(self.profile)
        self.assertEqual(list(rows[0]), PROFILE_COLUMNS)
        # The two CPUs share a profile; the emulated one is skipped, aloud.
        self.assertEqual([(r["variant"], r["device"], r["batch"])
                          for r in rows],
                         [(v, "this-cpu", b) for v in VARIANTS
                          for b in ("1", "4")])
        self.assertIn("gpu: skipped", result.stderr)
        for row in rows:
            p50, p95, p99 = (float(row[p]) for p in
                             ("p50_ms", "p95_ms", "p99_ms"))
            self.assertGreater(float(row["mean_ms"]), 0)
            self.assertTrue(0 < p50 <= p95 <= p99)
            self.assertGreater(float(row["load_ms"]), 0)
            self.assertGreaterEqual(int(row["samples"]), 1)
            self.assertEqual(row["exit"], "0")
            self.assertIn("measured by convergo profile on", row["source"])
            self.assertIn("onnxruntime 1.", row["source"])
        self.assertFalse(self.variants.exists())
        report = json.loads((self.folder / "out.json").read_text())
        self.assertEqual(report["schema"], "convergo.profile/1")
        self.assertEqual(len(report["rows"]), 4)
        self.assertEqual(len(list(self.folder.glob("*.tmp"))), 0)

    def test_what_it_writes_makes_a_box_whole(self):
        self.measure("--dataset", self.dataset())
        rows = read(self.variants)
        self.assertEqual(list(rows[0]), VARIANTS_COLUMNS)
        self.assertEqual([r["variant"] for r in rows], VARIANTS)
        for row in rows:
            size = (MODELS / row["variant"] / "1/model.onnx").stat().st_size
            self.assertAlmostEqual(float(row["weights_mib"]), size / 2**20, 5)
            self.assertGreaterEqual(float(row["memory_mib"]),
                                    float(row["weights_mib"]))
            self.assertEqual(row["samples"], "20")
            self.assertEqual(row["dataset"], "labelled.bin")
            self.assertEqual(row["metric"], "top1")
            self.assertTrue(0 <= float(row["accuracy"]) <= 1)
        # The emulated device has no rows, so its variants cannot run there,
        # but all else is in order.
        text = self.box.read_text().replace(
            "  - {name: gpu, kind: gpu, backend: emulated}\n", "")
        self.box.write_text(text)
        check = subprocess.run([CONVERGO, "check", str(self.box)],
                               capture_output=True, text=True, timeout=60,
                               check=False)
        self.assertEqual(check.returncode, 0, check.stderr)

    def test_accuracy_is_that_of_the_answers(self):
        sample = SOURCE / "datasets/fashion-sample.bin"
        if not sample.exists():
            self.skipTest("no datasets/fashion-sample.bin")
        self.measure("--dataset", sample, "--variant", "fashion-s",
                     "--variants-out", self.folder / "v.csv")
        (row,) = read(self.folder / "v.csv")
        self.assertGreater(float(row["accuracy"]), 0.8)
        self.assertEqual(row["samples"], "1000")

    def test_every_exit_by_itself(self):
        name = "fashion-multi-exit"
        self.box.write_text(self.box.read_text().replace(
            "[fashion-xxs, fashion-s]", f"[{name}]"))
        self.measure("--dataset", self.dataset())
        rows = read(self.profile)
        self.assertEqual([(r["exit"], r["batch"]) for r in rows],
                         [(e, b) for e in "0123" for b in ("1", "4")])
        for one, four in zip(rows[0::2], rows[1::2]):
            self.assertGreater(float(four["mean_ms"]), float(one["mean_ms"]))
        sizes = sum(path.stat().st_size
                    for path in (MODELS / name / "1").glob("*.onnx"))
        variants = read(self.variants)
        self.assertEqual([r["exit"] for r in variants], list("0123"))
        for row in variants:
            self.assertAlmostEqual(float(row["weights_mib"]), sizes / 2**20, 5)
        # What is measured again replaces all that there was.
        self.measure()
        self.assertEqual(len(read(self.profile)), 8)

    def test_exits_that_stand_in_any_order(self):
        self.test_every_exit_by_itself()
        lines = self.variants.read_text().splitlines()
        self.variants.write_text("\n".join(
            [lines[0], lines[3], lines[1], lines[4], lines[2]]) + "\n")
        self.measure("--dataset", self.dataset())
        self.assertEqual([r["exit"] for r in read(self.variants)],
                         list("0123"))

    def test_the_accuracy_of_every_exit(self):
        sample = SOURCE / "datasets/fashion-sample.bin"
        if not sample.exists():
            self.skipTest("no datasets/fashion-sample.bin")
        self.box.write_text(self.box.read_text().replace(
            "[fashion-xxs, fashion-s]", "[fashion-multi-exit]"))
        self.measure("--dataset", sample)
        found = [float(r["accuracy"]) for r in read(self.variants)]
        for accuracy, least in zip(found, (0.82, 0.85, 0.9, 0.92)):
            self.assertGreater(accuracy, least - 0.02)

    def test_other_rows_stay(self):
        self.profile.write_text(
            "variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,"
            "samples,source,switch_ms\n"
            'fashion-s,0,gpu,1,1.5,,,,7,0,"a table, page 3",\n'
            "fashion-s,0,this-cpu,1,99,,,,0,1,old,2.5\n"
            "fashion-s,0,this-cpu,2,99,,,,0,1,old,2.5\n"
            "another,0,this-cpu,1,3,,,,0,1,kept,\n")
        self.measure("--variant", "fashion-s")
        rows = read(self.profile)
        self.assertEqual([(r["variant"], r["device"], r["batch"])
                          for r in rows],
                         [("fashion-s", "gpu", "1"),
                          ("fashion-s", "this-cpu", "1"),
                          ("fashion-s", "this-cpu", "4"),
                          ("another", "this-cpu", "1")])
        self.assertEqual(rows[0]["source"], "a table, page 3")
        self.assertEqual(rows[0]["mean_ms"], "1.5")
        self.assertLess(float(rows[1]["mean_ms"]), 50)
        self.assertEqual(rows[1]["switch_ms"], "2.5")  # not ours to measure
        self.assertEqual(rows[3]["source"], "kept")

    def test_what_is_not_measured_stays(self):
        head = ",".join(VARIANTS_COLUMNS)
        self.variants.write_text(
            head + ",gflop\n"
            "fashion-s,0,0.5,top1,,1,1,1,0,old,0.125\n"
            "another,0,0.5,top1,,1,1,1,0,kept,\n")
        self.measure("--variant", "fashion-s", "--dataset", self.dataset())
        rows = {r["variant"]: r for r in read(self.variants)}
        self.assertEqual(rows["fashion-s"]["gflop"], "0.125")
        self.assertNotEqual(rows["fashion-s"]["source"], "old")
        self.assertEqual(rows["another"]["gflop"], "")

    def refuse(self, text, *args, code=2):
        before = sorted(self.folder.iterdir())
        result = self.run_profile(*args, code=code)
        self.assertIn(text, result.stderr)
        self.assertEqual(sorted(self.folder.iterdir()), before)

    def test_bad_input_changes_nothing(self):
        out = ("-o", self.profile)
        self.refuse("BOX is needed", *out)
        self.refuse("-o FILE is needed", self.box)
        self.refuse("unexpected '--frobnicate'", self.box, "--frobnicate", 1)
        self.refuse("--runs needs a value", self.box, "--runs")
        self.refuse("unexpected 'x'", self.box, "x", *out)
        for batches in ("0", "1,1", "257", "many", ""):
            self.refuse("--batches", self.box, "--batches", batches, *out)
        self.refuse("no variant 'nope'", self.box, "--variant", "nope", *out)
        self.refuse("no device 'nope'", self.box, "--device", "nope", *out)
        self.refuse("no real device", self.box, "--device", "gpu", *out)
        self.refuse("nowhere", self.folder / "nowhere.yaml", *out)
        self.refuse("nofolder", self.box, "-o", self.folder / "nofolder/p.csv")

    def test_a_missing_model_is_found_first(self):
        empty = self.folder / "models"
        shutil.copytree(MODELS / "fashion-xxs", empty / "fashion-xxs")
        self.box.write_text(BOX.format(models=empty))
        self.refuse("fashion-s", self.box, "-o", self.profile)

    def test_a_dataset_of_another_shape_is_refused(self):
        path = self.folder / "other.bin"
        path.write_bytes(b"CVGDATA1" + struct.pack("<II", 1, 8) + bytes(8 + 4))
        result = self.measure("--dataset", path, code=2)
        self.assertIn("3136 bytes", result.stderr)
        self.assertFalse(self.profile.exists())

    def test_a_spoilt_file_is_not_overwritten(self):
        self.profile.write_text("what,is,this\n1,2,3\n")
        self.refuse("profile.csv", self.box, "-o", self.profile)
        self.assertEqual(self.profile.read_text(), "what,is,this\n1,2,3\n")

    def test_help(self):
        self.assertIn("--variants-out", self.run_profile("--help").stdout)


if __name__ == "__main__":
    unittest.main()
