"""Simulated runs, each made once: what was run before is read from a cache."""

import dataclasses
import hashlib
import json
import os
import resource
import subprocess
import sys
import time

BOXES = ("xavier-nx-coral", "raspberry-pi4-coral", "agx-xavier", "jetson-nano")
WORKLOADS = ("steady", "bursty", "device-lost", "overload", "tight")
POLICIES = ("fifo", "edf", "accuracy-first", "throughput-first", "least-slack",
            "slo-mael", "heft", "infaas", "jellyfish", "alert", "clockwork",
            "dream", "convergo")
LOADS = (0.3, 0.5, 0.7, 0.85, 1.0, 1.15, 1.3, 1.5)
SCHEMA = "convergo.evaluation/1"


class Failed(Exception):
    """A run that did not end well; the text says which one and why."""


@dataclasses.dataclass
class Plan:
    """What is to be run."""

    convergo: str
    source: str
    cache: str
    boxes: tuple
    workloads: tuple
    policies: tuple
    loads: tuple
    seeds: range
    duration: str # None: as long as the workload says
    jobs: int

    def files(self, box, workload):
        names = ("box.yaml", "profile.csv", "variants.csv", workload + ".yaml")
        return [os.path.join(self.source, "examples", box, n) for n in names]

    def cells(self):
        """Loads outermost: the time left is told from all boxes early on."""
        return [Cell(self, box, workload, load) for load in self.loads
                for workload in self.workloads for box in self.boxes]


class Cell:
    """All runs of one box, workload and load."""

    def __init__(self, plan, box, workload, load):
        self.plan = plan
        self.box, self.workload, self.load = box, workload, load
        self.path = os.path.join(plan.cache, "%s-%s-%g-%s.json" % (
            box, workload, load, self.key()))
        self.records = self.read()

    def key(self):
        """Equal program and equal input give equal runs."""
        digest = hashlib.sha256()
        digest.update(repr((SCHEMA, self.plan.duration)).encode())
        for path in self.plan.files(self.box, self.workload):
            digest.update(file_digest(path))
        digest.update(file_digest(self.plan.convergo))
        return digest.hexdigest()[:16]

    def read(self):
        try:
            with open(self.path, encoding="utf-8") as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def write(self):
        os.makedirs(self.plan.cache, exist_ok=True)
        with open(self.path + ".tmp", "w", encoding="utf-8") as file:
            json.dump(self.records, file)
        os.rename(self.path + ".tmp", self.path)

    def missing(self):
        """Policies that still lack a seed."""
        return [p for p in self.plan.policies
                if any(run_name(p, s) not in self.records
                       for s in self.plan.seeds)]

    def work(self):
        """How many arrivals are to be simulated, up to a factor of the box."""
        return self.load * len(self.missing()) * len(self.plan.seeds)

    def run(self):
        policies, seeds = self.missing(), self.plan.seeds
        box, workload = [self.plan.files(self.box, self.workload)[i]
                         for i in (0, 3)]
        command = [self.plan.convergo, "sim", box, workload, "--bound",
                   "--load", "%g" % self.load, "--seed", str(seeds[0]),
                   "--seeds", str(len(seeds)), "--jobs", str(self.plan.jobs),
                   "--json", "-"]
        for policy in policies:
            command += ["--policy", policy]
        if self.plan.duration is not None:
            command += ["--duration", self.plan.duration]
        reports, cpu = simulate(command)
        for report in reports:
            name = run_name(report["policy"], report["seed"])
            self.records[name] = condensed(report, cpu / len(reports))
        self.write()

    def runs(self):
        where = {"box": self.box, "workload": self.workload, "load": self.load}
        return [{**where, "policy": p, "seed": s, **self.records[run_name(p, s)]}
                for p in self.plan.policies for s in self.plan.seeds]


digests = {}


def file_digest(path):
    if path not in digests:
        with open(path, "rb") as file:
            digests[path] = hashlib.sha256(file.read()).digest()
    return digests[path]


def run_name(policy, seed):
    return "%s %d" % (policy, seed)


def children_cpu():
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def simulate(command):
    """The reports of a command, and the CPU time that it took."""
    before = children_cpu()
    done = subprocess.run(command, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False)
    if done.returncode != 0:
        raise Failed("%s\nended with %d: %s" % (
            " ".join(command), done.returncode, done.stderr.strip()))
    reports = json.loads(done.stdout)
    reports = reports if isinstance(reports, list) else [reports]
    return reports, children_cpu() - before


def condensed(report, cpu_s):
    """Of a report what the evaluation looks at."""
    return {"joint": report["slo"]["joint"],
            "bound": report["bound"]["joint"],
            "late_share": report["late_share"],
            "offered": report["requests"]["offered"],
            "duration_s": report["duration_s"],
            "decision_p50_us": report["decision_us"]["p50"],
            "decision_p99_us": report["decision_us"]["p99"],
            "cpu_s": cpu_s}


class Progress:
    """What is done and how long the rest will take, on stderr: rewritten in
    place on a terminal, a line every half minute elsewhere."""

    def __init__(self, cells):
        self.left = {cell: cell.work() for cell in cells}
        self.n_cells = len(cells)
        self.spent, self.done = {}, {} # by box
        self.started = self.told = time.monotonic()
        self.terminal = sys.stderr.isatty()

    def add(self, cell, seconds):
        box = cell.box
        self.spent[box] = self.spent.get(box, 0) + seconds
        self.done[box] = self.done.get(box, 0) + self.left.pop(cell)
        self.tell()

    def seconds_left(self):
        overall = sum(self.spent.values()) / max(sum(self.done.values()), 1e-9)
        left = 0
        for cell, work in self.left.items():
            known = cell.box in self.done
            left += work * (self.spent[cell.box] / self.done[cell.box]
                            if known else overall)
        return left

    def tell(self):
        now = time.monotonic()
        if not self.terminal and now < self.told + 30 and self.left:
            return
        self.told = now
        text = "%d of %d groups of runs, %s so far, %s left" % (
            self.n_cells - len(self.left), self.n_cells,
            clock(now - self.started), clock(self.seconds_left()))
        end = ("" if self.left else "\n") if self.terminal else "\n"
        start = "\r\033[K" if self.terminal else ""
        print(start + text, end=end, file=sys.stderr, flush=True)


def clock(seconds):
    return "%d:%02d" % divmod(round(seconds), 60)


def run_all(plan):
    """All runs of a plan, as an object to be written to a file."""
    cells = plan.cells()
    waiting = [cell for cell in cells if cell.missing()]
    progress = Progress(waiting)
    for cell in waiting:
        began = time.monotonic()
        work = cell.work()
        progress.left[cell] = work
        cell.run()
        progress.add(cell, time.monotonic() - began)
    version = subprocess.run([plan.convergo, "version"], text=True, check=True,
                             stdout=subprocess.PIPE).stdout.split("\n")[0]
    return {"schema": SCHEMA, "convergo": version, "duration": plan.duration,
            "seeds": list(plan.seeds),
            "runs": [run for cell in cells for run in cell.runs()]}


def read(path):
    with open(path, encoding="utf-8") as file:
        results = json.load(file)
    if results.get("schema") != SCHEMA:
        raise Failed("%s: no results of an evaluation (%s)" % (path, SCHEMA))
    return results


def write(path, results):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        runs = ",\n ".join(json.dumps(run) for run in results["runs"])
        head = {key: results[key] for key in results if key != "runs"}
        file.write("%s,\n\"runs\": [\n %s]}\n" % (json.dumps(head)[:-1], runs))
    os.rename(path + ".tmp", path)


class Results:
    """Lookup by cell: a number of every seed, and its mean."""

    def __init__(self, results):
        self.head = results
        self.of = {}
        for run in results["runs"]:
            key = run["box"], run["workload"], run["load"], run["policy"]
            self.of.setdefault(key, {})[run["seed"]] = run

    def by_seed(self, key, what):
        """Seeds without such a number (nothing was worked) are left out."""
        return {seed: run[what] for seed, run in self.of.get(key, {}).items()
                if run[what] is not None}

    def distinct(self, what, order):
        """The boxes, workloads, loads or policies that there are, in order."""
        there = {run[what] for run in self.head["runs"]}
        return [x for x in order if x in there] + sorted(there - set(order))
