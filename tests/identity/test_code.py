"""The user's code: edits are noticed by name, and nothing else is."""

import importlib
import json
import os
import subprocess
import sys
import types
from base64 import urlsafe_b64encode
from hashlib import sha256

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from support import MAKERS, make_net
from torch import nn

from skal_deep.identity._code import code_of

USERS = """
import dataclasses
import functools
import numpy as np
import torch
from torch import nn
from users_helpers import scale, LIMITS
import users_helpers as helpers

hidden = 3
OTHER = 1
CALLS, SEEN, n_calls = [], {}, 0
STATE = 2
CACHE = {"a": 1.0}
RNG = np.random.default_rng(7)

def decorated(times):
    def around(function):
        @functools.wraps(function)
        def inner(*args):
            return function(*args) * times
        return inner
    return around

def memo(function):
    kept = {}
    @functools.wraps(function)
    def inner(*args):
        if args not in kept:
            kept[args] = function(*args)
        return kept[args]
    return inner

@dataclasses.dataclass
class Config:
    width: float = 2.0
    names: tuple = ("a", "b")

CONFIG = Config(width=5.0)

class Plain:
    pass

class Base(nn.Module):
    slope = 0.1
    n_made = 0

    def shared(self, x):
        return x * self.slope

class Net(Base):
    made = []

    def __init__(self, hidden=3, power=1.0):
        super().__init__()
        self.hidden = hidden
        self.power = power
        self.n_rows = 0
        self.layer = nn.Linear(4, hidden)
        type(self).n_made += 1
        Net.made.append(1)

    def helper(self, x):
        return x + 1

    def forward(self, x):
        self.n_rows += len(x)
        return self.shared(self.helper(self.layer(x)))

@decorated(times=2)
def inner_metric(value):
    return helpers.deep(value) + scale(value) + CONFIG.width

@memo
def slow(value):
    return value + hidden

@functools.lru_cache
def cached(value):
    return value - 3

def metric(y_true, y_pred, weight=0.5, kept=[]):
    global n_calls, STATE
    n_calls += 1
    CALLS.append(1)
    CACHE[len(CALLS)] = 2.0
    kept.append(1)
    if STATE > 2:
        STATE = 2
    if 0 < hidden < 9 and y_true is not None:
        metric.count += 1
        RNG.random()
        return inner_metric(weight) + slow(1) + cached(2) + CACHE["a"]
    return late(1)
metric.count = 0

def late(value):
    from users_late import answer
    return answer(value)

class Scorer:
    def __init__(self, sign=1.0):
        self.sign = sign
        self.n_calls = 0

    def __call__(self, clf, X, y):
        self.n_calls += 1
        return self.sign

    def method(self, x):
        return x

scorer = Scorer(1.0)
bound = Scorer(2.0).method
part = functools.partial(metric, weight=0.25)
def make(factor):
    return lambda x: x * factor
closure = make(4.0)
"""
HELPERS = """
LIMITS = (0, 1)
DEEP = 1
def deep(value):
    return further(value) + DEEP
def further(value):
    return value * 2
def scale(value):
    return min(value, LIMITS[1])
"""
LATE = "def answer(value):\n    return value + 40\n"
FILES = {"users_nets": USERS, "users_helpers": HELPERS, "users_late": LATE}


def roots(nets):
    return [
        *(nets.Net, nets.Net(), nets.metric, nets.scorer, nets.bound, nets.part),
        nets.closure,
    ]


def told(nets):
    """Code and values, as they are stored for a run."""
    from skal_deep.identity._values import plain

    values = roots(nets)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        values[1] = nets.Net()
    return {
        **code_of(values),
        "values": json.dumps(plain([values[1], nets.scorer, nets.bound, nets.part])),
    }


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Return a function that writes modules of the user and loads them."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def forget():
        for name in FILES:
            sys.modules.pop(name, None)

    def write(old="", new="", file="users_nets"):
        assert old in FILES[file]
        for name, text in FILES.items():
            if name == file:
                text = text.replace(old, new, 1)
            (tmp_path / f"{name}.py").write_text(text)
        importlib.invalidate_caches()
        forget()
        return importlib.import_module("users_nets")

    yield write
    forget()


EDITS = [
    ("hidden = 3\nOTHER", "hidden = 4\nOTHER", "users_nets.hidden"),
    ("hidden < 9", "hidden <= 9", "users_nets.metric"),
    ("slope = 0.1", "slope = 0.2", "users_nets.Base.slope"),
    ("x * self.slope", "x / self.slope", "users_nets.Base.shared"),
    ("return x + 1", "return x + 2", "users_nets.Net.helper"),
    ("class Net(Base)", "class Net(Base, Plain)", "users_nets.Net"),
    ("(*args) * times", "(*args) + times", "users_nets.decorated.<locals>"),
    ("times=2", "times=3", "users_nets.decorated.<locals>"),
    ("width=5.0", "width=6.0", "users_nets.CONFIG"),
    ("weight=0.5", "weight=0.6", "users_nets.metric"),
    ("value - 3", "value - 4", "users_nets.cached"),
    ("n_calls = [], {}, 0", "n_calls = [], {}, 1", "users_nets.n_calls"),
    ("STATE = 2\nCACHE", "STATE = 3\nCACHE", "users_nets.STATE"),
    ('{"a": 1.0}', '{"a": 1.5}', "users_nets.CACHE"),
    ("default_rng(7)", "default_rng(8)", "users_nets.RNG"),
    ("n_made = 0", "n_made = 1", "users_nets.Base.n_made"),
    ("kept = {}", 'kept = {"b": 1}', "users_nets.memo.<locals>.inner.kept"),
    ("kept=[]", "kept=[1]", "users_nets.metric"),
    ("metric.count = 0", "metric.count = 1", "users_nets.metric.count"),
    ("import scale, LIMITS", "import further as scale", "users_nets.scale"),
    ("Scorer(1.0)", "Scorer(-1.0)", "values"),
    ("Scorer(2.0)", "Scorer(3.0)", "values"),
    ("weight=0.25", "weight=0.75", "values"),
    ("make(4.0)", "make(5.0)", "users_nets.make.<locals>.<lambda>.factor"),
    ("power=1.0", "power=2.0", "values"),
    ("        return self.sign", "        return -self.sign", "users_nets.Scorer"),
]
HELPER_EDITS = [
    ("DEEP = 1", "DEEP = 2", "users_helpers.DEEP"),
    ("value * 2", "value * 3", "users_helpers.further"),
    ("min(", "max(", "users_helpers.scale"),
    ("(0, 1)", "(0, 2)", "users_helpers.LIMITS"),
]


def check_edit(before, after, name):
    changed = {
        key for key in before.keys() | after.keys() if before.get(key) != after.get(key)
    }
    assert any(each.startswith(name) for each in changed), changed


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "name"), EDITS, ids=range(len(EDITS)))
def test_an_edit_is_noticed_by_name(write, old, new, name):
    check_edit(told(write()), told(write(old, new)), name)


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "name"), HELPER_EDITS)
def test_an_edit_of_a_helper_is_noticed_by_name(write, old, new, name):
    check_edit(told(write()), told(write(old, new, "users_helpers")), name)


def test_an_edit_of_what_is_imported_late_is_noticed(write):
    before = told(write())
    check_edit(before, told(write("+ 40", "+ 41", "users_late")), "users_late.answer")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("OTHER = 1", "OTHER = 2"),
        ("    return value - 3", "    # a comment\n\n    return value - 3"),
        ("def metric(", "def unused():\n    return 1\n\ndef metric("),
        ("    global n_calls, STATE", '    """Say so."""\n    global n_calls, STATE'),
    ],
)
def test_what_does_not_run_may_be_edited(write, old, new):
    assert told(write()) == told(write(old, new))


def test_running_it_changes_nothing(write):
    nets = write()
    before = told(nets)
    for _ in range(3):
        nets.metric(1, 1)
        nets.scorer(None, None, None)
        nets.slow(4)
        nets.Net()(torch.zeros(2, 4))
        nets.late(1)
    assert nets.CALLS
    assert nets.n_calls
    assert nets.scorer.n_calls
    assert nets.Net.made
    assert told(nets) == before


def told_of_a_run(nets):
    """All of that, an estimator for programs and for people, keys of embeddings."""
    from skal_deep.embedding._identity import model_key, row_key
    from skal_deep.evaluation.comparison._configuration import configuration_of
    from skal_deep.evaluation.comparison._estimator_text import format_estimator
    from skal_deep.identity._values import digest

    net = make_net(callbacks=[("a", object())], module__n_hidden=set("abcdefgh"))
    clf = MAKERS["dropout"](net)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = nets.Net()
    return {
        **told(nets),
        "model": model_key(model, ""),
        "row": row_key({"b": "a text", "a": np.arange(3.0)}).hex(),
        "configuration": digest(configuration_of(clf)),
        "text": format_estimator(clf),
    }


@pytest.mark.slow
def test_another_process_tells_the_same(write, tmp_path):
    """Where sets have another order, and objects stand elsewhere in memory."""
    here = told_of_a_run(write())
    code = (
        "import json, test_code, users_nets;"
        "print(json.dumps(test_code.told_of_a_run(users_nets)))"
    )
    folders = [str(tmp_path), os.path.dirname(__file__), *sys.path]
    other_order = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    printed = subprocess.run(
        [sys.executable, "-c", code],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(folders),
            "PYTHONHASHSEED": other_order,
        },
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert json.loads(printed) == here
    assert "module__n_hidden={'a', 'b', 'c'" in here["text"]


def test_names_of_pythons_own_modules_are_the_users_to_take(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    told = []
    for number in (1, 2):
        (tmp_path / "profile.py").write_text(
            f"def metric(x):\n    return x + {number}\n"
        )
        spec = importlib.util.spec_from_file_location(
            "profile", tmp_path / "profile.py"
        )
        module = importlib.util.module_from_spec(spec)
        monkeypatch.setitem(sys.modules, "profile", module)
        spec.loader.exec_module(module)
        told.append(code_of(module.metric))
    assert told[0].keys() == told[1].keys() == {"profile.metric"}
    assert told[0] != told[1]


def test_a_wrapper_of_a_librarys_function_is_the_users():
    def made(sign):
        text = (
            "import functools, numpy as np\n"
            "@functools.wraps(np.mean)\n"
            f"def metric(x):\n    return {sign}np.mean(x)\n"
        )
        around = {"__name__": "users"}
        exec(text, around)
        return around["metric"]

    assert code_of(made("")) == code_of(made(""))
    assert code_of(made("")) != code_of(made("-"))


class TestNotebook:
    """Code of __main__ that has no file, only cells."""

    @pytest.fixture
    def run(self, monkeypatch):
        module = types.ModuleType("__main__")
        module.In = [""]
        monkeypatch.setitem(sys.modules, "__main__", module)

        def run(text):
            module.In.append(text)
            exec(compile(text, "<cell>", "exec"), vars(module))
            return module

        return run

    def test_counters_and_edits(self, run):
        text = (
            "N = {}\nCALLS = []\ndef metric(x):\n    CALLS.append(1)\n    return x + N"
        )
        # linecache knows cells of IPython by the name of their file
        import linecache

        linecache.cache["<cell>"] = (len(text), None, text.splitlines(True), "<cell>")
        try:
            module = run(text.format(1))
            before = code_of(module.metric)
            module.metric(1)
            assert code_of(module.metric) == before
            assert code_of(run(text.format(1)).metric) == before
            assert code_of(run(text.format(2)).metric) != before
            module.mean = 3  # a name that the code takes of nothing
            assert code_of(run(text.format(1)).metric) == before
        finally:
            linecache.cache.pop("<cell>", None)


def test_what_was_fitted_counts():
    X = np.arange(6.0).reshape(3, 2)

    def prepared(scaler):
        return lambda rows: scaler.transform(rows)

    one, two = StandardScaler().fit(X), StandardScaler().fit(2 * X)
    assert code_of(prepared(one)) == code_of(prepared(StandardScaler().fit(X)))
    assert code_of(prepared(one)) != code_of(prepared(two))


def test_try_blocks_and_signatures_count():
    def made(text):
        around = {"__name__": "users"}
        exec(text, around)
        return code_of(around["f"])

    assert made("def f(a, b=1):\n return a") != made("def f(a, *, b=1):\n return a")
    inside = "def f(a):\n try:\n  g(); h()\n except E:\n  pass"
    outside = "def f(a):\n g()\n try:\n  h()\n except E:\n  pass"
    assert made(inside) != made(outside)


def test_hooks_count():
    net = nn.Linear(2, 2)
    before = code_of(net)
    net.register_forward_hook(lambda *args: args[-1] * 2)
    assert code_of(net) != before


def test_a_package_in_a_folder_of_pip_is_none_of_the_users(tmp_path, monkeypatch):
    """As ``pip install --target`` leaves it; an edited file, or one beside it, is."""
    source = b"def f(x):\n    return x\n"
    names = ["shipped_a1.py", "shipped_b1/__init__.py", "mine_a1.py", "edited_a1.py"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(source)
    digest = urlsafe_b64encode(sha256(source).digest()).decode().rstrip("=")
    record = tmp_path / "shipped-1.0.dist-info" / "RECORD"
    record.parent.mkdir()
    told = [name for name in names if name != "mine_a1.py"]
    record.write_text("".join(f"{n},sha256={digest},{len(source)}\n" for n in told))
    (tmp_path / "edited_a1.py").write_bytes(source + b"\nx = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    users = {}
    for name in ("shipped_a1", "shipped_b1", "mine_a1", "edited_a1"):
        users[name] = bool(code_of(importlib.import_module(name).f))
        monkeypatch.delitem(sys.modules, name)
    assert users == {
        "shipped_a1": False,
        "shipped_b1": False,
        "mine_a1": True,
        "edited_a1": True,
    }


@pytest.mark.parametrize(
    "record",
    [
        b"\xff\xfe,sha256=a,1\nmine_c1.py,sha256=a,1\n",
        b"x" * 200_000 + b",sha256=a,1\nmine_c1.py,sha256=a,1\n",
        b"mine_c1.py,sha256=a,1\n",
    ],
    ids=["no text", "a long entry", "a file that is gone"],
)
def test_what_no_list_of_an_installer_vouches_for_is_the_users(
    record, tmp_path, monkeypatch
):
    (tmp_path / "mine_c1.py").write_text("def f(x):\n    return x\n")
    listed = tmp_path / "shipped-1.0.dist-info" / "RECORD"
    listed.parent.mkdir()
    listed.write_bytes(record)
    monkeypatch.syspath_prepend(tmp_path)
    function = importlib.import_module("mine_c1").f
    assert code_of(function)
    (tmp_path / "mine_c1.py").unlink()
    assert code_of(function)
    monkeypatch.delitem(sys.modules, "mine_c1")
