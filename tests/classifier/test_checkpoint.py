"""What a net predicted while it was trained."""

import numpy as np
import torch
from support import make_net

from skal_deep.classifier import CheckpointClassifier, DeepClassifier
from skal_deep.functional import label_dispersion

PARAMS = {"classes": [0, 1, 2], "random_state": 0}


def test_votes_are_those_of_nets_trained_so_long(partly):
    X, y = partly
    clf = CheckpointClassifier(make_net(max_epochs=6), every=2, **PARAMS).fit(X, y)
    votes = clf.predict_votes(X)
    assert votes.shape == (60, 3)
    for at, n_epochs in enumerate((2, 4, 6)):
        net = DeepClassifier(make_net(max_epochs=n_epochs), **PARAMS).fit(X, y)
        np.testing.assert_array_equal(votes[:, at], net.predict_proba(X).argmax(1))
    np.testing.assert_array_equal(clf.predict(X), votes[:, -1])
    np.testing.assert_array_equal(clf.predict_votes(X[::-1]), votes[::-1])


def test_without_a_label_there_is_the_untrained_net():
    X = np.zeros((4, 2), np.float32)
    clf = CheckpointClassifier(make_net(), **PARAMS).fit(X, [-1] * 4)
    assert clf.predict_votes(X).shape == (4, 1)


def test_rows_between_the_classes_change_their_class(blobs):
    X, y = blobs
    clf = CheckpointClassifier(make_net(max_epochs=15), **PARAMS).fit(X, y)
    scores = label_dispersion(torch.as_tensor(clf.predict_votes(X)).T).numpy()
    top = np.sort(clf.predict_proba(X), axis=1)
    margin = top[:, -1] - top[:, -2]
    assert scores[margin < np.median(margin)].mean() > scores[margin > 0.9].mean()
