"""Data sets by name and from the files of a user."""

import dataclasses
import gzip
import struct

import numpy as np
import pytest

from skal_deep.datasets import NAMES, load, read_idx
from skal_deep.datasets import _load as module

rng = np.random.default_rng(0)


def idx_bytes(array, kind=0x08):
    """What an IDX file holds, written from its description."""
    head = struct.pack(">BBBB", 0, 0, kind, array.ndim)
    return head + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def fashion(tmp_path):
    """A folder as the package dataset-fashion-mnist leaves it, but small."""
    arrays = {}
    for part, n in (("train", 6), ("t10k", 3)):
        arrays[part] = (
            rng.integers(0, 256, (n, 28, 28), dtype=np.uint8),
            rng.integers(0, 10, n, dtype=np.uint8),
        )
        names = f"{part}-images-idx3-ubyte.gz", f"{part}-labels-idx1-ubyte.gz"
        for name, array in zip(names, arrays[part], strict=True):
            (tmp_path / name).write_bytes(gzip.compress(idx_bytes(array)))
    return tmp_path, arrays


def check_images(data, arrays):
    for X, y, part in (
        (data.X, data.y, "train"),
        (data.X_test, data.y_test, "t10k"),
    ):
        images, labels = arrays[part]
        assert X.dtype == np.float32
        np.testing.assert_allclose(X[:, 0], images / 255, rtol=1e-6)
        np.testing.assert_array_equal(y, labels)


class TestIdx:
    @pytest.mark.parametrize(
        ("kind", "dtype"),
        [(0x08, ">u1"), (0x0B, ">i2"), (0x0C, ">i4"), (0x0D, ">f4"), (0x0E, ">f8")],
    )
    @pytest.mark.parametrize("suffix", ["", ".gz"])
    def test_round_trip(self, tmp_path, kind, dtype, suffix):
        array = rng.integers(0, 100, (4, 3, 2)).astype(dtype)
        content = idx_bytes(array, kind)
        path = tmp_path / f"some-idx3{suffix}"
        path.write_bytes(gzip.compress(content) if suffix else content)
        np.testing.assert_array_equal(read_idx(path), array)

    @pytest.mark.parametrize("content", [b"", b"\0\0", b"PNG and more", b"\0\0\1\1"])
    def test_other_files_are_refused(self, tmp_path, content):
        path = tmp_path / "file"
        path.write_bytes(content)
        with pytest.raises(ValueError, match="not an IDX file"):
            read_idx(path)

    def test_a_file_cut_short_is_refused(self, tmp_path):
        path = tmp_path / "file"
        path.write_bytes(idx_bytes(np.zeros((4, 4), np.uint8))[:-3])
        with pytest.raises(ValueError, match="cut short"):
            read_idx(path)


class TestNames:
    def test_digits(self):
        data = load("digits")
        assert data.X.shape == (1797, 64)
        assert data.X.dtype == np.float32
        assert (data.X.min(), data.X.max()) == (0, 1)
        assert set(data.y) == set(range(10))
        assert data.X_test is None

    def test_data_are_frozen(self):
        with pytest.raises(dataclasses.FrozenInstanceError):
            load("digits").name = "letters"

    def test_fashion_mnist_of_debian(self, fashion, monkeypatch):
        folder, arrays = fashion
        monkeypatch.setattr(module, "_DEBIAN_FASHION_MNIST", folder)
        data = load("fashion-mnist")
        assert data.name == "fashion-mnist"
        check_images(data, arrays)

    def test_fashion_mnist_of_openml(self, fashion, tmp_path, monkeypatch):
        arrays = fashion[1]
        images, labels = (
            np.concatenate([arrays["train"][i], arrays["t10k"][i]]) for i in (0, 1)
        )
        X, y = images.reshape(len(images), -1).astype(float), labels.astype(str)
        monkeypatch.setattr(module, "_DEBIAN_FASHION_MNIST", tmp_path / "nowhere")
        monkeypatch.setattr(module, "fetch_openml", lambda *args, **kwargs: (X, y))
        check_images(module._from_openml("name", "Name", n_train=6), arrays)
        assert len(load("fashion-mnist").X) == 9

    def test_no_network_says_what_to_do(self, tmp_path, monkeypatch):
        def fail(*args, **kwargs):
            raise OSError("no route")

        monkeypatch.setattr(module, "_DEBIAN_FASHION_MNIST", tmp_path / "nowhere")
        monkeypatch.setattr(module, "fetch_openml", fail)
        with pytest.raises(
            ValueError, match=r"no route.*dataset-fashion-mnist.*folder"
        ):
            load("fashion-mnist")

    @pytest.mark.parametrize("source", ["cifar", "data.npz", "table.csv", "x.parquet"])
    def test_what_is_not_there_says_what_is(self, source):
        with pytest.raises(ValueError, match=rf"{source}.*{NAMES[0]}.*npz.*csv.*IDX"):
            load(source)


class TestFolder:
    def test_idx_files(self, fashion):
        folder, arrays = fashion
        data = load(folder)
        assert data.name == folder.name
        check_images(data, arrays)

    def test_a_missing_file_is_named(self, fashion):
        folder, _ = fashion
        (folder / "t10k-labels-idx1-ubyte.gz").unlink()
        with pytest.raises(ValueError, match="t10k-labels-idx1"):
            load(str(folder))


class TestNpz:
    @pytest.mark.parametrize(
        "names",
        [("X", "y", "X_test", "y_test"), ("x_train", "y_train", "x_test", "y_test")],
    )
    def test_arrays(self, tmp_path, names):
        arrays = rng.random((5, 3)), np.arange(5), rng.random((2, 3)), np.arange(2)
        path = tmp_path / "mine.npz"
        np.savez(path, **dict(zip(names, arrays, strict=True)))
        data = load(path)
        assert data.name == "mine"
        found = data.X, data.y, data.X_test, data.y_test
        for array, expected in zip(found, arrays, strict=True):
            np.testing.assert_allclose(array, expected, rtol=1e-6)
        assert data.X.dtype == np.float32

    @pytest.mark.parametrize("shape", [(4, 8, 8), (4, 1, 8, 8), (4, 8, 8, 3)])
    def test_bytes_become_images(self, tmp_path, shape):
        pixels = rng.integers(0, 256, shape, dtype=np.uint8)
        np.savez(tmp_path / "images.npz", X=pixels, y=np.arange(4)[:, None])
        data = load(tmp_path / "images.npz")
        n_channels = 3 if shape[-1] == 3 else 1
        assert data.X.shape == (4, n_channels, 8, 8)
        assert data.X.dtype == np.float32
        np.testing.assert_allclose(data.X.max(), pixels.max() / 255, rtol=1e-6)
        assert data.y.shape == (4,)
        assert data.X_test is None

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"inputs": np.zeros(3)}, "it holds inputs"),
            ({"X": np.zeros((3, 2)), "y": np.zeros(2)}, "3 rows.*2 labels"),
            (
                {"X": np.zeros((3, 2)), "y": np.zeros(3), "X_test": np.zeros((1, 2))},
                "X_test.*y_test",
            ),
            ({"X": np.array(["a"]), "y": np.zeros(1)}, "numbers"),
        ],
        ids=["names", "lengths", "half a test set", "words"],
    )
    def test_bad_arrays_are_refused(self, tmp_path, arrays, message):
        np.savez(tmp_path / "bad.npz", **arrays)
        with pytest.raises(ValueError, match=message):
            load(tmp_path / "bad.npz")


class TestCsv:
    def write(self, tmp_path, text):
        path = tmp_path / "birds.csv"
        path.write_text(text, encoding="utf-8")
        return path

    def test_the_last_column_is_the_label(self, tmp_path):
        data = load(
            self.write(tmp_path, "a,b,species\n1,2.5,jay\n3,4,owl\n\n5,6,jay\n")
        )
        np.testing.assert_array_equal(data.X, np.float32([[1, 2.5], [3, 4], [5, 6]]))
        assert data.y.tolist() == [0, 1, 0]
        assert data.class_names == ("jay", "owl")
        assert data.name == "birds"

    def test_a_named_column_of_numbers(self, tmp_path):
        path = self.write(tmp_path, "label,a,b\n7,1,2\n-1,3,4\n")
        data = load(path, label="label")
        assert data.y.tolist() == [7, -1]
        assert data.X.tolist() == [[1, 2], [3, 4]]

    @pytest.mark.parametrize(
        ("text", "label", "message"),
        [
            ("a,b\n1,2\n", "c", "no column 'c'; it has a, b"),
            ("a,b\nx,2\n", None, "numbers in every column but 'b'"),
            ("a,b\n1,2\n1\n", None, "line 3"),
            ("a,b\n", None, "no rows"),
            ("", None, "no rows"),
        ],
        ids=["label", "words", "ragged", "header", "empty"],
    )
    def test_bad_tables_are_refused(self, tmp_path, text, label, message):
        with pytest.raises(ValueError, match=message):
            load(self.write(tmp_path, text), label)
