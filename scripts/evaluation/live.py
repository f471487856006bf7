"""Models of several stages, served: the repository's network with four exits on
this CPU, and on an emulated Jetson Nano, whose times and energies are those of
another network with four exits. Real answers both."""

import csv
import json
import os
import shutil
import subprocess
import tempfile

from evaluation import sims

NETWORK = "fashion-multi-exit"
MACHINE = os.path.join(sims.SOURCE, "examples/this-machine-multi-exit")
NANO = os.path.join(sims.SOURCE, "examples/jetson-nano-multi-exit")
WATTS = 10  # of this CPU, assumed: there is no meter

# Bounds of latency and energy by device; that of accuracy is the model's.
DEVICES = {
    "cpu": ("{name: cpu, kind: cpu, backend: onnxruntime, provider: CPU, "
            "threads: 1}", "10ms", None),
    "nano, emulated": ("{name: gpu, kind: gpu, backend: emulated, "
                       "profile: nano-gpu}", "35ms", "180mJ"),
}
RATES = {"cpu": 60, "nano, emulated": 15}


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def write(path, rows):
    with open(path, "w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0].keys(), lineterminator="\n")
        out.writeheader()
        out.writerows(rows)


class Box:
    """In a folder of its own, with an application for each kind of bound."""

    def __init__(self, device):
        self.folder = tempfile.mkdtemp()
        self.rate = RATES[device]
        line, latency, energy = DEVICES[device]
        rows = read(os.path.join(NANO if energy else MACHINE, "profile.csv"))
        for row in rows:
            row["variant"] = NETWORK
            if not energy:
                row["energy_mj"] = f"{WATTS * float(row['mean_ms']):.6f}"
        write(os.path.join(self.folder, "profile.csv"), rows)
        shutil.copy(os.path.join(MACHINE, "variants.csv"), self.folder)
        # Halfway between two exits, where nobody has measured.
        energy = energy or f"{self.energy(rows):.3f}mJ"
        self.bounds = {"latency": f"deadline: {latency}",
                       "accuracy": "accuracy: 0.9",
                       "energy": f"energy: {energy}"}
        apps = "".join(f"  - {{name: {kind}, family: fashion, "
                       f"slo: {{{bound}}}}}\n"
                       for kind, bound in self.bounds.items())
        self.path = os.path.join(self.folder, "box.yaml")
        with open(self.path, "w", encoding="utf-8") as file:
            file.write(f"""version: 1
models: {sims.SOURCE}/models
profiles: [profile.csv]
variants: [variants.csv]
devices:
  - {line}
families:
  - {{name: fashion, metric: top1, variants: [{NETWORK}],
     dataset: {sims.SOURCE}/datasets/fashion-test.bin}}
apps:
{apps}""")

    @staticmethod
    def energy(rows):
        """Between what it takes to exits 1 and 2, alone."""
        alone = [float(r["energy_mj"]) for r in rows if r["batch"] == "1"]
        return sum(alone[:2]) + alone[2] / 2

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def bench(self, kind, policy, seconds):
        """The report of a run in which only that application is asked."""
        workload = os.path.join(self.folder, kind + ".yaml")
        with open(workload, "w", encoding="utf-8") as file:
            file.write(f"version: 1\nduration: {seconds}s\nwarmup: 1s\napps:\n"
                       f"  - {{app: {kind}, arrivals: {{process: periodic, "
                       f"rate: {self.rate}/s, jitter: 10ms}}}}\n")
        done = subprocess.run(
            [sims.CONVERGO, "bench", self.path, workload, "--policy", policy,
             "--labels", "--json", "-"], check=True, text=True,
            capture_output=True)
        return json.loads(done.stdout)


def exits_of(report, kind):
    """"1: 98 %, 0: 2 %"."""
    (app,) = [a for a in report["apps"] if a["name"] == kind]
    shares = sorted(((share, name.rsplit("/", 1)[1])
                     for name, share in app["exits"].items()), reverse=True)
    return ", ".join(f"{name}: {100 * share:.3g} %" for share, name in shares)
