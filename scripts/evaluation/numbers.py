"""Means over seeds, and how far they may be off."""

import math

# Student's t, two-sided 95 %, for 1, 2, ... degrees of freedom.
T95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
       2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086)


def mean(values):
    return sum(values) / len(values)


def half_interval(values):
    """Half the 95 % interval of the mean; infinite for a single value."""
    n = len(values)
    if n < 2:
        return math.inf
    middle = mean(values)
    variance = sum((x - middle) ** 2 for x in values) / (n - 1)
    return T95[min(n - 1, len(T95)) - 1] * math.sqrt(variance / n)


def difference(ours, theirs):
    """Mean and half interval of the difference, seed by seed: equal seeds mean
    equal arrivals, so most of what differs between seeds cancels. Both are
    dicts from seed to value; (None, None) without a common seed."""
    common = sorted(ours.keys() & theirs.keys())
    if not common:
        return None, None
    each = [ours[seed] - theirs[seed] for seed in common]
    return mean(each), half_interval(each)
