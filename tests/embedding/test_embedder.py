"""Embeddings are those of the backbone, computed once, and never those of another."""

import os
import pickle
import runpy
import signal
import sys
import textwrap
import threading
import time
from contextlib import redirect_stdout
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
import torch
from forked import Forked
from PIL import Image
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from support import read_only
from torch import nn

from skal_deep.embedding import Embedder, ImageEmbedder
from skal_deep.embedding._backbone import as_vectors
from skal_deep.embedding._cache import EmbeddingCache
from skal_deep.embedding._identity import content_key, row_key
from skal_deep.modules import isolated_rng
from skal_deep.pool import MarginSampling


class Counted(nn.Module):
    """A backbone that counts the rows it sees."""

    def __init__(self, n_out=3):
        super().__init__()
        torch.manual_seed(0)
        self.layer = nn.Linear(4, n_out)
        self.dropout = nn.Dropout(0.5)
        self.n_rows = 0

    def forward(self, x):
        self.n_rows += len(x)
        return self.dropout(self.layer(x))


@pytest.fixture
def backbone():
    with torch.random.fork_rng():
        return Counted()


@pytest.fixture
def X():
    return np.random.default_rng(0).normal(size=(50, 4)).astype(np.float32)


def expected(backbone, X):
    with torch.inference_mode():
        return backbone.layer(torch.as_tensor(X)).numpy()


@pytest.mark.parametrize("is_cached", [False, True])
def test_embeddings_are_the_backbones(backbone, X, tmp_path, is_cached):
    embedder = Embedder(
        backbone,
        cache_dir=tmp_path if is_cached else None,
        dtype="float32",
        batch_size=7,
    )
    np.testing.assert_allclose(
        embedder.fit_transform(X), expected(backbone, X), rtol=1e-6, atol=1e-7
    )
    assert backbone.training, "the caller's module is in the mode it came in"
    assert embedder.get_feature_names_out().tolist() == [
        "embedder0",
        "embedder1",
        "embedder2",
    ]


class Places(nn.Module):
    """A backbone that makes a tensor where torch does by default."""

    def forward(self, x):
        self.found = torch.zeros(1).device.type
        return x.flatten(1)


@pytest.mark.parametrize("of_images", [False, True])
def test_the_default_device_is_left_to_the_backbone(of_images, X, tmp_path):
    places = Places()
    embedder = Embedder(places)
    if of_images:
        embedder, X = ImageEmbedder(places, image_size=4), _images(tmp_path, 2)
    expected = embedder.fit_transform(X)
    assert places.found == "cpu"
    with torch.device("meta"):
        np.testing.assert_array_equal(embedder.fit_transform(X), expected)
    assert places.found == "meta"


def test_what_a_function_returns_stays_on_the_processor(X):
    with torch.device("meta"):
        vectors = Embedder(np.asarray, dtype="float32").fit_transform(X)
    np.testing.assert_array_equal(vectors, X)


def test_each_row_is_computed_once(backbone, X, tmp_path):
    first = Embedder(backbone, cache_dir=tmp_path).transform(X)
    assert backbone.n_rows == 50
    again = Embedder(backbone, cache_dir=tmp_path).transform(X[::-1])
    np.testing.assert_array_equal(again[::-1], first)
    assert backbone.n_rows == 50
    more = np.concatenate([X, X[:5] + 1, X[:5] + 1])
    Embedder(backbone, cache_dir=tmp_path).transform(more)
    assert backbone.n_rows == 55, "equal rows are computed once"


def test_cache_and_no_cache_give_the_same(backbone, X, tmp_path):
    cached = Embedder(backbone, cache_dir=tmp_path)
    np.testing.assert_array_equal(cached.transform(X), Embedder(backbone).transform(X))
    np.testing.assert_array_equal(cached.transform(X), cached.transform(X))


@pytest.mark.parametrize("change", ["weight", "buffer", "data", "preprocess", "dtype"])
def test_another_model_has_other_embeddings(backbone, X, tmp_path, change):
    backbone.register_buffer("shift", torch.zeros(1))
    embedder = Embedder(backbone, preprocess=_half, cache_dir=tmp_path)
    before = embedder.transform(X)
    n_rows = backbone.n_rows
    if change == "weight":
        with torch.no_grad():
            backbone.layer.weight[0, 0] += 1
    elif change == "data":  # moves no version counter
        backbone.layer.bias.data += 1
    elif change == "buffer":
        backbone.shift += 1
    elif change == "preprocess":
        embedder = clone(embedder).set_params(preprocess=_third)
    else:
        embedder = clone(embedder).set_params(dtype="float32")
    after = embedder.transform(X)
    assert backbone.n_rows == 2 * n_rows
    assert (change == "buffer") == np.array_equal(before, after)


USERS = """
import functools
import numpy as np
import torch
from torch import nn

FACTOR = 2.0

def helper(x):
    return x * FACTOR

def hook(module, args, output):
    return output + 1.0

class Block(nn.Module):
    def forward(self, x):
        return x.clamp(-1, 1)

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = 2.0
        self._private = 1.5
        self.block = Block()
        self.register_buffer("shift", torch.zeros(4), persistent=False)
        self.block.register_forward_hook(hook)

    def middle(self, x):
        return x * self.scale - self._private

    def forward(self, x):
        return self.middle(self.block(helper(x))) + self.shift

class Base:
    def __call__(self, rows):
        return torch.as_tensor(np.stack(rows) * self.times() + self.plus)

    def times(self):
        return np.float32(3.0)

class Prepares(Base):
    plus = np.float32(0.5)

table = np.array(["a", None, {"b": 1.0}], object)
words = np.array(["x", "y"])

def prepare(rows, extra=Prepares()):
    return extra(rows) + len(words[0]) * table[2]["b"]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("FACTOR = 2.0", "FACTOR = 3.0"),
        ("x * FACTOR", "x / FACTOR"),
        ("output + 1.0", "output + 2.0"),
        ("clamp(-1, 1)", "clamp(-2, 2)"),
        ("scale = 2.0", "scale = 4.0"),
        ("_private = 1.5", "_private = 2.5"),
        ("torch.zeros(4)", "torch.ones(4)"),
        ("x * self.scale - ", "x * self.scale + "),
        ("np.float32(3.0)", "np.float32(4.0)"),
        ("np.float32(0.5)", "np.float32(0.7)"),
        ('"b": 1.0', '"b": 2.0'),
        ('["x", "y"]', '["xx", "y"]'),
    ],
)
def test_edited_code_is_not_served_what_older_code_computed(X, tmp_path, old, new):
    def made(text, cache_dir):
        around = {"__name__": "users"}
        exec(text, around)
        prepare = around["prepare"]
        return Embedder(around["Net"](), preprocess=prepare, cache_dir=cache_dir)

    assert old in USERS
    edited = USERS.replace(old, new)
    before = made(USERS, tmp_path).transform(X)
    np.testing.assert_array_equal(made(USERS, tmp_path).transform(X), before)
    assert len(list(tmp_path.iterdir())) == 1, "equal code has one folder"
    after = made(edited, tmp_path).transform(X)
    assert not np.array_equal(before, after)
    np.testing.assert_array_equal(after, made(edited, None).transform(X))


@pytest.mark.slow
def test_attributes_that_are_set_later_count(X, tmp_path):
    around = {"__name__": "users"}
    exec(USERS, around)
    net = around["Net"]()
    embedder = Embedder(net, cache_dir=tmp_path)
    before = embedder.transform(X)
    net.scale = 8.0
    assert not np.array_equal(embedder.transform(X), before)


class Notes(Counted):
    """Keeps what it saw last, and a table that it builds when it is first called."""

    table = None

    def forward(self, x):
        if self.table is None:
            self.table = torch.arange(3.0)
        self.last = float(x.sum())
        return super().forward(x) + self.table


def test_what_a_model_notes_of_its_calls_does_not_count(X, tmp_path):
    with torch.random.fork_rng():
        net = Notes()
    embedder = Embedder(net, cache_dir=tmp_path, batch_size=20)
    first = embedder.transform(X)
    n_rows = net.n_rows
    np.testing.assert_array_equal(embedder.transform(X), first)
    other = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(other.transform(X), first)
    assert net.n_rows == other.backbone.n_rows == n_rows
    net.table = net.table + 1
    np.testing.assert_allclose(embedder.transform(X), first + 1, atol=2e-3)


def test_a_model_that_changes_what_it_computes_is_not_recognized(X, tmp_path):
    class Drifts(Counted):
        scale = 3.0

        def forward(self, x):
            found = super().forward(x) * self.scale
            self.scale = 1.0
            return found

    with torch.random.fork_rng():
        net = Drifts()
    embedder = Embedder(net, cache_dir=tmp_path, dtype="float32", batch_size=50)
    embedder.transform(X)
    np.testing.assert_allclose(
        embedder.transform(X), expected(net, X), rtol=1e-5, atol=1e-6
    )


def test_source_that_cannot_be_read_is_no_error(X, tmp_path, monkeypatch):
    import inspect
    import tokenize

    layer = nn.Linear(4, 2)
    for error in (OSError, tokenize.TokenError, TypeError, IndentationError):

        def unreadable(*args, error=error):
            raise error("no source")

        monkeypatch.setattr(inspect, "getsource", unreadable)
        embedder = Embedder(layer, preprocess=_half, cache_dir=tmp_path / str(error))
        assert embedder.transform(X).shape == (50, 2)


def _half(rows):
    return torch.as_tensor(np.stack(rows)) / 2


def _third(rows):
    return torch.as_tensor(np.stack(rows)) / 3


def test_what_a_function_has_closed_over_counts(X, tmp_path):
    def scaled(factor):
        return lambda rows: torch.as_tensor(np.stack(rows)) * factor

    layer = nn.Linear(4, 2)
    two = Embedder(layer, preprocess=scaled(2.0), cache_dir=tmp_path).transform(X)
    three = Embedder(layer, preprocess=scaled(3.0), cache_dir=tmp_path).transform(X)
    assert not np.array_equal(two, three)


def test_what_cannot_be_looked_into_needs_a_version(X, tmp_path):
    class Opaque:
        def __init__(self):
            self.handle = threading.Lock()

        def __call__(self, rows):
            return np.stack(rows)

    with pytest.raises(ValueError, match=r"lock .*version='\.\.\.'"):
        Embedder(Opaque(), cache_dir=tmp_path).transform(X)
    one = Embedder(Opaque(), cache_dir=tmp_path, version="1")
    assert one.transform(X).shape == X.shape


@pytest.mark.parametrize(
    "damage", ["cut", "flip", "empty", "no rows", "no keys", "junk"]
)
def test_damaged_files_are_computed_again(backbone, X, tmp_path, damage):
    embedder = Embedder(backbone, cache_dir=tmp_path)
    first = embedder.transform(X)
    [rows] = [p for p in tmp_path.rglob("*.npy") if "keys" not in p.name]
    keys = rows.with_name(rows.stem + ".keys.npy")
    data = rows.read_bytes()
    if damage == "cut":
        rows.write_bytes(data[:-20])
    elif damage == "flip":
        rows.write_bytes(data[:-1] + bytes([data[-1] ^ 0xFF]))
    elif damage == "empty":
        keys.write_bytes(b"")
    elif damage == "no rows":
        rows.unlink()
    elif damage == "no keys":
        keys.unlink()
    else:
        keys.write_bytes(pickle.dumps([1]))
    np.testing.assert_array_equal(embedder.transform(X), first)
    assert backbone.n_rows > 50
    n_rows = backbone.n_rows
    np.testing.assert_array_equal(embedder.transform(X), first)
    assert backbone.n_rows == n_rows


def test_clones_share_the_weights(backbone):
    pipeline = make_pipeline(Embedder(backbone), LogisticRegression())
    assert clone(pipeline)[0].backbone is backbone


def test_an_embedder_pickles(backbone, X):
    embedder = Embedder(backbone).fit(X)
    restored = pickle.loads(pickle.dumps(embedder))
    np.testing.assert_array_equal(restored.transform(X), embedder.transform(X))


def test_a_strategy_takes_the_pipeline(backbone, X, tmp_path):
    y = np.full(50, -1)
    y[:6] = [0, 1, 0, 1, 0, 1]
    model = make_pipeline(Embedder(backbone, cache_dir=tmp_path), LogisticRegression())
    picks = MarginSampling(random_state=0).query(X, y, model, batch_size=3)
    direct = MarginSampling(random_state=0).query(
        Embedder(backbone).transform(X), y, LogisticRegression(), batch_size=3
    )
    np.testing.assert_array_equal(picks, direct)
    assert backbone.n_rows <= 100


def test_texts_go_to_encode():
    class Encoder:
        def encode(self, texts):
            return np.array([[len(text), text.count("a")] for text in texts], float)

    embedder = Embedder(Encoder())
    for X in (["aa", "b"], np.array(["aa", "b"]), np.array([["aa"], ["b"]], object)):
        np.testing.assert_array_equal(embedder.transform(X), [[2, 2], [1, 0]])


def test_dicts_go_by_name_and_hidden_states_are_averaged():
    class Language(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(10, 4)

        def forward(self, input_ids, attention_mask):
            del attention_mask
            return {"last_hidden_state": self.table(input_ids)}

    net = Language()
    X = {
        "input_ids": np.array([[1, 2, 0], [3, 4, 5]]),
        "attention_mask": np.array([[1, 1, 0], [1, 1, 1]]),
    }
    found = Embedder(net, dtype="float32").transform(X)
    table = net.table.weight.detach().numpy()
    np.testing.assert_allclose(found[0], table[[1, 2]].mean(0), rtol=1e-6)
    np.testing.assert_allclose(found[1], table[[3, 4, 5]].mean(0), rtol=1e-6)


@pytest.mark.parametrize(
    ("X", "error", "says"),
    [
        ("one text", TypeError, r"write \[X\]"),
        ([], ValueError, "no row"),
        ([None, "a"], ValueError, "missing row"),
        ({"a": np.zeros((2, 4)), "b": np.zeros(3)}, ValueError, "different lengths"),
        (np.full((2, 4), np.nan, np.float32), ValueError, "NaN or infinite"),
        (np.full((2, 4), 1e9, np.float32), ValueError, "dtype='float32'"),
        (iter([1]), TypeError, "list or an array"),
        ([{1, 2}], TypeError, "text or an array"),
    ],
    ids=["text", "empty", "missing", "unequal", "nan", "large", "iterator", "sets"],
)
def test_errors_say_what_to_do(backbone, X, error, says):
    with pytest.raises(error, match=says):
        Embedder(backbone).transform(X)


def test_a_backbone_that_returns_no_vectors():
    with pytest.raises(ValueError, match="pools its output"):
        Embedder(nn.Identity()).transform(np.zeros((2, 3, 4)))
    with pytest.raises(TypeError, match=r"not the class Linear"):
        Embedder(nn.Linear).transform(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="timm:NAME"):
        Embedder("resnet").transform(np.zeros((2, 3)))


def test_an_interrupt_keeps_what_is_done(backbone, X, tmp_path, monkeypatch):
    def interrupted(output, batch, n_rows):
        if backbone.n_rows > 20:
            raise KeyboardInterrupt
        return as_vectors(output, batch, n_rows)

    embedder = Embedder(backbone, cache_dir=tmp_path, batch_size=10)
    with monkeypatch.context() as patch:
        patch.setattr("skal_deep.embedding._base.as_vectors", interrupted)
        with pytest.raises(KeyboardInterrupt):
            embedder.transform(X)
    assert backbone.training
    assert not list(tmp_path.rglob("*.claim"))
    embedder.transform(X)
    assert backbone.n_rows == 30 + 30


@pytest.mark.slow
def test_the_cache_stays_below_its_limit(backbone, tmp_path):
    rng = np.random.default_rng(0)
    for _ in range(8):
        X = rng.normal(size=(100, 4)).astype(np.float32)
        Embedder(backbone, cache_dir=tmp_path, max_bytes=10_000).transform(X)
        sizes = [path.stat().st_size for path in tmp_path.rglob("*.npy")]
        assert sum(sizes) <= 10_000 + 5_000


class TestCache:
    @pytest.fixture
    def cache(self, tmp_path):
        return EmbeddingCache(tmp_path, "float32")

    def keys(self, *numbers):
        return [content_key("row", bytes([number])) for number in numbers]

    def test_the_oldest_go_first_and_no_more_than_needed(self, tmp_path, cache):
        rows_ND = np.zeros((1, 100), np.float32)
        for number in range(5):
            known = set(tmp_path.iterdir())
            cache.add(self.keys(number), rows_ND)
            for path in set(tmp_path.iterdir()) - known:
                os.utime(path, (number, number))
        per_pair = sum(path.stat().st_size for path in tmp_path.iterdir()) // 5
        small = EmbeddingCache(tmp_path, "float32", max_bytes=4 * per_pair)
        small.add(self.keys(5), rows_ND)
        assert set(small.find(self.keys(*range(6)))) == set(self.keys(2, 3, 4, 5))

    @pytest.mark.parametrize("suffix", ["tmp", "claim"])
    def test_what_dead_processes_left_goes_after_a_day(self, tmp_path, cache, suffix):
        old, young = tmp_path / f"old.{suffix}", tmp_path / f"young.{suffix}"
        old.touch()
        young.touch()
        yesterday = time.time() - 90_000
        os.utime(old, (yesterday, yesterday))
        cache.add(self.keys(1), np.zeros((1, 2), np.float32))
        assert young.exists()
        assert not old.exists()

    @pytest.mark.parametrize(
        ("age", "is_believed"), [(0, True), (50, True), (61, False), (-3600, False)]
    )
    def test_claims_expire(self, tmp_path, cache, age, is_believed):
        claim = tmp_path / "1-0.claim"
        claim.touch()
        date = time.time() - age
        os.utime(claim, (date, date))
        with cache.claim("1-0", 60.0) as renew:
            assert (renew is None) == is_believed
        assert claim.exists() == is_believed

    def test_where_nothing_can_be_written(self, backbone, X):
        with TemporaryDirectory() as name:
            Embedder(backbone, cache_dir=name).transform(X[:20])
            n_rows = backbone.n_rows
            with read_only(name):
                embedder = Embedder(backbone, cache_dir=name)
                with pytest.warns(UserWarning, match="may write to") as warned:
                    found = embedder.transform(X)
                assert len(warned) == 1
                other = Embedder(backbone, cache_dir=Path(name, "new"))
                with pytest.warns(UserWarning, match="may write to") as warned:
                    other.transform(X)
                assert len(warned) == 1
                assert backbone.n_rows == n_rows + 30 + 50
        np.testing.assert_array_equal(found, Embedder(backbone).transform(X))


def test_rows_of_equal_bytes_differ_by_type_shape_and_kind():
    zeros = np.zeros(8, np.uint8)
    rows = [
        *(zeros, zeros.reshape(2, 4), zeros.view(np.int8), zeros.view(np.float64)),
        *(zeros.tobytes(), zeros.tobytes().decode()),
        *({"a": zeros}, {"b": zeros}, {"a": zeros, "b": zeros}),
    ]
    assert len({row_key(row) for row in rows}) == len(rows)
    kinds = [("a", b"bc"), ("ab", b"c"), ("a", b"b", b"c"), ("file", b"x")]
    assert len({content_key(*kind) for kind in kinds}) == len(kinds)
    assert content_key("text", b"x") != content_key("file", b"x")


@pytest.mark.slow
def test_many_files_are_merged(backbone, X, tmp_path, monkeypatch):
    monkeypatch.setattr("skal_deep.embedding._cache._MAX_FILES", 5)
    embedder = Embedder(backbone, cache_dir=tmp_path)
    for row in range(50):
        embedder.transform(X[row : row + 1])
    assert len(list(tmp_path.rglob("*.keys.npy"))) <= 6
    embedder.transform(X)
    assert backbone.n_rows == 50


def _images(folder, n, size=12):
    rng = np.random.default_rng(1)
    files = []
    for number in range(n):
        pixels = rng.integers(0, 255, (size, size, 3), dtype=np.uint8)
        files.append(str(folder / f"{number}.png"))
        Image.fromarray(pixels).save(files[-1])
    return files


def test_files_are_known_by_content(tmp_path):
    files = _images(tmp_path, 5)
    embedder = ImageEmbedder(
        nn.Conv2d(3, 4, 3), image_size=8, cache_dir=tmp_path / "cache", n_jobs=2
    )
    first = embedder.fit_transform(files)
    assert first.shape == (5, 4)
    Path(files[0]).rename(tmp_path / "moved.png")
    Path(files[1]).write_bytes(Path(files[2]).read_bytes())
    renamed = embedder.transform([tmp_path / "moved.png", *files[1:]])
    np.testing.assert_array_equal(renamed[[0, 2, 3, 4]], first[[0, 2, 3, 4]])
    np.testing.assert_array_equal(renamed[1], first[2])


def test_transparent_images_stand_on_white(tmp_path):
    clear, white = tmp_path / "clear.png", tmp_path / "white.png"
    Image.new("RGBA", (8, 8), (255, 0, 0, 0)).save(clear)
    Image.new("L", (8, 8), 255).save(white)
    embedder = ImageEmbedder(nn.Conv2d(3, 4, 3), image_size=8)
    a, b = embedder.fit_transform([clear, white])
    np.testing.assert_array_equal(a, b)


def test_files_that_are_missing_or_broken_are_named(tmp_path):
    files = _images(tmp_path, 3)
    (tmp_path / "broken.png").write_bytes(b"no image")
    embedder = ImageEmbedder(nn.Conv2d(3, 4, 3), image_size=8)
    with pytest.raises(FileNotFoundError, match=r"missing\.png"):
        embedder.fit_transform([*files, "missing.png"])
    with pytest.raises(ValueError, match=r"broken\.png is no image"):
        embedder.transform([*files, tmp_path / "broken.png"])
    with pytest.raises(TypeError, match="names of files"):
        embedder.transform(np.zeros((2, 3)))


SCRIPT = textwrap.dedent(
    """
    import sys, time
    import numpy as np, torch
    from torch import nn
    from skal_deep.embedding import Embedder

    class Slow(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.layer = nn.Linear(4, 3)
            self.n_rows = 0
        def forward(self, x):
            self.n_rows += len(x)
            time.sleep(0.004)
            return self.layer(x)

    torch.set_num_threads(1)
    X = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    net = Slow()
    found = Embedder(net, cache_dir=sys.argv[1], batch_size=8).transform(X)
    np.save(sys.argv[2], found)
    print(net.n_rows, flush=True)
    """
)


@pytest.fixture
def arguments(tmp_path):
    """Return what makes the arguments of Python, for a file of results."""
    (tmp_path / "embed.py").write_text(SCRIPT)
    return lambda name: [
        str(tmp_path / part) for part in ("embed.py", "c", f"{name}.npy")
    ]


def _run(arguments):
    """Run the script in a child, and write what it prints beside its results."""
    sys.argv = arguments
    with open(f"{arguments[-1]}.txt", "w") as file, redirect_stdout(file):
        runpy.run_path(arguments[0], run_name="__main__")


def _expected():
    """Return what the script computes, without cache and process."""
    with isolated_rng(0):
        layer = nn.Linear(4, 3)
    X = np.random.default_rng(0).normal(size=(3000, 4)).astype(np.float32)
    return layer(torch.tensor(X)).detach().numpy()


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    "name", ["SIGKILL", pytest.param("SIGTERM", marks=pytest.mark.nightly)]
)
def test_a_killed_process_loses_little_and_leaves_nothing_wrong(
    tmp_path, arguments, name
):
    child = Forked(partial(_run, arguments("never")))
    child.wait_until(lambda: [*(tmp_path / "c").rglob("*.keys.npy")])
    assert child.end(number := getattr(signal, name)) == -number
    for claim in (tmp_path / "c").rglob("*.claim"):
        os.utime(claim, (0, 0))  # as old as if a minute had passed
    assert Forked(partial(_run, arguments("resumed"))).wait() == 0
    assert 0 < int((tmp_path / "resumed.npy.txt").read_text()) < 3000
    np.testing.assert_allclose(  # what is stored has half precision
        np.load(tmp_path / "resumed.npy"), _expected(), rtol=1e-3, atol=1e-6
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_two_processes_share_the_work(tmp_path, arguments):
    both = [Forked(partial(_run, arguments(number))) for number in range(2)]
    assert [child.wait() for child in both] == [0, 0]
    counts = [int((tmp_path / f"{n}.npy.txt").read_text()) for n in range(2)]
    assert sum(counts) <= 3000 + 300, "almost nothing is computed twice"
    np.testing.assert_array_equal(
        np.load(tmp_path / "0.npy"), np.load(tmp_path / "1.npy")
    )
