"""The documentation, held to what the program does.

A fenced block whose first line names a file (```yaml box.yaml) is a file:
convergo check reads it. What docs/files.md says of keys, columns and ranges is
compared with the tables of src/config that read them."""

import glob
import http.client
import json
import os
import pathlib
import re
import shlex
import signal
import struct
import subprocess
import sys
import tempfile
import unittest

SOURCE = pathlib.Path(os.environ["CONVERGO_SOURCE"])
CONVERGO = os.environ["CONVERGO"]
sys.path.insert(0, str(SOURCE / "tests/server"))
import _box  # noqa: E402

BLOCK = re.compile(r"^```(\w*) ?(\S*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LIMITS = {"CVG_MAX_APPS": "list of 0 to %d,", "CVG_MAX_VARIANTS":
          "a box has at most %d", "CVG_MAX_DEVICES": "list of 1 to %d |",
          "CVG_MAX_UNITS": "1 to %d in the whole box", "CVG_MAX_IN_FLIGHT":
          "a unit may hold, 1 to %d", "CVG_MAX_BATCH": "| 1 to %d, whole.",
          "CVG_MAX_STATES": "1 to %d states", "CVG_MAX_TENSORS":
          "At most %d inputs", "CVG_MAX_DIMS": "at most %d dimensions"}


def read(name):
    return (SOURCE / name).read_text(encoding="utf-8")


def blocks(text):
    """(language, file name or "", content) of each fenced block."""
    return BLOCK.findall(text)


def section(text, heading):
    """From the heading to the next of its level or above."""
    start = text.index("\n" + heading + "\n") + 1
    level = len(heading) - len(heading.lstrip("#"))
    inside = start + len(heading)
    end = re.search(r"^#{1,%d} " % level, text[inside:], re.MULTILINE)
    return text[start:inside + end.start()] if end else text[start:]


class Files(unittest.TestCase):
    """docs/files.md"""

    @classmethod
    def setUpClass(cls):
        cls.text = read("docs/files.md")

    def tells(self, pattern):
        self.assertTrue(re.search(pattern, self.text),
                        "docs/files.md lacks " + pattern)

    def test_every_example_passes_check(self):
        with tempfile.TemporaryDirectory() as folder:
            folder = pathlib.Path(folder)
            named = [(name, body) for _, name, body in blocks(self.text)
                     if name != ""]
            self.assertGreaterEqual(len(named), 10)
            for name, body in named:
                (folder / name).write_text(body, encoding="utf-8")
            (folder / "labelled.bin").write_bytes(
                b"CVGDATA1" + struct.pack("<II4si", 1, 4, b"item", 7))
            names = [name for name, _ in named] + ["labelled.bin"]
            done = subprocess.run([CONVERGO, "check", *names], cwd=folder,
                                  capture_output=True, text=True, timeout=30)
            self.assertEqual((done.returncode, done.stderr), (0, ""))
            self.assertEqual(done.stdout.count(": ok: "), len(names))
            self.assertNotIn("not checked", done.stdout)

    def test_the_example_with_every_key_has_every_key(self):
        body = next(b for _, name, b in blocks(self.text)
                    if name == "every-key.yaml")
        tables = self.keys("box", "devices", "families", "apps")
        tables -= {"allocation", "exits"}  # beside those that are there
        for key in sorted(tables - {"name"}):
            self.assertRegex(body, r"\b%s:" % key)

    def keys(self, *files):
        """What the tables of src/config/FILE.c read."""
        found = set()
        for file in files:
            code = read("src/config/%s.c" % file)
            found |= set(re.findall(r'\.key = "(\w+)"', code))
            found |= set(re.findall(r"(?:POLICY|ADDRESS)_FIELD\((\w+)\)[,;]",
                                    code))
        return found

    def test_every_key_and_column_is_told(self):
        names = self.keys("box", "devices", "families", "apps", "workload",
                          "streams", "events")
        self.assertGreater(len(names), 50)
        for file in ("rows", "trace"):
            columns = re.findall(r'\{"(\w+)", (?:true|false)\}',
                                 read("src/config/%s.c" % file))
            self.assertGreater(len(columns), 3)
            names |= set(columns)
        for name in sorted(names):
            self.tells(r"`(\w+: )?%s\b" % name)

    def test_every_choice_is_told(self):
        n = 0
        for path in glob.glob(str(SOURCE / "src/config/*.c")):
            if path.endswith("recognise.c"):
                continue  # keys, not choices
            for names in re.findall(
                    r"const char \*const (?!providers)\w+\[\] =\s*"
                    r"\{([^}]*),\s+NULL\}", pathlib.Path(path).read_text()):
                for name in re.findall(r'"([a-z-]+)"', names):
                    n += 1
                    self.tells(r"`(\w+: )?%s`" % name)
        self.assertGreater(n, 20)

    def test_every_range_is_told(self):
        n = 0
        for path in glob.glob(str(SOURCE / "src/config/*.c")):
            code = pathlib.Path(path).read_text()
            for text in re.findall(
                    r"struct cvg_range \w+ = \{[^}]*?\"([^\"]*)\"\}", code):
                n += 1
                self.tells(re.escape(text))
        self.assertGreater(n, 15)

    def test_limits(self):
        code = read("include/convergo/box.h") + read(
            "include/convergo/device.h") + read("src/domain/workload.h")
        for name, words in LIMITS.items():
            number = int(re.search(r"#define %s (\d+)U" % name, code).group(1))
            self.tells(re.escape(words % number))

    def test_faults(self):
        code = read("src/device/faults.c")
        for name in re.findall(r'"(\w+_(?:after|load|for))"', code):
            self.tells("`%s: " % name)


class OwnBox(unittest.TestCase):
    """README.md, "Your own box": pasted into an empty folder beside a model
    repository of one model."""

    def test_it_works_as_pasted(self):
        text = section(read("README.md"), "## Your own box")
        files = [(n, b) for _, n, b in blocks(text) if n != ""]
        commands = [shlex.split(line) for language, name, body in blocks(text)
                    if language == "sh" for line in body.splitlines()]
        self.assertEqual([c[:2] for c in commands],
                         [["convergo", "profile"], ["convergo", "serve"]])
        self.assertEqual(sorted(n for n, _ in files),
                         ["box.yaml", "variants.csv"])
        with tempfile.TemporaryDirectory() as folder:
            for name, body in files:
                _box.write(f"{folder}/{name}", body)
            model = re.search(r"`models/(\S+)/1/model.onnx`", text).group(1)
            _box.write(f"{folder}/models/{model}/1/model.onnx",
                       _box.identity())
            self.run_commands(folder, commands)

    def run_commands(self, folder, commands):
        profile, serve = [[CONVERGO, *c[1:]] for c in commands]
        done = subprocess.run(profile, cwd=folder, capture_output=True,
                              text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stderr)
        # Others may listen where a server does by itself.
        env = dict(os.environ, CONVERGO_HTTP="127.0.0.1:0",
                   CONVERGO_METRICS="127.0.0.1:0")
        with open(f"{folder}/log", "w", encoding="utf-8") as log:
            server = subprocess.Popen(serve, cwd=folder, text=True, env=env,
                                      stdout=subprocess.PIPE, stderr=log)
        try:
            ready = server.stdout.readline()
            self.assertIn("ready http=", ready, self.log(folder))
            self.ask(int(re.search(r"http=\S+:(\d+)", ready).group(1)))
        finally:
            server.send_signal(signal.SIGTERM)
            self.assertEqual(server.wait(30), 0)
            server.stdout.close()
        self.assertNotIn("warning", self.log(folder))

    def log(self, folder):
        return pathlib.Path(folder, "log").read_text(encoding="utf-8")

    def ask(self, port):
        family = re.search(r"families:\n *- \{name: (\w+)",
                           read("README.md")).group(1)
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        client.request("POST", "/v2/models/%s/infer" % family, json.dumps(
            {"inputs": [{"name": "x", "shape": [1, 16], "datatype": "FP32",
                         "data": list(range(16))}]}))
        reply = json.loads(client.getresponse().read())
        client.close()
        self.assertTrue(reply["parameters"]["deadline_met"])
        self.assertEqual(reply["outputs"][0]["data"], list(range(16)))


class Help(unittest.TestCase):
    """convergo VERB --help tells every option that the verb takes."""

    MORE = {"serve": ["src/serve/limits.c"]}

    def help(self, *verb):
        return subprocess.run([CONVERGO, *verb, "--help"], check=True,
                              capture_output=True, text=True).stdout

    def test_options(self):
        verbs = re.findall(r"^  (\w+) ", self.help(), re.MULTILINE)
        self.assertGreaterEqual(len(verbs), 8)
        for verb in verbs:
            files = [str(SOURCE / "src/cli" / (verb + ".c")),
                     *glob.glob(str(SOURCE / "src/cli" / (verb + "_*.c"))),
                     *[str(SOURCE / file) for file in self.MORE.get(verb, [])]]
            text = self.help(verb)
            for file in files:
                code = pathlib.Path(file).read_text(encoding="utf-8")
                for flag in set(re.findall(r'"(--(?!help)[a-z-]+)"', code)):
                    with self.subTest(verb=verb, flag=flag):
                        self.assertIn(flag, text)

    def test_the_readme_names_every_verb(self):
        text = read("README.md")
        for verb in re.findall(r"^  (\w+) ", self.help(), re.MULTILINE):
            self.assertRegex(text, r"convergo %s\b" % verb)


class Links(unittest.TestCase):
    """Every link of a page leads somewhere."""

    def test_links(self):
        pages = [p for p in subprocess.run(
            ["git", "ls-files", "*.md"], cwd=SOURCE, capture_output=True,
            text=True, check=False).stdout.split()]
        for page in pages:
            text = re.sub(r"```.*?```", "", read(page), flags=re.DOTALL)
            for target in re.findall(r"\]\(([^)\s]+)\)", text):
                if re.match(r"[a-z]+:", target):
                    continue
                path, _, anchor = target.partition("#")
                file = (SOURCE / page).parent / path if path else SOURCE / page
                with self.subTest(page=page, target=target):
                    self.assertTrue(file.exists())
                    if anchor:
                        self.assertIn(anchor, anchors(file.read_text()))


def anchors(text):
    """As the pages of a repository are shown: lower case, no dots or marks."""
    return [re.sub(r"[^\w\- ]", "", line.lstrip("# ").lower()).replace(" ", "-")
            for line in text.splitlines() if line.startswith("#")]


if __name__ == "__main__":
    unittest.main()
