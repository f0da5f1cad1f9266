"""What holds for every classifier over a net."""

import copy
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetBinaryClassifier
from skorch.callbacks import EarlyStopping
from skorch.dataset import ValidSplit
from support import make_net
from torch import nn

from skal_deep.modules import MLP, ConvNet


def test_learns_and_reports_probabilities(make, blobs):
    X, y = blobs
    clf = make().fit(X, y)
    proba = clf.predict_proba(X)
    assert clf.score(X, y) > 0.8
    np.testing.assert_allclose(proba.sum(1), 1, atol=1e-5)
    assert clf.embed(X).shape[0] == len(X)


def test_unlabelled_rows_do_not_matter(make, partly):
    X, y = partly
    whole = make().fit(X, y).predict_proba(X)
    np.testing.assert_array_equal(whole, make().fit(X[:12], y[:12]).predict_proba(X))


@pytest.mark.parametrize("n_labels", [0, 1, 2, 3, 4, 5])
def test_few_labels(make, blobs, n_labels):
    X, y = blobs
    clf = make().fit(X, np.where(np.arange(60) < n_labels, y, -1))
    assert clf.predict_proba(X).shape == (60, 3)
    assert set(clf.predict(X)) <= {0, 1, 2}


def test_no_label_and_no_classes_is_an_error(make, blobs):
    with pytest.raises(ValueError, match="No class label is known"):
        make(classes=None).fit(blobs[0], np.full(60, -1))


@pytest.mark.parametrize(
    ("missing_label", "classes", "dtype"),
    [
        (-1, [3, 7, 9], int),
        (np.nan, [0, 1, 2], float),
        (None, ["c", "a", "b"], object),
        ("nan", ["c", "a", "b"], str),
    ],
)
def test_labels_of_any_kind(make, blobs, missing_label, classes, dtype):
    X, positions = blobs
    y = np.array([classes[p] for p in positions], dtype=dtype)
    y = np.array([v if i < 30 else missing_label for i, v in enumerate(y)], dtype=dtype)
    clf = make(classes=classes, missing_label=missing_label).fit(X, y)
    assert list(clf.classes_) == sorted(classes)
    assert np.mean(clf.predict(X)[:30] == y[:30]) > 0.7


def test_equal_seeds_give_equal_fits(make, partly):
    X, y = partly
    first, second = (make().fit(X, y).predict_proba(X) for _ in range(2))
    np.testing.assert_array_equal(first, second)
    assert not np.array_equal(first, make(random_state=1).fit(X, y).predict_proba(X))


@pytest.mark.parametrize("random_state", [0, None, np.random.RandomState(3)])
def test_global_generators_are_neither_read_nor_moved(make, partly, random_state):
    X, y = partly
    results = []
    for seed in (1, 2):
        np.random.seed(seed)
        torch.manual_seed(seed)
        before = np.random.get_state()[1].copy(), torch.get_rng_state()
        clf = make(random_state=random_state).fit(X, y)
        results.append(clf.predict_proba(X))
        clf.predict(X)
        assert np.array_equal(before[0], np.random.get_state()[1])
        assert torch.equal(before[1], torch.get_rng_state())
    if random_state is not None:
        np.testing.assert_array_equal(*results)


def test_predictions_do_not_move_anything(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    before = copy.deepcopy([net.module_.state_dict() for net in clf.nets_])
    modes = [[m.training for m in net.module_.modules()] for net in clf.nets_]
    np.testing.assert_array_equal(clf.predict_proba(X), clf.predict_proba(X))
    clf.embed(X)
    for net, state, mode in zip(clf.nets_, before, modes, strict=True):
        assert all(
            torch.equal(v, state[k]) for k, v in net.module_.state_dict().items()
        )
        assert [m.training for m in net.module_.modules()] == mode
        assert not any(m._forward_hooks for m in net.module_.modules())


def test_answers_do_not_depend_on_the_batch_size(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    other = copy.deepcopy(clf)
    for net in other.nets_:
        net.iterator_valid__batch_size = 7
    for mine, its in zip(
        clf.predict_proba(X, return_embeddings=True),
        other.predict_proba(X, return_embeddings=True),
        strict=True,
    ):
        np.testing.assert_allclose(mine, its, atol=1e-6)


def test_the_net_of_the_caller_is_untouched(make, partly):
    net = make_net()
    make(net).fit(*partly)
    assert not net.initialized_


def test_a_module_instance_is_trained_as_a_copy(make, partly):
    X, y = partly
    module = MLP(2, 3, dropout=0.3)
    state = copy.deepcopy(module.state_dict())
    net = make_net(module)
    make(net).fit(X, y)
    assert all(torch.equal(v, state[k]) for k, v in module.state_dict().items())


def test_grid_search_reaches_net_and_module(make, blobs):
    X, y = blobs
    search = GridSearchCV(
        make(),
        {"net__lr": [1e-9, 0.03], "net__module__n_hidden": [4, 16]},
        cv=2,
        n_jobs=2,
    )
    search.fit(X, y)
    assert search.best_params_["net__lr"] == 0.03
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_score_counts_labelled_rows_only(make, blobs):
    X, y = blobs
    clf = make().fit(X, y)
    half = np.where(np.arange(60) % 2, y, -1)
    assert clf.score(X, half) == clf.score(X[1::2], y[1::2])
    assert np.isnan(clf.score(X, np.full(60, -1)))


def test_works_in_a_pipeline(make, partly, blobs):
    X, y = partly
    pipe = make_pipeline(StandardScaler(), make()).fit(X, y)
    assert pipe.score(*blobs) > 0.5


def test_clone_and_pickle(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    assert not hasattr(clone(clf), "nets_")
    again = pickle.loads(pickle.dumps(clf))
    np.testing.assert_array_equal(clf.predict_proba(X), again.predict_proba(X))


def test_unpickles_in_a_fresh_process(make, partly, tmp_path):
    X, y = partly
    clf = make().fit(X, y, np.ones(len(y)))
    joblib.dump((clf, X, clf.predict_proba(X)), tmp_path / "clf.joblib")
    code = (
        "import sys, joblib, numpy as np; clf, X, p = joblib.load(sys.argv[1]); "
        "np.testing.assert_allclose(clf.predict_proba(X), p, atol=1e-6)"
    )
    subprocess.run([sys.executable, "-c", code, tmp_path / "clf.joblib"], check=True)


def test_fitted_classifiers_travel_to_workers(make, partly):
    X, y = partly
    clf = make().fit(X, y)
    answers = joblib.Parallel(n_jobs=2)(
        joblib.delayed(clf.predict_proba)(chunk) for chunk in np.array_split(X, 2)
    )
    np.testing.assert_allclose(np.concatenate(answers), clf.predict_proba(X), atol=1e-5)


def test_images(make):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 1, 8, 8)).astype(np.float32)
    y = (X.mean((1, 2, 3)) > 0).astype(int)
    clf = make(make_net(ConvNet, module__n_hidden=8, lr=0.003), classes=[0, 1]).fit(
        X, y
    )
    assert clf.predict_proba(X).shape == (40, 2)
    assert clf.embed(X).ndim == 2
    with pytest.raises(ValueError, match="shape"):
        clf.predict_proba(X[:, :, :7])


def test_weights_act_as_repetition(make, blobs):
    X, y = blobs
    weight = np.where(np.arange(60) % 3, 1.0, 2.0) * (np.arange(60) < 40)
    copies = np.repeat(np.arange(60), weight.astype(int))
    one_batch = make_net(batch_size=-1, module__dropout=0.1, optimizer=torch.optim.SGD)
    one_batch.set_params(iterator_train__shuffle=False, max_epochs=3, lr=0.1)
    if "n_samples" not in make().get_params():  # masks differ between the two
        one_batch.set_params(module__dropout=0.0)
        weighted = make(one_batch).fit(X, y, weight).predict_proba(X)
        repeated = make(one_batch).fit(X[copies], y[copies]).predict_proba(X)
        np.testing.assert_allclose(weighted, repeated, atol=1e-5)
    tilted = make().fit(X, y, np.where(y == 0, 100.0, 0.01)).predict_proba(X)
    plain = make().fit(X, y).predict_proba(X)
    assert tilted[:, 0].mean() > plain[:, 0].mean()


def test_weights_of_one_and_no_weights_are_the_same(make, partly):
    X, y = partly
    np.testing.assert_allclose(
        make().fit(X, y, np.full(60, 3.0)).predict_proba(X),
        make().fit(X, y).predict_proba(X),
        atol=1e-5,
    )


def test_bad_weights(make, partly):
    X, y = partly
    with pytest.raises(ValueError, match="sample_weight"):
        make().fit(X, y, np.ones(3))
    with pytest.raises(ValueError, match="negative"):
        make().fit(X, y, -np.ones(60))


def test_warm_start_continues_from_the_weights(make, partly):
    X, y = partly
    before = make().fit(X, y)
    still = make(make_net(lr=1e-9, max_epochs=1)).fit_from(before, X, y)
    np.testing.assert_allclose(
        still.predict_proba(X), before.predict_proba(X), atol=1e-4
    )
    with pytest.raises(NotFittedError):
        make().fit_from(make(), X, y)


class Probabilities(MLP):
    def forward(self, x):
        return super().forward(x).softmax(-1)


@pytest.mark.parametrize(
    ("module", "criterion"),
    [(MLP, nn.NLLLoss), (Probabilities, nn.NLLLoss), (MLP, nn.CrossEntropyLoss)],
)
def test_logits_and_probabilities_train_alike(make, blobs, module, criterion):
    X, y = blobs
    net = make_net(module, criterion=criterion, module__n_hidden=16)
    clf = make(net).fit(X, y)
    np.testing.assert_allclose(clf.predict_proba(X).sum(1), 1, atol=1e-5)
    assert clf.score(X, y) > 0.8


class OneLogit(MLP):
    def forward(self, x):
        return super().forward(x)[:, 0]


def test_binary_nets(make, blobs):
    X, y = blobs
    X, y = X[y < 2], y[y < 2]
    net = NeuralNetBinaryClassifier(
        OneLogit, max_epochs=20, lr=0.1, train_split=None, verbose=0
    )
    clf = make(net, classes=[0, 1]).fit(X, y)
    assert clf.predict_proba(X).shape == (len(X), 2)
    assert clf.score(X, y) > 0.8


def test_wrong_number_of_outputs(make, partly):
    with pytest.raises(ValueError, match="returns 5 columns, but there are 3 classes"):
        make(make_net(module__n_classes=5)).fit(*partly)


class Normed(nn.Module):
    def __init__(self, n_features, n_classes):
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(n_features, 8),
            nn.BatchNorm1d(8),
            nn.ReLU(),
            nn.Dropout(0.5),
            nn.Linear(8, n_classes),
        )

    def forward(self, x):
        return self.net(x)


@pytest.mark.parametrize("n_labels", [1, 9, 17])
def test_batch_normalisation_never_sees_a_batch_of_one(make, blobs, n_labels):
    X, y = blobs
    y = np.where(np.arange(60) < n_labels, y, -1)
    net = make_net(Normed, batch_size=8)
    assert make(net).fit(X, y).predict_proba(X).shape == (60, 3)


def test_train_split_that_is_too_large_is_left_out(make, blobs):
    X, y = blobs
    net = make_net(train_split=ValidSplit(5))
    with pytest.warns(UserWarning, match="too few for the net's train_split"):
        make(net).fit(X[:3], y[:3])


def test_callbacks_work(make, blobs):
    X, y = blobs
    stop = EarlyStopping(patience=2, threshold=10.0, threshold_mode="abs")
    net = make_net(train_split=ValidSplit(3), callbacks=[stop], max_epochs=30)
    clf = make(net).fit(X, y, np.ones(60))
    assert all(len(net.history) < 30 for net in clf.nets_)


def test_diverged_training_is_an_error(make, blobs):
    net = make_net(lr=1e30, optimizer=torch.optim.SGD)
    with pytest.raises(ValueError, match="diverged"):
        make(net).fit(*blobs).predict_proba(blobs[0])


def test_malformed_input(make, partly):
    X, y = partly
    clf = make()
    with pytest.raises(NotFittedError):
        clf.predict_proba(X)
    with pytest.raises(ValueError, match="NaN"):
        clf.fit(np.where(X > 2, np.nan, X), y)
    clf.fit(X, y)
    with pytest.raises(ValueError, match="features"):
        clf.predict_proba(X[:, :1])
    with pytest.raises(ValueError, match="sample"):
        clf.predict_proba(X[:0])


def test_embedding_layer(make, partly):
    X, y = partly
    clf = make(embedding_layer="nowhere").fit(X, y)
    with pytest.raises(ValueError, match="none of"):
        clf.embed(X)


def test_parameters_are_checked(make, partly):
    with pytest.raises(ValueError, match="'net' parameter"):
        make(net=MLP).fit(*partly)
    with pytest.raises(ValueError, match="'embedding_layer' parameter"):
        make(embedding_layer=3).fit(*partly)
