"""What is asked of policy convergo, and whether it is met."""

from evaluation.numbers import difference, mean
from evaluation.runs import BOXES, LOADS, POLICIES

OURS = "convergo"
GOOD = 0.995 # where both are as good as this, neither has to be better


class Requirement:
    """One line of the table: a load, what is asked, and a test of a cell."""

    def __init__(self, loads, text, test):
        self.loads, self.text, self.test = loads, text, test


class Case:
    """Steady arrivals on one box at one load."""

    def __init__(self, results, box, load):
        self.results, self.box, self.load = results, box, load
        self.ours = self.by_seed(OURS)
        self.peers = {policy: self.by_seed(policy)
                      for policy in results.distinct("policy", POLICIES)
                      if policy != OURS}
        self.peers = {p: seeds for p, seeds in self.peers.items() if seeds}

    def by_seed(self, policy, what="joint"):
        key = self.box, "steady", self.load, policy
        return self.results.by_seed(key, what)

    def joint(self):
        return mean(list(self.ours.values()))

    def bound(self):
        return mean(list(self.by_seed(OURS, "bound").values()))

    def late_share(self):
        late = list(self.by_seed(OURS, "late_share").values())
        return mean(late) if late else 0.0

    def leads(self):
        """How far ours is ahead of each peer, and how sure that is."""
        return {peer: difference(self.ours, seeds)
                for peer, seeds in self.peers.items()}

    def nearest(self):
        """The peer that ours leads by least, and by how much."""
        leads = {peer: lead for peer, (lead, _) in self.leads().items()}
        peer = min(leads, key=leads.get)
        return peer, leads[peer]


def joint_at_least(least):
    return lambda case: (case.joint() >= least, "%.4f" % case.joint())


def no_peer_higher(by):
    def test(case):
        peer, lead = case.nearest()
        return lead >= -by, "%+.4f %s" % (lead, peer)
    return test


def every_peer_lower(case):
    """Beyond the interval of the difference, or both are good."""
    good = case.joint() >= GOOD
    leads = {peer: lead for peer, lead in case.leads().items()
             if not (good and mean(list(case.peers[peer].values())) >= GOOD)}
    if not leads:
        return True, "%+.4f %s" % case.nearest()[::-1]
    peer = min(leads, key=lambda peer: leads[peer][0] - leads[peer][1])
    lead, half = leads[peer]
    return lead > half, "%+.4f ± %.4f %s" % (lead, half, peer)


def every_peer_lower_by(least):
    def test(case):
        peer, lead = case.nearest()
        figure = "%+.4f %s" % (lead, peer)
        room = case.bound() - mean(list(case.peers[peer].values()))
        if lead < least and room < least:
            figure += "; no policy can, the bound is at %+.4f" % room
        return lead >= least, figure
    return test


def share_of_bound(least):
    def test(case):
        share = case.joint() / case.bound() if case.bound() > 0 else 1.0
        return share >= least, "%.4f" % share
    return test


def late_below(most):
    return lambda case: (case.late_share() < most,
                         "%.2f %%" % (100 * case.late_share()))


LOW = tuple(load for load in LOADS if load <= 0.7)
REQUIREMENTS = (
    Requirement(LOW, "joint at least 0.995", joint_at_least(0.995)),
    Requirement(LOW, "no peer higher by more than 0.001",
                no_peer_higher(0.001)),
    Requirement((0.85,), "joint at least 0.985", joint_at_least(0.985)),
    Requirement((0.85,), "no peer higher by more than 0.001",
                no_peer_higher(0.001)),
    Requirement((1.0,), "joint at least 0.96", joint_at_least(0.96)),
    Requirement((1.0,), "every peer lower, beyond the 95 % interval, or both "
                "at least 0.995", every_peer_lower),
    Requirement((1.3,), "joint at least 0.95 of the bound",
                share_of_bound(0.95)),
    Requirement((1.3,), "every peer lower by 0.03 or more",
                every_peer_lower_by(0.03)),
    Requirement((1.3,), "device time spent on late work below 1 %",
                late_below(0.01)),
)


class Verdict:
    """A requirement at one load: for each box (met, the figure), or None
    where it was not run."""

    def __init__(self, load, text, by_box):
        self.load, self.text, self.by_box = load, text, by_box


def judged(case, test):
    return test(case) if case.ours and case.peers else None


def verdicts(results):
    """All of them at the loads that were run."""
    boxes = results.distinct("box", BOXES)
    loads = results.distinct("load", LOADS)
    return [Verdict(load, r.text, {box: judged(Case(results, box, load), r.test)
                                   for box in boxes})
            for r in REQUIREMENTS for load in r.loads if load in loads]
