"""Files that are not what their name says: a clear message for each."""

import gzip
import io
import struct
import zipfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from skal_deep.datasets import _memory, load, read_idx


def npz_bytes(**arrays):
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def header_of(shape, descr="<f8"):
    """The start of an .npy file."""
    text = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text) + 1) + text + b"\n"


def claiming(tmp_path, shape):
    path = tmp_path / "claims.npz"
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("X.npy", header_of(shape))
        packed.writestr("y.npy", header_of((3,)) + bytes(24))
    return path


@contextmanager
def clear_or_fine(path, refused):
    """Let pass what names the file, and note it."""
    try:
        yield
    except ValueError as error:
        if str(path) not in str(error):
            raise
        refused.append(error)


GOOD = npz_bytes(X=np.arange(12.0).reshape(6, 2), y=np.arange(6))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        GOOD[:100],
        GOOD[:-30],
        GOOD.replace(b"descr", b"decsr"),
        b"PK\x03\x04 and more",
        b"\x80\x04K\x01.",  # a pickle
        header_of((3, 2)) + bytes(48),  # an .npy file
        npz_bytes(X=np.array([{}, 3, None]), y=np.zeros(3)),
    ],
    ids=["empty", "short", "cut", "key", "zip", "pickle", "npy", "objects"],
)
def test_what_is_no_npz_file(tmp_path, content):
    path = tmp_path / "data.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"data\.npz.*(damaged|no array)"):
        load(path)


def test_every_flipped_byte_loads_or_is_said_clearly(tmp_path):
    path, refused = tmp_path / "data.npz", []
    for at in range(0, len(GOOD), 7):
        content = bytearray(GOOD)
        content[at] ^= 0xFF
        path.write_bytes(content)
        with clear_or_fine(path, refused):
            load(path)
    assert refused


@pytest.mark.parametrize("shape", [(10**11,), (10**5, 10**6), (-3, 2), (2**62, 2**62)])
def test_a_header_that_claims_too_much(tmp_path, shape):
    with pytest.raises(ValueError, match=r"claims\.npz.*damaged"):
        load(claiming(tmp_path, shape))


@pytest.mark.parametrize("suffix", ["npz", "idx"])
def test_what_expands_beyond_memory_is_refused(tmp_path, monkeypatch, suffix):
    monkeypatch.setattr(_memory, "_GROUP_LIMIT", tmp_path / "limit")
    (tmp_path / "limit").write_text("1000000\n")
    if suffix == "npz":
        path = tmp_path / "bomb.npz"
        np.savez_compressed(path, X=np.zeros((500, 500)), y=np.zeros(500))
        with pytest.raises(ValueError, match=r"bomb.npz claims to hold.*memory"):
            load(path)
        return
    path = tmp_path / "bomb.gz"
    shape = struct.pack(">BBBBI", 0, 0, 8, 1, 2_000_000)
    path.write_bytes(gzip.compress(shape + bytes(2_000_000)))
    with pytest.raises(ValueError, match=r"bomb.gz claims to hold.*memory"):
        read_idx(path)


def idx_bytes(shape, n_bytes):
    return struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + bytes(
        n_bytes
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not an IDX file|damaged"),
        (gzip.compress(idx_bytes((4, 4), 16))[:-9], "damaged or cut short"),
        (gzip.compress(idx_bytes((4, 4), 16))[:20], "damaged or cut short"),
        (b"no gzip", "no gzip file"),
        (gzip.compress(idx_bytes((4, 4), 15)), "cut short: 15 values"),
        (gzip.compress(idx_bytes((4, 4), 10**7)), "more values than its shape"),
        (gzip.compress(idx_bytes((200_000, 4_000, 1_000), 9)), "cannot be in"),
        (gzip.compress(idx_bytes((2**32 - 1,) * 3, 9)), "cannot be in"),
        (gzip.compress(b"\0\0\x08\x03\0\0"), "within its header"),
        (gzip.compress(idx_bytes((1,) * 70, 1)), "70 axes"),
        (gzip.compress(b"\0\0\x08\0"), "0 axes"),
    ],
    ids=[
        "empty",
        "cut",
        "start",
        "text",
        "few",
        "bomb",
        "745GiB",
        "overflow",
        "header",
        "axes",
        "none",
    ],
)
def test_damaged_idx_files(tmp_path, content, message):
    path = tmp_path / "x.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"x\.gz.*({message})"):
        read_idx(path)


def test_a_bomb_is_not_expanded(tmp_path, monkeypatch):
    """Only what the header says is read, and one byte more."""
    path, taken = tmp_path / "x.gz", []
    path.write_bytes(gzip.compress(idx_bytes((4, 4), 10**7)))
    read = gzip.GzipFile.read

    def counted(file, size=-1):
        taken.append(len(content := read(file, size)))
        return content

    monkeypatch.setattr(gzip.GzipFile, "read", counted)
    with pytest.raises(ValueError, match="more values"):
        read_idx(path)
    assert sum(taken) < 100


def test_flipped_bytes_of_gzip(tmp_path):
    path, content = tmp_path / "x.gz", gzip.compress(idx_bytes((40, 4), 160))
    refused = []
    for at in range(len(content)):
        flipped = bytearray(content)
        flipped[at] ^= 0xFF
        path.write_bytes(flipped)
        with clear_or_fine(path, refused):
            read_idx(path)
    assert refused


def test_images_and_labels_of_unequal_number(tmp_path):
    for part, n in (("train", 5), ("t10k", 3)):
        images, labels = f"{part}-images-idx3-ubyte", f"{part}-labels-idx1-ubyte"
        (tmp_path / images).write_bytes(idx_bytes((n, 2, 2), 4 * n))
        (tmp_path / labels).write_bytes(idx_bytes((n - 1,), n - 1))
    with pytest.raises(ValueError, match="5 rows, but 4 labels"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.zeros((6, 2)), "y": np.zeros((2, 3))}, "6 rows, but 6 labels"),
        ({"X": np.zeros(3), "y": np.zeros(3)}, r"shape is \(3,\)"),
        ({"X": np.float64(3), "y": np.zeros(1)}, "no rows"),
        ({"X": np.zeros((0, 3)), "y": np.zeros(0)}, "at least one"),
        ({"X": np.full((3, 2), np.nan), "y": np.arange(3)}, "row 0.*NaN"),
        ({"X": np.full((3, 2), 1e300), "y": np.arange(3)}, "row 0.*infinity or more"),
        (
            {
                "X": np.zeros((3, 2)),
                "y": np.arange(3),
                "X_test": np.zeros((3, 4)),
                "y_test": np.arange(3),
            },
            "differ in shape",
        ),
    ],
    ids=["columns", "axis", "scalar", "empty", "nan", "huge", "widths"],
)
def test_arrays_that_do_not_fit(tmp_path, arrays, message):
    np.savez(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ValueError, match=message):
        load(tmp_path / "bad.npz")


def table(tmp_path, content, name="t.csv"):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("mark", [",", ";", "\t", ", "])
@pytest.mark.parametrize("suffix", ["csv", "CSV", "tsv"])
def test_entries_are_parted_as_the_header_says(tmp_path, mark, suffix):
    lines = ["a|'b, mm'|species", "1|2.5|jay", "3|4|owl"]
    text = "\n".join(lines).replace("|", mark).replace("'", '"')
    data = load(table(tmp_path, text, f"t.{suffix}"), label="species")
    assert data.X.tolist() == [[1, 2.5], [3, 4]]
    assert data.class_names == ("jay", "owl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,\n" + "2," + "x" * 200_000 + "\n", "line 3: field larger.*quotation"),
        ('a,b\n1,"x\n' + "2,3\n" * 60_000, "field larger.*quotation"),
        ('a,b\n1,x\n2,"y\n3,x\n', "line 4: unexpected end of data.*quotation"),
        ('a,b\n1,"x\n2,y\n3,"\n4,x\n', "line 4: .*several lines.*quotation"),
        ('a,b\n1,"x"y\n2,x\n', "line 2: .*quotation"),
        (b"a,b\n1,\xff\xfe\n", "UTF-8"),
        ("a,b\n1,2\n".encode("utf-16"), "UTF-8"),
        ("label\njay\nowl\n", "one column only"),
        ("a|b\n1|2\n", "one column only"),
        ("a;b\n1,5;jay\n", "line 2, column 'a': '1,5' is no number.*decimal point"),
        ("a,b\n1_0,jay\n", "'1_0' is no number"),
        ("a,b\n?,jay\n", "'?' is no number"),
        ("a,b\ninf,jay\n", "'inf' is no number"),
        ("a,b\n1e39,jay\n", "'1e39' is no number"),
        ("5.1,3.5,setosa\n4.9,3.0,setosa\n", "a row, not a header"),
        ("5.1,3.5,0\n4.9,3.0,1\n", "a row, not a header"),
        (",label\n0,jay\n1,owl\n", "no column beside"),
    ],
    ids=[
        "long",
        "open",
        "open late",
        "open twice",
        "goes on",
        "bytes",
        "utf16",
        "one",
        "bars",
        "comma",
        "underscore",
        "blank",
        "nan",
        "huge",
        "headerless",
        "numbers",
        "index",
    ],
)
@pytest.mark.filterwarnings("ignore:The first column")
def test_bad_tables_are_said_clearly(tmp_path, content, message):
    with pytest.raises(ValueError, match=rf"t\.csv.*{message}"):
        load(table(tmp_path, content))


def test_headers_that_are_numbers(tmp_path):
    for header in ("0,1,species", "1,2,3"):  # as those write them who have no names
        assert len(load(table(tmp_path, f"{header}\n5,6,9\n7,8,4\n")).X) == 2
    with pytest.warns(UserWarning, match="taken for a header"):
        assert len(load(table(tmp_path, "400.5,402,label\n5,6,9\n7,8,4\n")).X) == 2


def test_the_column_that_counts_rows_is_no_feature(tmp_path):
    with pytest.warns(UserWarning, match="counts the rows: it is left out"):
        data = load(table(tmp_path, ",a,label\n0,5,jay\n1,6,owl\n2,5,jay\n"))
    assert data.X.tolist() == [[5], [6], [5]]


def test_a_label_that_two_columns_have(tmp_path):
    with pytest.raises(ValueError, match="2 columns 'a'"):
        load(table(tmp_path, "a,a,b\n1,2,3\n"), label="a")


@pytest.mark.parametrize("source", [None, 3, np.eye(2), b"digits"])
def test_what_is_no_name(source):
    with pytest.raises(TypeError, match="name or a path"):
        load(source)


def test_names_that_no_file_can_have():
    with pytest.raises(ValueError, match="No data set"):
        load("a\0b.csv")
    with pytest.raises(OSError, match="too long"):
        load(Path("x" * 5000))


@pytest.mark.parametrize("kind", ["U1", "S1", int, float, bool])
def test_a_file_without_rows_says_so_whatever_its_labels_are(tmp_path, kind):
    np.savez(tmp_path / "none.npz", X=np.zeros((0, 2)), y=np.zeros(0, dtype=kind))
    with pytest.raises(ValueError, match=r"at least one.*their shape is \(0, 2\)"):
        load(str(tmp_path / "none.npz"))
