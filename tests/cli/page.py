"""convergo sim --report: the page in a real browser."""

import json
import os
import re
import subprocess
import tempfile
import unittest

import _chromium

CONVERGO = os.environ["CONVERGO"]
SOURCE = os.environ["CONVERGO_SOURCE"]

# What would run, or break out, if some text of a file were taken for HTML.
EVIL = "</script><script>document.title='broken into'</script><img src=//x/>"
BOX = """\
version: 1
profiles: [profile.csv]
variants: [variants.csv]
devices:
  - {name: d0, kind: npu, backend: emulated, memory: 3MiB}
  - {name: d1, kind: cpu, backend: onnxruntime}
families:
  - {name: f, metric: top1, variants: [v-small, v-large]}
apps:
  - {name: a, family: f, slo: {deadline: 50ms, accuracy: 0.8}}
  - {name: b, family: f, slo: {deadline: 90ms}}
"""
PROFILE = """\
variant,exit,device,batch,mean_ms,p50_ms,p95_ms,p99_ms,energy_mj,samples,source
v-small,0,d0,1,4,4,5,6,1,0,"%s"
v-small,0,d0,4,10,10,11,12,3,0,"%s"
v-large,0,d0,1,8,8,9,10,2,0,made up
v-small,0,d1,1,40,40,41,42,2,0,made up
""" % (EVIL, EVIL)
VARIANTS = """\
variant,exit,accuracy,metric,dataset,samples,weights_mib,memory_mib,sparsity,source
v-small,0,0.7,top1,d,0,1,1,0,made up
v-large,0,0.9,top1,d,0,1,1,0,made up
"""
WORKLOAD = """\
version: 1
duration: 12s
warmup: 2s
apps:
  - {app: a, arrivals: {process: poisson, rate: 40/s}}
  - {app: b, arrivals: {process: poisson, rate: 60/s}}
events:
  - {at: 3s, device: d0, state: down, for: 500ms}
"""


MANY = []
for policy in ("fifo", "edf", "accuracy-first", "throughput-first",
               "least-slack", "slo-mael", "convergo",
               "allocation=none,order=edf,batching=greedy,exits=last"):
    MANY += ["--policy", policy]


def percent(share):
    """As tables show it."""
    return "100.0" if share >= 1 else "%.2f" % min(100 * share, 99.99)


class Page(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        self.path("profile.csv", PROFILE)
        self.path("variants.csv", VARIANTS)
        self.box = self.path("box.yaml", BOX)
        self.workload = self.path("workload.yaml", WORKLOAD)
        self.page = self.path("page.html")

    def path(self, name, text=None):
        path = os.path.join(self.folder, name)
        if text is not None:
            with open(path, "w") as file:
                file.write(text)
        return path

    def sim(self, *options, code=0):
        run = subprocess.run(
            [CONVERGO, "sim", self.box, self.workload, "--report", self.page,
             "--json", self.path("out.json"), *options],
            capture_output=True, text=True, timeout=50)
        self.assertEqual(run.returncode, code, run.stdout + run.stderr)
        if code != 0:
            return run.stderr
        with open(self.path("out.json")) as file:
            reports = json.load(file)
        return reports if isinstance(reports, list) else [reports]

    def data(self):
        with open(self.page) as file:
            text = file.read()
        found = re.search('<script type="application/json" id="data">(.*?)'
                          "</script>", text, re.DOTALL)
        return json.loads(found.group(1))


class File(Page):
    """What can be seen without a browser."""

    def test_the_report_is_what_it_is_without_a_page(self):
        reports = self.sim("--policy", "edf", "--load", "1,2")
        for report in reports:
            self.assertNotIn("detail", report)
        with open(self.page) as file:
            text = file.read()
        self.assertNotIn(EVIL, text)
        self.assertEqual(re.findall(r"(?:src|href)=\"(?!data:)[^\"]*\"", text),
                         [])

    def test_means_are_those_of_the_reports(self):
        reports = self.sim("--policy", "edf", "--seeds", "3")
        (group,) = self.data()["groups"]
        joint = [r["slo"]["joint"] for r in reports]
        self.assertAlmostEqual(group["mean"]["slo.joint"], sum(joint) / 3, 5)
        self.assertGreater(group["interval"]["slo.joint"], 0)
        self.assertEqual(group["seeds"], [1, 2, 3])

    def test_distributions_hold_every_answer_of_every_seed(self):
        reports = self.sim("--policy", "edf", "--seeds", "3")
        (group,) = self.data()["groups"]
        for i in range(2):
            counted = group["latencies"][i]
            self.assertEqual(
                sum(counted["counts"]),
                sum(r["apps"][i]["requests"]["served"] for r in reports))
            # The last edge is the first one not below the largest latency.
            largest = max(r["apps"][i]["latency_ms"]["max"] for r in reports)
            last = counted["first"] + len(counted["counts"]) - 1
            self.assertLess(0.94 * 2 ** (last / 16) / 1000, largest * 1.01)
            self.assertGreater(2 ** (last / 16) / 1000, largest * 0.99)

    def test_shares_hold_every_request_of_the_first_seed(self):
        rows = self.path("rows.csv")
        self.sim("--policy", "edf", "--requests", rows)
        (group,) = self.data()["groups"]
        with open(rows) as file:
            apps = [line.split(",")[1] for line in list(file)[1:]]
        for i, name in enumerate("ab"):
            counted = group["shares"]["apps"][i]
            self.assertEqual(
                sum(map(sum, counted["counts"])) + sum(counted["unserved"]),
                apps.count(name))
            self.assertEqual(len(counted["unserved"]), 12)

    def test_the_timeline_is_what_the_devices_did(self):
        self.sim("--policy", "edf", "--timeline", "2.5s")
        timeline = self.data()["groups"][0]["timeline"]
        self.assertEqual((timeline["from_s"], timeline["until_s"],
                          timeline["cut"]), (2.5, 7.5, False))
        spans = timeline["spans"]
        self.assertEqual({s[0] for s in spans}, {0, 1})
        # Neither device begins a batch before it has ended the last.
        for device in (0, 1):
            of_device = sorted(s[2:4] for s in spans if s[0] == device)
            for before, after in zip(of_device, of_device[1:]):
                self.assertLessEqual(before[1], after[0] + 1)
        # The device went down at 3 s, for half a second.
        lost = [s for s in spans if s[8] == 1]
        self.assertEqual([(s[0], s[3]) for s in lost], [(0, 3000000)])
        self.assertEqual([s for s in spans
                          if s[0] == 0 and 3000000 < s[3] < 3500000], [])

    def test_a_switch_ahead_of_need_is_of_no_application(self):
        example = os.path.join(SOURCE, "examples", "xavier-nx-coral")
        self.box = os.path.join(example, "box.yaml")
        self.workload = os.path.join(example, "bursty.yaml")
        self.sim("--load", "0.6", "--duration", "12s")
        spans = self.data()["groups"][0]["timeline"]["spans"]
        ahead = [s for s in spans if s[8] == 0 and s[6] == 0]
        self.assertGreater(len(ahead), 0)
        for span in ahead:
            self.assertEqual(span[4], -1)
            self.assertGreater(span[7], 0)

    def test_a_long_run_makes_no_larger_page(self):
        self.sim("--policy", "edf", "--duration", "12s")
        small = os.path.getsize(self.page)
        self.sim("--policy", "edf", "--duration", "2000s")
        self.assertLess(os.path.getsize(self.page), 1.1 * small)
        group = self.data()["groups"][0]
        self.assertLessEqual(len(group["shares"]["apps"][0]["unserved"]), 120)

    def test_a_busy_box_has_its_timeline_cut(self):
        self.path("profile.csv", re.sub(
            ",[0-9]+,[0-9]+,[0-9]+,[0-9]+,[0-9]+,0,",
            ",0.4,0.4,0.4,0.4,1,0,", PROFILE))
        self.sim("--policy", "fifo", "--load", "40")
        timeline = self.data()["groups"][0]["timeline"]
        self.assertTrue(timeline["cut"])
        self.assertLessEqual(len(timeline["spans"]), 6000)
        self.assertLess(timeline["until_s"], 7)
        last = max(s[2] for s in timeline["spans"]) / 1e6
        self.assertLessEqual(last, timeline["until_s"])
        self.assertGreater(last, timeline["until_s"] - 0.05)

    def test_bad_usage_changes_nothing(self):
        error = self.sim("--report", self.path("out.json"), code=2)
        self.assertIn("cannot both be written", error)
        run = subprocess.run([CONVERGO, "sim", self.box, self.workload,
                              "--timeline", "1s"], capture_output=True,
                             text=True, timeout=50)
        self.assertEqual(run.returncode, 2)
        self.assertIn("--timeline is for the page", run.stderr)
        self.assertFalse(os.path.exists(self.page))


@unittest.skipIf(_chromium.PATH is None,
                 "chromium is missing: scripts/setup --dev")
class Browser(Page):
    @classmethod
    def setUpClass(cls):
        cls.browser = _chromium.Chromium()

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()

    def setUp(self):
        super().setUp()
        self.browser.complaints.clear()
        self.browser.requests.clear()

    def open(self, **look):
        self.browser.look(**look)
        self.browser.open(self.page)
        self.assertEqual(self.browser.complaints, [])
        self.assertEqual(set(self.browser.requests),
                         {"file://" + self.page})

    def texts(self, selector):
        return self.browser.evaluate(
            "[...document.querySelectorAll(%s)].map(e => e.textContent)"
            % json.dumps(selector))

    def test_all_is_there_with_the_right_numbers(self):
        reports = self.sim("--policy", "edf", "--policy", "convergo", "--load",
                           "1,2", "--seeds", "2", "--bound")
        self.open()
        self.assertEqual(self.texts("h2"), [
            "All SLOs met, together", "Each kind of SLO", "Each application",
            "Latency", "One run", "What each device did",
            "Which variants answered", "All runs in numbers", "The box"])
        rows = self.browser.evaluate(
            "[...document.querySelectorAll('[aria-label=\"All runs\"] tr')]"
            ".map(r => [...r.cells].map(c => c.textContent))")
        names = rows[0]
        self.assertEqual([r[:3] for r in rows[1:]], [
            ["edf", "1", "1–2"], ["edf", "2", "1–2"],
            ["convergo", "1", "1–2"], ["convergo", "2", "1–2"]])
        for k, row in enumerate(rows[1:]):
            pair = reports[2 * k:2 * k + 2]
            for column, values in (
                    ("joint %", [r["slo"]["joint"] for r in pair]),
                    ("deadline %", [r["slo"]["deadline"] for r in pair]),
                    ("bound %", [r["bound"]["joint"] for r in pair])):
                self.assertEqual(row[names.index(column)].split(" ")[0],
                                 percent(sum(values) / 2))
            self.assertIn("±", row[names.index("joint %")])
        plots = self.texts("svg[role=img] > title")
        self.assertEqual(plots[0], "Joint satisfaction of each policy")
        # A plot for those who do not see it.
        words = self.texts("svg[role=img] > desc")[0]
        joint = sum(r["slo"]["joint"] for r in reports[:2]) / 2
        self.assertIn("edf: load 1 %s\u00a0%%" % percent(joint), words)

    def test_texts_from_files_stay_texts(self):
        self.sim("--policy", "edf")
        self.open()
        self.assertNotEqual(self.browser.evaluate("document.title"),
                            "broken into")
        self.assertIn(EVIL, self.texts(".sources li"))
        self.assertEqual(self.browser.evaluate(
            "document.querySelectorAll('main script, main img').length"), 0)

    def test_one_run_alone_says_what_is_emulated(self):
        self.sim("--policy", "edf")
        self.open()
        self.assertEqual(self.texts("h2")[0], "SLOs met")
        facts = "".join(self.texts(".facts dd"))
        self.assertIn("d0 is emulated", facts)
        self.assertIn("d1 is simulated from a profile", facts)

    def test_another_run_can_be_chosen(self):
        self.sim("--policy", "edf", "--policy", "fifo", "--load", "1,2")
        self.open()
        numbers = "[aria-label=Applications] tbody tr"
        before = self.texts(numbers)
        self.browser.evaluate(
            "(() => { const s = document.querySelectorAll('#page section"
            " .controls select'); s[1].selectedIndex = 1; s[1].dispatchEvent("
            "new Event('change')); s[2].selectedIndex = 1; s[2].dispatchEvent("
            "new Event('change')); })()")
        self.assertNotEqual(self.texts(numbers), before)
        titles = self.texts("svg[role=img] > title")
        self.assertIn("Batches of fifo at load 2", titles)
        # A policy that is chosen stands out in all plots.
        self.browser.evaluate(
            "document.querySelector('button[data-policy=\"1\"]').click()")
        self.assertEqual(
            self.browser.evaluate(
                "[...new Set([...document.querySelectorAll('.chosen')]"
                ".map(e => e.dataset.series))].join()"), "1")

    def test_nothing_overflows_and_nothing_overlaps(self):
        for options in (["--policy", "edf"], MANY + ["--load", "1"],
                        MANY + ["--load", "0.5,1,2"]):
            self.sim(*options)
            for width in (1400, 400):
                self.open(width=width)
                self.assertEqual(self.browser.evaluate(
                    "document.documentElement.scrollWidth"), width)
                # Text of a plot neither leaves the page nor covers other
                # text of it; what is inside bars is drawn where it fits.
                self.assertEqual(self.browser.evaluate("""
                    [...document.querySelectorAll("svg[role=img]")].flatMap(
                        (plot) => {
                      const boxes = [...plot.querySelectorAll(
                          "text:not(.inside)")].map((t) =>
                          [t.textContent, t.getBoundingClientRect()]);
                      return boxes.flatMap(([a, x], i) =>
                        (x.left < 0 || x.right > innerWidth
                          ? [a + " leaves the page"] : []).concat(
                        boxes.slice(i + 1).filter(([b, y]) =>
                          x.left < y.right - 1 && y.left < x.right - 1 &&
                          x.top < y.bottom - 3 && y.top < x.bottom - 3)
                        .map(([b]) => `${a} covers ${b}`)));
                    })"""), [], (width, options))

    def test_the_load_that_was_found(self):
        # fifo keeps to no deadline at all once a queue has built up.
        reports = self.sim("--policy", "edf", "--policy", "fifo",
                           "--find-load", "joint=0.9", "--duration", "8s")
        self.open()
        self.assertEqual(self.texts("h2")[0], "How much load")
        words = self.texts("svg[role=img] > desc")[0]
        for report in reports[:2]:
            found = report["find_load"]["load"]
            self.assertIn("%s: %s" % (
                report["policy"],
                "none" if found is None else "%.4g" % found), words)

    def test_none_of_the_loads_would_do(self):
        self.path("workload.yaml", WORKLOAD.replace("500ms", "9s"))
        self.sim("--policy", "edf", "--find-load", "joint=0.99")
        self.open()
        self.assertIn("edf: none", self.texts("svg[role=img] > desc")[0])

    def test_an_outage_and_loads_are_drawn(self):
        self.path("profile.csv", PROFILE.replace("source\n", "source,load_ms\n")
                  .replace("made up\n", "made up,30\n")
                  .replace('"\n', '",30\n'))
        self.sim("--policy", "edf", "--timeline", "2.9s")
        self.open()
        legend = self.texts("[aria-label='What the bars are'] li")
        self.assertEqual(legend[:2], ["a", "b"])
        self.assertIn("device is down", legend)
        self.assertIn("lost with its device", legend)
        self.assertIn("load into memory", legend)
        self.assertIn("d0 down from 3 s",
                      [t.replace("\u00a0", " ") for t in self.texts("title")])

    def test_nothing_at_all_was_answered(self):
        self.path("profile.csv", re.sub(",[0-9]+,[0-9]+,[0-9]+,[0-9]+,"
                                        "([0-9]+),0,", ",99,99,99,99,\\1,0,",
                                        PROFILE))
        self.sim("--policy", "edf")
        self.open()
        self.assertIn("None of its requests was answered.", self.texts("p"))

    def test_it_is_dark_where_that_is_preferred(self):
        self.sim("--policy", "edf")
        grounds = {}
        for scheme in ("light", "dark"):
            self.open(scheme=scheme)
            grounds[scheme] = self.browser.evaluate(
                "getComputedStyle(document.body).backgroundColor")
        self.assertEqual(grounds, {"light": "rgb(255, 255, 255)",
                                   "dark": "rgb(19, 22, 27)"})
        # On paper it is light in any case.
        self.browser.look(scheme="dark", media="print")
        self.assertEqual(self.browser.evaluate(
            "getComputedStyle(document.body).backgroundColor"),
            "rgb(255, 255, 255)")

    def test_colours_of_text_have_contrast(self):
        self.sim(*MANY, "--load", "1")
        for scheme in ("light", "dark"):
            self.open(scheme=scheme)
            worst = self.browser.evaluate("""(() => {
                const light = (rgb) => {
                  const [r, g, b] = rgb.match(/[0-9.]+/g).map((v) => {
                    const c = v / 255;
                    return c <= 0.03928 ? c / 12.92
                      : ((c + 0.055) / 1.055) ** 2.4; });
                  return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
                const ground = light(
                  getComputedStyle(document.body).backgroundColor);
                return Math.min(...[...document.querySelectorAll(
                  "p, dt, dd, h2, th, td, svg text:not(.inside)")].map((e) => {
                  const style = getComputedStyle(e);
                  const ink = light(e.ownerSVGElement ? style.fill
                    : style.color);
                  return (Math.max(ink, ground) + 0.05)
                    / (Math.min(ink, ground) + 0.05); })); })()""")
            self.assertGreater(worst, 4.5, scheme)

    def test_it_can_be_printed(self):
        self.sim("--policy", "edf", "--policy", "fifo", "--load", "1,2")
        self.open()
        pdf = self.browser.pdf()
        self.assertTrue(pdf.startswith(b"%PDF-"))
        self.assertGreater(len(pdf), 20000)
        self.assertEqual(self.browser.complaints, [])


if __name__ == "__main__":
    unittest.main()
