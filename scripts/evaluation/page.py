"""The page: tables and charts of results, with the text around them. All that
it says of a policy is computed here."""

import os
import textwrap

from evaluation import judge, plot
from evaluation.numbers import half_interval, mean
from evaluation.runs import BOXES, LOADS, POLICIES, WORKLOADS, Results

SHOWN = (0.7, 0.85, 1.0, 1.3) # loads of the tables
OURS = judge.OURS


def joined(cells):
    return "| " + " | ".join(cells) + " |"


def table(head, rows):
    return "\n".join([joined(head), joined(["---"] * len(head))] +
                     [joined(row) for row in rows])


def digits(value):
    """A share that is not whole is never shown as whole."""
    return "%.4f" % (value if value >= 1 else min(value, 0.9999))


# --- cells -------------------------------------------------------------------


class Cell:
    """What one box, workload and load came to, under every policy."""

    def __init__(self, results, box, workload, load):
        self.results = results
        self.key = box, workload, load
        self.there = [p for p in results.distinct("policy", POLICIES)
                      if results.by_seed(self.key + (p,), "joint")]

    def values(self, policy, what="joint"):
        return list(self.results.by_seed(self.key + (policy,), what).values())

    def mean(self, policy, what="joint"):
        values = self.values(policy, what)
        return mean(values) if values else None

    def best_peer(self):
        peers = [p for p in self.there if p != OURS]
        return max(peers, key=self.mean) if peers else None

    def bound(self):
        return self.mean(self.there[0], "bound")

    def shown(self, policy):
        if policy not in self.there:
            return "-"
        half = half_interval(self.values(policy))
        return "%s ± %.4f" % (digits(self.mean(policy)), half)

    def late(self, policy):
        share = self.mean(policy, "late_share") if policy else None
        return "-" if share is None else "%.2f %%" % (100 * share)

    def row(self):
        peer = self.best_peer()
        return [self.shown(OURS),
                "-" if peer is None else "%s %s" % (peer, self.shown(peer)),
                digits(self.bound()), self.late(OURS), self.late(peer)]


HEAD = ["convergo", "best peer", "bound", "late work: convergo",
        "late work: best peer"]


def cells(results, box, workload, loads):
    every = [Cell(results, box, workload, load) for load in loads]
    return [cell for cell in every if cell.there]


# --- requirements ------------------------------------------------------------


def verdict_cell(verdict):
    if verdict is None:
        return "-"
    met, figure = verdict
    return "%s (%s)" % ("met" if met else "**not met**", figure)


def requirements(results):
    boxes = results.distinct("box", BOXES)
    rows = [["%g" % v.load, v.text] +
            [verdict_cell(v.by_box[box]) for box in boxes]
            for v in judge.verdicts(results)]
    return table(["load", "required of convergo"] + boxes, rows)


def count_met(results):
    every = [v for verdict in judge.verdicts(results)
             for v in verdict.by_box.values() if v is not None]
    return sum(met for met, _ in every), len(every)


# --- charts ------------------------------------------------------------------


def line_of(results, box, workload, policy, what, name, kind):
    points = []
    for cell in cells(results, box, workload,
                      results.distinct("load", LOADS)):
        values = cell.values(policy, what)
        if values:
            points.append((cell.key[2], mean(values), half_interval(values)))
    return plot.Line(name, kind, points)


def chart(results, box, workload):
    """Peers first, so that what matters is drawn over them."""
    policies = results.distinct("policy", POLICIES)
    peers = [p for p in policies if p != OURS]
    lines = [line_of(results, box, workload, p, "joint", p, i)
             for i, p in enumerate(peers)]
    lines.append(line_of(results, box, workload, policies[0], "bound",
                         "fluid bound", "bound"))
    if OURS in policies:
        lines.append(line_of(results, box, workload, OURS, "joint", OURS,
                             "ours"))
    return plot.chart("%s, %s arrivals" % (box, workload), "load",
                      "share of requests with all SLOs met", lines)


# --- sections ----------------------------------------------------------------


def box_section(results, box):
    rows = [["%g" % cell.key[2]] + cell.row()
            for cell in cells(results, box, "steady", SHOWN)]
    return "### %s\n\n![joint against load on %s](evaluation/%s.svg)\n\n%s" % (
        box, box, box, table(["load"] + HEAD, rows))


def other_section(results, box):
    rows = []
    for workload in results.distinct("workload", WORKLOADS):
        if workload != "steady":
            rows += [[workload, "%g" % cell.key[2]] + cell.row()
                     for cell in cells(results, box, workload, SHOWN)]
    return "### %s: other workloads\n\n%s" % (
        box, table(["workload", "load"] + HEAD, rows)) if rows else ""


def all_policies(results, load):
    """Steady arrivals at one load: every policy on every box."""
    boxes = results.distinct("box", BOXES)
    of = {box: Cell(results, box, "steady", load) for box in boxes}
    rows = [[policy] + [of[box].shown(policy) for box in boxes]
            for policy in results.distinct("policy", POLICIES)]
    rows.append(["*fluid bound*"] + [
        digits(of[box].bound()) if of[box].there else "-" for box in boxes])
    return table(["joint at load %g" % load] + boxes, rows)


def decision_costs(results):
    """Steady arrivals at load 1.0: medians and p99 of a step."""
    boxes = results.distinct("box", BOXES)
    rows = []
    for policy in results.distinct("policy", POLICIES):
        row = [policy]
        for box in boxes:
            cell = Cell(results, box, "steady", 1.0)
            p50 = cell.mean(policy, "decision_p50_us")
            p99 = cell.mean(policy, "decision_p99_us")
            row.append("-" if p50 is None else "%.2f / %.1f" % (p50, p99))
        rows.append(row)
    return table(["step, median / p99 in us"] + boxes, rows)


def simulation_cost(results):
    runs = results.head["runs"]
    cpu = sum(run["cpu_s"] for run in runs)
    requests = sum(run["offered"] for run in runs)
    hours = sum(run["duration_s"] for run in runs) / 3600
    return textwrap.fill(
        "All %d runs, %.1f hours of traffic with %.2f million requests, took "
        "%.1f minutes of CPU time, bounds included: %d requests simulated a "
        "second of a core." % (len(runs), hours, requests / 1e6, cpu / 60,
                               requests / cpu), 80)


# --- the whole ---------------------------------------------------------------

POLICIES_TABLE = """| policy | idea |
| --- | --- |
| fifo | first come, first served; drops nothing |
| edf | earliest deadline first, on the device that ends it first |
| accuracy-first, throughput-first | edf, with the most accurate, or the quickest, variant |
| least-slack | the least time to spare first, as in Band (Jeong et al., MobiSys 2022) |
| slo-mael | expected latency against what is left of the SLO (Seo et al., ACM TACO 18(4), 2021) |
| heft | the job with the longest shortest latency first, as in Band |
| infaas | a running variant that keeps the bounds, on the least loaded device (Romero et al., USENIX ATC 2021) |
| jellyfish | applications mapped to models and models to devices, once a period (Nigade et al., RTSS 2022) |
| alert | the least energy among what is probably in time (Wan et al., USENIX ATC 2020) |
| clockwork | known times, one batch at a time, hopeless requests given up at once (Gujarati et al., OSDI 2020) |
| dream | the pair of task and idle device with the best score (Kim et al., ASPLOS 2023) |
| convergo | all SLOs together: [how it decides](../ARCHITECTURE.md#policies) |"""

TEMPLATE = """# Evaluation: convergo beside other policies

Convergo decides for each request of several applications which model runs it, on
which device and in which batch, so that all that an application asks for holds at once: a deadline,
an accuracy, a throughput, an energy (its SLOs). Here its policy `convergo` stands
beside {n_peers} others on {n_boxes} boxes. What is compared is **joint**: the share of
all requests offered that had every SLO of their application met.

This page is written by `make evaluate` ({version}): text, tables and charts are
computed from one set of results, {n_seeds} seeds{duration} each, every policy on the
same arrivals. The boxes are emulated: see [what to keep in mind](#how-it-was-made).

Of {n_judged} requirements, each on one box at one load, convergo meets **{n_met}**.

{requirements}

Steady arrivals, means over the seeds. In brackets what was reached: joint, the
share of the bound, the share of late work, or how far convergo is ahead (+) of
the peer that comes nearest to it, judged seed by seed. What no policy can meet
counts as not met, too. Tight deadlines
are there as well, without a number to reach.

## Steady arrivals

- **Load**: 1 is where the box is full in the fluid bound, which knows no queue, no
  contention and no switch ([how it is set](../examples/README.md)).
- **Bound**: no policy can exceed it on these arrivals
  ([why](simulate.md#what-could-be-had)).
- **±**: half the 95 % interval of the mean; in the charts the bar through a point.
- **Late work**: the share of device time that went into batches with a late request.
- **Best peer**: the other policy with the highest joint in that line.

{boxes}

## Every policy

{policies_table}

{all_policies}

## Bursts, faults, overload, tight deadlines

Load multiplies all rates of a workload. `bursty` has the mean rates of steady;
`device-lost` is steady with a device gone for 10 s and another one slow for 10 s;
`overload` goes from 70 % of steady to 140 % and back; `tight` is steady with
deadlines of three times the fastest time.

{others}

## What it costs

{decisions}

A step is one event told to the engine and all that it decides; most steps are
arrivals. Timed, one step in 16, on the machine that made this page, whose cores
were all busy with other runs.

{simulation}

## How it was made

    make evaluate

That is, for each box, workload and load:

    convergo sim examples/BOX/box.yaml examples/BOX/WORKLOAD.yaml --bound \\
        --load LOAD --seeds {n_seeds} {duration_option}--json - \\
        {policies}

Results are kept in `out/evaluate/results.json`; `scripts/evaluate --compare OLD NEW`
tells what a change made better or worse.

What to keep in mind:

- The boxes are **emulated**. Their times, energies and accuracies are published
  figures, or derived from some ([sources](../examples/README.md)); we have
  measured none of that hardware.
- The peers are our implementations of published ideas, in one engine, with one
  profile and one predictor. They are not the systems of their authors.
- `convergo` was developed on these boxes. What it does on yours, `convergo sim`
  tells.
"""


def in_lines(items, width=70):
    lines, line = [], ""
    for item in items:
        if line and len(line) + len(item) > width:
            lines.append(line)
            line = ""
        line += (" " if line else "") + item
    return " \\\n        ".join(lines + [line])


def text(results):
    head = results.head
    boxes = results.distinct("box", BOXES)
    loads = results.distinct("load", LOADS)
    met, judged = count_met(results)
    policies = results.distinct("policy", POLICIES)
    duration = head["duration"]
    return TEMPLATE.format(
        n_boxes=len(boxes), n_peers=sum(p != OURS for p in policies),
        policies_table=POLICIES_TABLE,
        version=head["convergo"], n_seeds=len(head["seeds"]),
        duration=" of %s" % duration if duration else " of a minute",
        duration_option="--duration %s " % duration if duration else "",
        n_met=met, n_judged=judged, requirements=requirements(results),
        boxes="\n\n".join(box_section(results, box) for box in boxes),
        all_policies="\n\n".join(all_policies(results, load)
                                 for load in SHOWN if load in loads),
        others="\n\n".join(other_section(results, box)
                           for box in boxes).strip() or "Not run.",
        decisions=decision_costs(results),
        simulation=simulation_cost(results),
        policies=in_lines("--policy " + p for p in policies))


def write(folder, head):
    """evaluation.md and evaluation/*.svg; returns the path of the page."""
    results = Results(head)
    os.makedirs(os.path.join(folder, "evaluation"), exist_ok=True)
    for box in results.distinct("box", BOXES):
        put(os.path.join(folder, "evaluation", box + ".svg"),
            chart(results, box, "steady"))
    path = os.path.join(folder, "evaluation.md")
    put(path, text(results))
    return path


def put(path, content):
    with open(path + ".tmp", "w", encoding="utf-8") as file:
        file.write(content)
    os.rename(path + ".tmp", path)


def summary(head):
    """For a terminal: convergo beside its best peer, and what is not met."""
    results = Results(head)
    lines = []
    for workload in results.distinct("workload", WORKLOADS):
        for box in results.distinct("box", BOXES):
            for cell in cells(results, box, workload,
                              results.distinct("load", LOADS)):
                lines.append(summary_row(cell))
    met, judged = count_met(results)
    lines.append("requirements met: %d of %d" % (met, judged))
    for verdict in judge.verdicts(results):
        for box, found in verdict.by_box.items():
            if found is not None and not found[0]:
                lines.append("not met: %s at %g: %s (%s)" % (
                    box, verdict.load, verdict.text, found[1]))
    return "\n".join(lines)


def summary_row(cell):
    box, workload, load = cell.key
    peer = cell.best_peer()
    ours = cell.shown(OURS)
    return "%-20s %-12s %5g  convergo %-17s  %-17s %-17s  bound %s" % (
        box, workload, load, ours, peer or "-",
        cell.shown(peer) if peer else "-", digits(cell.bound()))
