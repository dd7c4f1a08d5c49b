"""`make help` lists every command there is."""

import re
import subprocess

from tests.support.made_up import ROOT


def test_every_command_has_a_line_of_help():
    declared = re.search(r"^\.PHONY: (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), flags=re.MULTILINE)[1]
    listed = subprocess.run(["make", "--silent", "help"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split()[0] for line in listed.splitlines()} == set(declared.split())
