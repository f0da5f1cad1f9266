"""SWA: the mean of weights, and batch normalisation that fits it."""

import numpy as np
import pytest
import torch
from support import Normed, make_net

from skal_deep.classifier import DeepClassifier, SWAClassifier, SWAGClassifier
from skal_deep.modules._weights import trained_weights

PARAMS = {"classes": [0, 1, 2], "random_state": 0, "n_collected": 4}


@pytest.mark.parametrize("params", [{}, {"collect_lr": 0.1}, {"augment": lambda x: -x}])
def test_the_net_is_that_in_the_middle_of_swag(partly, params):
    net = make_net(max_epochs=4)
    one = SWAClassifier(net, **PARAMS, **params).fit(*partly)
    two = SWAGClassifier(net, **PARAMS, **params).fit(*partly)
    first, second = (trained_weights(clf.nets_[0].module_) for clf in (one, two))
    assert torch.equal(first, second)


def test_the_weights_are_those_of_torchs_averages(partly):
    """Without shuffling and dropout, plain SGD goes on as one training does."""
    X, y = partly
    options = {"optimizer": torch.optim.SGD, "module__dropout": 0.0}
    options |= {"iterator_train__shuffle": False}
    clf = SWAClassifier(make_net(max_epochs=5, **options), **PARAMS).fit(X, y)
    nets = [
        DeepClassifier(
            make_net(max_epochs=5 + more, **options), classes=[0, 1, 2], random_state=0
        )
        .fit(X, y)
        .nets_[0]
        .module_
        for more in range(1, 5)
    ]
    averaged = torch.optim.swa_utils.AveragedModel(nets[0])
    for net in nets:
        averaged.update_parameters(net)
    torch.testing.assert_close(
        trained_weights(clf.nets_[0].module_), trained_weights(averaged.module)
    )


def test_batch_statistics_are_those_of_the_mean_weights(partly):
    X, y = partly
    net = make_net(Normed, batch_size=-1, max_epochs=4)
    module = SWAClassifier(net, **PARAMS).fit(X, y).nets_[0].module_
    hidden = module.layers[0](torch.as_tensor(X[:12])).detach()
    torch.testing.assert_close(module.layers[1].running_mean, hidden.mean(0))
    torch.testing.assert_close(module.layers[1].running_var, hidden.var(0))


def test_without_labels_it_is_a_fresh_net(blobs):
    X, y = blobs[0], np.full(60, -1)
    plain = DeepClassifier(make_net(), classes=[0, 1, 2], random_state=0).fit(X, y)
    averaged = SWAClassifier(make_net(), **PARAMS).fit(X, y)
    np.testing.assert_array_equal(plain.predict_proba(X), averaged.predict_proba(X))
