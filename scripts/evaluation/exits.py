"""The box of examples/jetson-nano-multi-exit with other applications, or with a
model for each exit in place of the network; and runs on it."""

import csv
import os
import shutil
import tempfile

from evaluation import sims

EXAMPLE = os.path.join(sims.SOURCE, "examples/jetson-nano-multi-exit")
BOX = os.path.join(EXAMPLE, "box.yaml")
NETWORK = "resnet50-exits"
TIMES = ("mean_ms", "p50_ms", "p95_ms", "p99_ms", "energy_mj")


def rule(exits, order="edf"):
    """The policy of that name, or an order with that exits part."""
    return exits if exits == "convergo" else f"order={order},exits={exits}"


def rows(name):
    with open(os.path.join(EXAMPLE, name), encoding="utf-8",
              newline="") as file:
        return list(csv.DictReader(file))


class Exit:
    """Up to there: its accuracy, mean time and p99, ms. `stage` alone: mean."""

    def __init__(self, before, stage, variant):
        self.index = int(stage["exit"])
        self.accuracy = float(variant["accuracy"])
        self.figures = {name: (before.figures[name] if before else 0) +
                              float(stage[name]) for name in TIMES}
        self.stage = float(stage["mean_ms"])
        self.mean, self.p99 = self.figures["mean_ms"], self.figures["p99_ms"]


def exits():
    found = []
    for stage, variant in zip(rows("profile.csv"), rows("variants.csv")):
        found.append(Exit(found[-1] if found else None, stage, variant))
    return found


def single(exit_):
    return f"single-{exit_.index}"


def write(path, text):
    with open(path, "w", encoding="utf-8") as file:
        file.write(text)
    return path


def append(folder, name, more):
    """Rows like the first one of that file, but for what is given."""
    like = rows(name)[0]
    with open(os.path.join(folder, name), "a", encoding="utf-8",
              newline="") as file:
        out = csv.DictWriter(file, like.keys(), lineterminator="\n")
        out.writerows({**like, "exit": 0, "source": "an exit", **row}
                      for row in more)


class Box:
    """A copy in a folder of its own. `apps`: (name, variant, deadline in ms);
    variants are the network, and a model for each exit as fast and accurate
    as the network up to there."""

    def __init__(self, apps):
        self.folder = tempfile.mkdtemp()
        with open(BOX, encoding="utf-8") as file:
            head, found, _ = file.read().partition("\nfamilies:\n")
        assert found
        for name in ("profile.csv", "variants.csv"):
            shutil.copy(os.path.join(EXAMPLE, name), self.folder)
        append(self.folder, "profile.csv", [
            {"variant": single(e), **e.figures} for e in exits()])
        append(self.folder, "variants.csv", [
            {"variant": single(e), "accuracy": e.accuracy} for e in exits()])
        families = [f"  - {{name: {v}, metric: top1, variants: [{v}]}}"
                    for v in sorted({v for _, v, _ in apps})]
        apps = [f"  - {{name: {name}, family: {v}, "
                f"slo: {{deadline: {ms:g}ms}}}}" for name, v, ms in apps]
        self.path = write(os.path.join(self.folder, "box.yaml"), "\n".join(
            [head, "families:"] + families + ["apps:"] + apps + [""]))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.folder)

    def workload(self, duration, arrivals, events=()):
        """A file; arrivals by name of an app."""
        lines = ["version: 1", f"duration: {duration:g}s", "apps:"]
        lines += [f"  - {{app: {app}, arrivals: {{{text}}}}}"
                  for app, text in arrivals.items()]
        lines += ["events:"] + list(events) if events else []
        return write(os.path.join(self.folder, "workload.yaml"),
                     "\n".join(lines + [""]))


def in_time(request):
    return request["outcome"] == "served" and request["deadline_met"] == "1"


def overshoots(requests):
    """Latency less bound of those that were answered, ms, ascending."""
    return sorted(float(r["latency_ms"]) - float(r["deadline_ms"])
                  for r in requests if r["outcome"] == "served")


def quantile(ascending, q):
    return ascending[min(int(q * len(ascending)), len(ascending) - 1)]
