"""Two result files beside each other: which cells changed."""

from evaluation.numbers import difference, mean
from evaluation.runs import Failed, Results

LEAST = 0.0005 # of joint; less is nobody's business, however certain


def changes(old, new):
    """For each cell of both: its key, old and new mean, change, interval."""
    for key in sorted(old.of.keys() & new.of.keys()):
        before, after = old.by_seed(key, "joint"), new.by_seed(key, "joint")
        change, half = difference(after, before)
        if change is not None:
            yield key, mean(list(before.values())), mean(
                list(after.values())), change, half


def row(change):
    (box, workload, load, policy), before, after, change, half = change
    return "  %-20s %-12s %5g  %-17s %.4f -> %.4f  %+.4f +- %.4f" % (
        box, workload, load, policy, before, after, change, half)


def summary_rows(all_changes):
    """By policy and load: where it went on the whole."""
    sums = {}
    for (_, _, load, policy), _, _, change, _ in all_changes:
        sums.setdefault((policy, load), []).append(change)
    return ["  %-17s %5g  %+.4f  (%d cells)" % (policy, load, mean(each),
                                               len(each))
            for (policy, load), each in sorted(sums.items())
            if any(abs(change) >= LEAST for change in each)]


def compare(old, new):
    """The text that tells what changed from one to the other."""
    if old["duration"] != new["duration"]:
        raise Failed("the runs are of different durations: %s and %s" % (
            old["duration"], new["duration"]))
    every = list(changes(Results(old), Results(new)))
    if not every:
        raise Failed("the two have no run in common")
    sure = [c for c in every if abs(c[3]) > c[4] and abs(c[3]) >= LEAST]
    better = sorted((c for c in sure if c[3] > 0), key=lambda c: -c[3])
    worse = sorted((c for c in sure if c[3] < 0), key=lambda c: c[3])
    lines = ["joint, seed by seed; +- is half the 95 % interval of the change",
             "%d cells compared: %d better, %d worse, %d as before" % (
                 len(every), len(better), len(worse),
                 len(every) - len(better) - len(worse))]
    for title, cells in (("worse", worse), ("better", better)):
        if cells:
            lines += ["", title] + [row(cell) for cell in cells]
    rows = summary_rows(every)
    if rows:
        lines += ["", "mean change of a policy at a load"] + rows
    return "\n".join(lines)
