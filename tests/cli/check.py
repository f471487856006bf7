"""convergo check and convergo version, as a user runs them."""

import json
import os
import struct
import subprocess
import tempfile
import unittest

CONVERGO = os.environ["CONVERGO"]

BOX = """\
version: 1
profiles: [profile.csv]
variants: [variants.csv]
policy: edf
devices:
  - {name: gpu, kind: gpu, backend: emulated, units: 2}
families:
  - {name: f, metric: top1, variants: [small]}
apps:
  - {name: door, family: f, slo: {deadline: 50ms, accuracy: 0.5}}
"""
PROFILE = """\
variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,source
small,0,gpu,1,2.5,,,,4,100,made up
small,0,gpu,4,5,,,,8,100,made up
"""
VARIANTS = """\
variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,sparsity,source
small,0,0.7,top1,set,100,4,16,0,made up
"""
WORKLOAD = """\
version: 1
duration: 10s
apps:
  - {app: door, arrivals: {process: poisson, rate: 30/s}}
"""
TRACE = "arrival_ms,app\n0,door\n999.5,door\n"


class Check(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        for name, text in (
            ("box.yaml", BOX),
            ("profile.csv", PROFILE),
            ("variants.csv", VARIANTS),
            ("workload.yaml", WORKLOAD),
            ("trace.csv", TRACE),
        ):
            self.write(name, text)

    def write(self, name, text):
        path = os.path.join(self.folder.name, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        mode = "wb" if isinstance(text, bytes) else "w"
        with open(path, mode) as file:
            file.write(text)

    def run_verb(self, *args):
        return subprocess.run(
            [CONVERGO, *args],
            cwd=self.folder.name,
            capture_output=True,
            text=True,
            timeout=30,
        )

    def expect(self, args, code, out="", err=""):
        done = self.run_verb("check", *args)
        self.assertEqual((done.returncode, done.stdout, done.stderr), (code, out, err))

    def test_good_files(self):
        self.expect(
            ["box.yaml", "workload.yaml", "trace.csv", "profile.csv", "variants.csv"],
            0,
            "box.yaml: ok: box with 1 device (2 units), 1 family, 1 variant, 1 app\n"
            "workload.yaml: ok: workload of 10s, 1 app, 30 requests/s, 0 events; "
            "names checked against box.yaml\n"
            "trace.csv: ok: trace of 1s, 1 app, 2 requests/s, 0 events; "
            "names checked against box.yaml\n"
            "profile.csv: ok: profile with 2 rows: 1 variant on 1 device\n"
            "variants.csv: ok: variants file with 1 row: 1 variant\n",
        )

    def test_dataset(self):
        items = struct.pack("<8sII6sii", b"CVGDATA1", 2, 3, b"abcdef", 4, -1)
        self.write("set.bin", items)
        self.expect(
            ["set.bin"],
            0,
            "set.bin: ok: dataset of 2 items of 3 bytes, labels -1 to 4\n",
        )
        self.write("set.bin", items[:-1])
        self.expect(
            ["set.bin"],
            2,
            "",
            "convergo check: error: set.bin: 29 bytes, but 2 items of 3 bytes "
            "with their labels take 30\n",
        )

    def test_workload_alone(self):
        """It is checked against the box.yaml beside it, and says so."""
        self.write("sub/workload.yaml", WORKLOAD)
        self.expect(
            ["sub/workload.yaml"],
            0,
            "sub/workload.yaml: ok: workload of 10s, 1 app, 30 requests/s, "
            "0 events; names not checked: no box before it and no box.yaml "
            "beside it\n",
        )
        self.expect(
            ["workload.yaml"],
            0,
            "workload.yaml: ok: workload of 10s, 1 app, 30 requests/s, "
            "0 events; names checked against box.yaml\n",
        )
        self.write("workload.yaml", WORKLOAD.replace("app: door", "app: dor"))
        self.expect(
            ["workload.yaml"],
            2,
            "",
            "convergo check: error: workload.yaml:4:11: app: unknown app 'dor'; "
            "did you mean 'door'?\n",
        )

    def test_box_beside_is_wrong(self):
        self.write("box.yaml", "version: 2\n")
        done = self.run_verb("check", "workload.yaml")
        self.assertEqual(done.returncode, 0)
        self.assertIn("names not checked", done.stdout)
        self.assertIn("workload.yaml: warning: the box beside it is wrong:", done.stderr)

    def test_every_file_is_looked_at(self):
        self.write("profile.csv", PROFILE.replace("2.5,,,", "2.5,1,,"))
        self.expect(
            ["box.yaml", "profile.csv", "none.yaml", "variants.csv"],
            2,
            "variants.csv: ok: variants file with 1 row: 1 variant\n",
            "convergo check: error: profile.csv:2:19: p50_ms: 1 of p50_ms, p95_ms, "
            "p99_ms are given: give all three or none\n"
            "convergo check: error: profile.csv:2:19: p50_ms: 1 of p50_ms, p95_ms, "
            "p99_ms are given: give all three or none\n"
            "convergo check: error: none.yaml: cannot open: No such file or "
            "directory\n",
        )

    def test_wrong_policy(self):
        for text, place in (
            ("policy: edff", "4:9"),
            ("policy: {name: edff}", "4:16"),
            ("policy: {order: edf, batching: nexuss}", "4:32"),
            ("policy:\n  exits: lastt", "5:10"),
        ):
            self.write("box.yaml", BOX.replace("policy: edf", text))
            done = self.run_verb("check", "box.yaml")
            self.assertEqual(done.returncode, 2)
            self.assertRegex(
                done.stderr,
                "^convergo check: error: box.yaml:%s: policy: .*'[a-z]*'" % place,
            )

    def test_warnings(self):
        self.write("box.yaml", BOX.replace("deadline: 50ms", "deadline: 1ms"))
        self.expect(
            ["box.yaml"],
            0,
            "box.yaml: ok: box with 1 device (2 units), 1 family, 1 variant, 1 app\n",
            "box.yaml:10:45: warning: app 'door' has a deadline of 1ms, the fastest "
            "of family 'f' takes 2.5ms\n",
        )

    def test_unknown_content(self):
        self.write("what.yaml", "a: 1\n")
        done = self.run_verb("check", "what.yaml")
        self.assertEqual(done.returncode, 2)
        self.assertIn("what.yaml: neither a box", done.stderr)

    def test_json(self):
        self.write("bad.yaml", "devices: [\n")
        done = self.run_verb(
            "check", "box.yaml", "workload.yaml", "bad.yaml", "--json", "-"
        )
        self.assertEqual(done.returncode, 2)
        report = json.loads(done.stdout)
        self.assertEqual(report["schema"], "convergo.check/1")
        self.assertIs(report["ok"], False)
        box, workload, bad = report["files"]
        self.assertEqual(
            box,
            {
                "file": "box.yaml",
                "kind": "box",
                "ok": True,
                "error": None,
                "warnings": [],
                "summary": {
                    "devices": 1,
                    "units": 2,
                    "families": 1,
                    "variants": 1,
                    "apps": 1,
                },
            },
        )
        self.assertEqual(workload["summary"]["rate_rps"], 30)
        self.assertEqual(workload["summary"]["box"], "box.yaml")
        self.assertEqual(bad["kind"], "unknown")
        self.assertRegex(bad["error"], "^bad.yaml:2:1: ")

    def test_json_file(self):
        done = self.run_verb("check", "box.yaml", "--json", "out.json")
        self.assertEqual(done.returncode, 0)
        self.assertIn("box.yaml: ok", done.stdout)
        with open(os.path.join(self.folder.name, "out.json")) as file:
            self.assertIs(json.load(file)["ok"], True)

    def test_usage(self):
        for args in (["--jsn", "x", "box.yaml"], ["box.yaml", "--json"], []):
            done = self.run_verb("check", *args)
            self.assertEqual(done.returncode, 2)
            self.assertIn("usage: convergo check FILE...", done.stderr)
        done = self.run_verb("check", "--help")
        self.assertEqual(done.returncode, 0)
        self.assertIn("--json FILE", done.stdout)


class Version(unittest.TestCase):
    def test_text(self):
        done = subprocess.run([CONVERGO, "version"], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0)
        self.assertRegex(done.stdout, r"^convergo \d+\.\d+\.\d+\ncompiler +\S")

    def test_json(self):
        done = subprocess.run(
            [CONVERGO, "version", "--json", "-"], capture_output=True, text=True
        )
        version = json.loads(done.stdout)
        self.assertEqual(version["schema"], "convergo.version/1")
        self.assertIn("api", version["onnxruntime"])

    def test_usage(self):
        done = subprocess.run([CONVERGO, "version", "x"], capture_output=True)
        self.assertEqual(done.returncode, 2)


if __name__ == "__main__":
    unittest.main()
