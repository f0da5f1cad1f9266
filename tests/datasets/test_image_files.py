"""Images on disk: read one way to train, another to score, whoever trains."""

import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from skorch import NeuralNetClassifier
from skorch.dataset import ValidSplit
from torch import nn

from skal_deep.classifier import (
    DeepClassifier,
    DeepEnsembleClassifier,
    MCDropoutClassifier,
    SWAGClassifier,
)
from skal_deep.datasets import ImageFiles, load
from skal_deep.evaluation import SimulatedActiveLearner
from skal_deep.modules import ConvNet
from skal_deep.pool import Badge, MarginSampling

COUNTED = {"train": 0}


def count(image):
    COUNTED["train"] += 1
    return image


def flip_at_random(image):
    if torch.rand(()) < 0.5:
        return image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return image


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder a class, bright and dark images of 12 x 12 pixels."""
    root, rng = tmp_path_factory.mktemp("photos"), np.random.default_rng(0)
    for label, level in (("bright", 170), ("dark", 60)):
        (root / label).mkdir()
        for number in range(20):
            pixels = rng.integers(0, 80, (12, 12, 3)) + level
            image = Image.fromarray(pixels.astype(np.uint8))
            image.save(root / label / f"{number}.png")
    return root


@pytest.fixture(scope="module")
def data(folder):
    return load(folder, files=True)


def net(**options):
    options = {"train_split": None, "max_epochs": 2, "batch_size": 8} | options
    return NeuralNetClassifier(
        ConvNet, dataset=ImageFiles, verbose=0, lr=0.01, **options
    )


def test_names_of_a_folder_come_with_their_labels(data):
    assert data.class_names == ("bright", "dark")
    assert len(data.X) == len(data.y) == 40
    assert "bright" in data.X[0]
    assert "dark" in data.X[-1]


def test_other_sources_have_no_files():
    with pytest.raises(ValueError, match=r"files=True.*folder of images"):
        load("digits", files=True)


def test_images_are_read_in_colour_on_white(tmp_path):
    Image.new("LA", (4, 3), (0, 0)).save(tmp_path / "a.png")
    Image.new("P", (4, 3), 0).save(tmp_path / "b.png")
    Image.new("I;16", (4, 3), 0).save(tmp_path / "c.png")
    Image.new("1", (4, 3), 1).save(tmp_path / "d.png")
    images = ImageFiles([tmp_path / f"{name}.png" for name in "abcd"])
    for row in range(4):
        image, label = images[row]
        assert image.shape == (3, 3, 4)
        assert image.dtype == torch.float32
        assert label == 0
    assert (images[0][0] == 1).all()


@pytest.mark.slow
@pytest.mark.parametrize(
    "make",
    [
        lambda net: net,
        lambda net: DeepClassifier(net, random_state=0),
        lambda net: MCDropoutClassifier(net, n_samples=3, random_state=0),
        lambda net: DeepEnsembleClassifier(net, n_estimators=2, random_state=0),
    ],
    ids=["net", "deep", "dropout", "ensemble"],
)
@pytest.mark.parametrize("has_weights", [False, True])
def test_training_alone_augments(data, make, has_weights):
    y = np.where(np.arange(40) % 2 == 0, data.y, -1)
    clf = make(
        net(
            dataset__train_transform=count,
            train_split=ValidSplit(4),
            module__n_classes=2,
            module__n_channels=3,
            criterion=nn.CrossEntropyLoss,
        )
    )
    weight = np.linspace(1, 2, 40) if has_weights else None
    COUNTED["train"] = 0
    MarginSampling(random_state=0).query(data.X, y, clf, sample_weight=weight)
    # 15 of the 20 rows with a label are trained on, in each of two epochs
    assert COUNTED["train"] == 30 * getattr(clf, "n_estimators", 1)


@pytest.mark.slow
def test_predictions_see_no_augmentation(data):
    clf = DeepClassifier(net(dataset__train_transform=count), random_state=0)
    clf.fit(data.X, data.y)
    COUNTED["train"] = 0
    proba = clf.predict_proba(data.X)
    clf.embed(data.X[:3])
    assert np.allclose(proba[::-1], clf.predict_proba(data.X[::-1]), atol=1e-6)
    assert COUNTED["train"] == 0


@pytest.mark.slow
def test_swag_collects_on_augmented_rows_and_refreshes_on_plain_ones(data):
    clf = SWAGClassifier(
        net(dataset__train_transform=count),
        n_collected=2,
        n_samples=2,
        random_state=0,
    )
    COUNTED["train"] = 0
    clf.fit(data.X, data.y)
    assert COUNTED["train"] == (2 + 2) * 40
    clf.predict_proba(data.X)
    assert COUNTED["train"] == (2 + 2) * 40


@pytest.mark.slow
def test_augmentation_is_seeded(data):
    clf = DeepClassifier(net(dataset__train_transform=flip_at_random), random_state=3)
    torch.manual_seed(1)
    first = clf.fit(data.X, data.y).predict_proba(data.X)
    torch.manual_seed(2)
    again = clf.fit(data.X, data.y).predict_proba(data.X)
    plain = DeepClassifier(net(), random_state=3).fit(data.X, data.y)
    assert np.array_equal(first, again)
    assert not np.array_equal(first, plain.predict_proba(data.X))


@pytest.mark.slow
def test_workers_decode(data):
    clf = DeepClassifier(
        net(
            iterator_train__num_workers=2,
            iterator_valid__num_workers=2,
            dataset__train_transform=flip_at_random,
        ),
        random_state=0,
    )
    first = clf.fit(data.X, data.y).predict_proba(data.X)
    assert np.array_equal(first, clf.fit(data.X, data.y).predict_proba(data.X))
    alone = DeepClassifier(net(), random_state=0).fit(data.X, data.y)
    assert alone.predict_proba(data.X).shape == first.shape


@pytest.mark.slow
def test_picks_do_not_depend_on_the_order_of_files(data):
    y = np.where(np.arange(40) % 4 == 0, data.y, -1)
    clf = DeepClassifier(net(), classes=[0, 1], random_state=0)
    picks = Badge(random_state=0).query(data.X, y, clf, batch_size=3)
    order = np.random.default_rng(0).permutation(40)
    others = Badge(random_state=0).query(data.X[order], y[order], clf, batch_size=3)
    assert np.array_equal(np.sort(order[others]), np.sort(picks))


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", [list, pd.Series, np.array, lambda X: np.array(list(X))]
)
def test_names_in_any_form(data, kind):
    clf = DeepClassifier(net(max_epochs=1), random_state=0)
    expected = clf.fit(data.X, data.y).predict_proba(data.X[:4])
    assert np.array_equal(
        clf.fit(kind(data.X), data.y).predict_proba(kind(data.X[:4])), expected
    )


@pytest.mark.slow
def test_a_simulation_from_no_more_than_names(data):
    learner = SimulatedActiveLearner(
        DeepClassifier(net(dataset__train_transform=flip_at_random), random_state=0),
        MarginSampling(),
        n_initial=4,
        batch_size=4,
        n_cycles=2,
        random_state=0,
    )
    learner.fit(data.X, data.y)
    assert list(learner.learning_curve_["n_labels"]) == [4, 8, 12]


def test_a_missing_file_is_named_before_training(data):
    X = data.X.copy()
    X[17] = "nowhere/at all.png"
    with pytest.raises(FileNotFoundError, match=r"nowhere/at all\.png"):
        DeepClassifier(net()).fit(X, data.y)


@pytest.mark.slow
def test_a_broken_file_is_named(data, tmp_path):
    (tmp_path / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n none")
    X = np.append(data.X, str(tmp_path / "broken.png"))
    with pytest.raises(ValueError, match=r"broken\.png is no image"):
        DeepClassifier(net()).fit(X, np.append(data.y, 0))


@pytest.mark.slow
def test_images_of_several_sizes_need_one(data, tmp_path):
    Image.new("RGB", (9, 7)).save(tmp_path / "small.png")
    X = np.append(data.X, str(tmp_path / "small.png"))
    y = np.append(data.y, 0)
    with pytest.raises(ValueError, match=r"9 x 7 pixels.*12 x 12.*dataset__image_size"):
        DeepClassifier(net()).fit(X, y)
    clf = DeepClassifier(net(dataset__image_size=8), random_state=0).fit(X, y)
    assert clf.predict_proba(X).shape == (41, 2)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"image_size": 0}, "image_size must be"),
        ({"image_size": (3, 4, 5)}, "image_size must be"),
        ({"image_size": 4.5}, "image_size must be|iterable"),
    ],
)
def test_sizes_that_are_none(data, options, error):
    with pytest.raises((ValueError, TypeError), match=error):
        ImageFiles(data.X, **options)


def test_arrays_are_refused_with_advice():
    with pytest.raises(TypeError, match="Arrays of images need no data set class"):
        ImageFiles(np.zeros((2, 3)))


def test_as_many_labels_as_files(data):
    with pytest.raises(ValueError, match="40 files, but y 3"):
        ImageFiles(data.X, data.y[:3])


@pytest.mark.slow
def test_transforms_return_what_the_module_takes(data):
    def gray(image):
        return np.asarray(image.convert("L"), dtype=np.float32)[None] / 255

    clf = DeepClassifier(
        net(dataset__transform=gray, dataset__train_transform=flip_at_random),
        random_state=0,
    ).fit(data.X, data.y)
    first_layer = next(
        p for p in clf.nets_[0].module_.modules() if isinstance(p, nn.Conv2d)
    )
    assert first_layer.in_channels == 1


def test_data_sets_are_pickled(data):
    images = pickle.loads(pickle.dumps(ImageFiles(data.X, data.y, 8).training()))
    assert images[0][0].shape == (3, 8, 8)
