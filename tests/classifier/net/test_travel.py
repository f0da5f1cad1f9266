"""Pickles of what lies on a card, shown by the device that holds nothing."""

import copy
import pickle

import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import DeepClassifier


@pytest.fixture(autouse=True)
def card(monkeypatch):
    monkeypatch.setattr(
        "skal_deep.classifier.net._travel.has_accelerator", lambda: True
    )


class Kept(DeepClassifier):
    """Keeps tensors of its own, in two places."""

    def keep(self):
        self.kept_ = {"there": [torch.ones(2, device="meta")], "here": torch.ones(2)}
        return self


class Updated(Kept):
    """Sets its state as most classes do that do so themselves."""

    def __setstate__(self, state):
        self.__dict__.update(state)


COPIES = {
    "pickle": lambda clf: pickle.loads(pickle.dumps(clf)),
    "old pickle": lambda clf: pickle.loads(pickle.dumps(clf, protocol=2)),
    "deepcopy": copy.deepcopy,
    "copy": copy.copy,
}


@pytest.mark.parametrize("copied", COPIES)
def test_each_tensor_stays_where_it_was(copied):
    kept = COPIES[copied](Kept(make_net()).keep()).kept_
    assert kept["there"][0].is_meta
    assert kept["here"].tolist() == [1, 1]


@pytest.mark.parametrize("copied", ["pickle", "deepcopy"])
def test_subclasses_that_set_their_state_themselves(copied):
    assert COPIES[copied](Updated(make_net()).keep()).kept_["there"][0].is_meta


@pytest.mark.parametrize("copied", COPIES)
def test_not_fitted(copied):
    """Nothing says where the nets will be."""
    clf = COPIES[copied](DeepClassifier(make_net(), augment=nn.PReLU(device="meta")))
    assert clf.augment.weight.is_meta


def test_copies_share_and_deep_copies_do_not():
    clf = Kept(make_net()).keep()
    assert copy.copy(clf).kept_ is clf.kept_
    clf.same_ = clf.kept_["here"], torch.ones(1, device="meta")
    deep = copy.deepcopy(clf)
    assert deep.same_[0] is deep.kept_["here"]
    assert deep.same_[0] is not clf.same_[0]


def test_a_card_that_is_missing(monkeypatch):
    clf = Kept(make_net(criterion__weight=torch.ones(3))).keep()
    clf.kept_ = [torch.arange(3)]
    with monkeypatch.context() as there:
        there.setattr(torch.Tensor, "is_cpu", property(lambda _: False))
        there.setattr("torch.serialization.location_tag", lambda _: "moon:0")
        stored = pickle.dumps(clf)
    assert pickle.loads(stored).kept_[0].tolist() == [0, 1, 2]
    assert pickle.loads(stored).net.criterion__weight.tolist() == [1, 1, 1]


def test_containers_that_hold_themselves():
    clf = Kept(make_net()).keep()
    clf.kept_["all"] = clf.kept_
    kept = pickle.loads(pickle.dumps(clf)).kept_
    assert kept["all"] is kept


def test_nothing_is_looked_at_without_a_card(monkeypatch):
    """A state may be a list of a million texts."""
    monkeypatch.setattr(
        "skal_deep.classifier.net._travel.has_accelerator", lambda: False
    )
    monkeypatch.setattr("skal_deep.classifier.net._travel._tensors", None)
    assert pickle.loads(pickle.dumps(Kept(make_net()).keep())).kept_["there"][0].is_meta
