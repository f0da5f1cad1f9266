"""The README's examples run as they stand, and its commands are those of CI."""

import re
import sys
import types
from pathlib import Path

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()


def test_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    module = types.ModuleType("readme")  # a home for classes, to be pickled from
    monkeypatch.setitem(sys.modules, "readme", module)
    names = vars(module)
    for block in re.findall(r"```python\n(.*?)```", README, re.S):
        exec(compile(block, "README.md", "exec"), names)
    assert len(set(names["picks"])) == 10


def test_commands_install_through_the_constraints():
    installs = re.findall(r"^python.*pip install.*$", README, re.M)
    assert len(installs) == 2
    assert all("-c constraints.txt" in command for command in installs)
    assert sum("pytest" in command for command in installs) == 1
