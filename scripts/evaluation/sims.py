"""Runs of convergo sim: their reports, and what became of each request."""

import csv
import json
import os
import subprocess
import tempfile

SOURCE = os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
CONVERGO = os.environ.get("CONVERGO", os.path.join(SOURCE, "build/convergo"))


def version():
    return subprocess.run([CONVERGO, "version"], check=True, text=True,
                          capture_output=True).stdout.split()[1]


def reports(box, workload, policies, *options):
    """Of every policy and seed."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "report.json")
        command = [CONVERGO, "sim", box, workload, "--json", path, *options]
        for policy in policies:
            command += ["--policy", policy]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8") as file:
            found = json.load(file)
    return found if isinstance(found, list) else [found]


def requests(box, workload, policy, *options):
    """The rows of one run, as dicts of text."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "requests.csv")
        subprocess.run([CONVERGO, "sim", box, workload, "--policy", policy,
                        "--requests", path, *options],
                       check=True, stdout=subprocess.DEVNULL)
        with open(path, encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))
