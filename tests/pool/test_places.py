"""Answers of one model lie in one place, shown by the device that holds nothing."""

import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

from skal_deep.classifier import Model
from skal_deep.pool._rows import Rows

X = np.arange(12, dtype=np.float32).reshape(6, 2)


@pytest.fixture
def card(monkeypatch):
    monkeypatch.setattr("skal_deep.pool._rows.has_card", lambda: True)


def answer(*shape, on="cpu"):
    """Return a method that answers rows by ones, and counts how many it saw."""

    def method(X, *args, **params):
        method.seen += len(X)
        where = torch.ones(*shape, device=on)
        return where.expand(*where.shape[:-2], len(X), where.shape[-1])

    method.seen = 0
    return method


def asked(first, **methods):
    rows = Rows(X, np.arange(len(X)), Model(**methods), seed=0)
    order = ["predict_proba", "embed"] if first == "predict_proba" else ["embed"]
    for name in [*order, "predict_proba"]:
        getattr(rows, name)()
    return rows


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("first", ["predict_proba", "embed"])
@pytest.mark.parametrize("places", [("cpu", "meta"), ("meta", "cpu")])
def test_arrays_go_to_the_card_whatever_is_asked_first(first, places):
    proba, embed = (answer(1, 2, on=place) for place in places)
    draws = answer(3, 1, 2)
    rows = asked(first, predict_proba=proba, embed=embed, sample_proba=draws)
    assert rows.predict_proba().is_meta
    assert rows.embed().is_meta
    assert rows.sample_proba(3).is_meta
    assert rows.score_samples(lambda samples: samples.sum(-1), 3).is_meta


@pytest.mark.usefixtures("card")
def test_both_in_one_pass():
    model = Model(
        predict_and_embed=lambda X: (
            torch.ones(len(X), 2),
            torch.ones(len(X), 3, device="meta"),
        ),
        embed=answer(1, 3, on="meta"),
    )
    both = Rows(X, np.arange(6), model, seed=0).predict_and_embed()
    assert [each.is_meta for each in both] == [True, True]


@pytest.mark.usefixtures("card")
@pytest.mark.parametrize("first", ["predict_proba", "embed"])
def test_inputs_in_place_of_embeddings_go_there_too(first):
    rows = asked(first, predict_proba=answer(1, 2, on="meta"))
    assert rows.embed().is_meta
    assert rows.embed() is rows.embed()
    assert rows.seen_X().tolist() == X.tolist()


@pytest.mark.usefixtures("card")
def test_a_model_is_asked_for_one_row_once():
    proba, embed = answer(1, 2), answer(1, 3)
    model = Model(predict_proba=proba, embed=embed)
    for rows in (Rows(X, np.arange(6), model, seed=0) for _ in range(3)):
        assert rows.predict_proba().is_cpu
    assert (proba.seen, embed.seen) == (3 * 6, 1)


@pytest.mark.usefixtures("card")
def test_who_asks_for_less_is_not_told_of_more():
    def embed(X):
        warnings.warn("no layer", stacklevel=2)
        raise ValueError("no layer")

    model = Model(predict_proba=answer(1, 2), embed=embed)
    rows = Rows(X, np.arange(6), model, seed=0)
    assert rows.predict_proba().is_cpu
    with pytest.raises(ValueError, match="no layer"), pytest.warns(match="no layer"):
        rows.embed()


@pytest.mark.usefixtures("card")
def test_what_comes_first_decides():
    """Draws come from the card, and neither embeddings nor probabilities do."""
    proba, embed = answer(1, 2), answer(1, 3)
    draws = answer(3, 1, 2, on="meta")
    model = Model(predict_proba=proba, embed=embed, sample_proba=draws)
    rows = Rows(X, np.arange(6), model, seed=0)
    answers = rows.sample_proba(3), rows.predict_proba(), rows.embed()
    assert [each.is_meta for each in answers] == [True] * 3
    assert (proba.seen, embed.seen) == (6, 6)


@pytest.mark.usefixtures("card")
def test_threads_leave_filters_of_warnings_alone():
    """Filters are of the process: who puts them back puts back those of another."""
    events = [threading.Event() for _ in range(3)]
    first_is_in, second_is_in, first_is_out = events

    def ask(is_in, goes_on):
        def embed(X):
            is_in.set()
            assert goes_on.wait(timeout=60)
            return torch.ones(len(X), 3)

        model = Model(predict_proba=answer(1, 2), embed=embed)
        Rows(X, np.arange(6), model, seed=0).predict_proba()

    before = list(warnings.filters)
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(ask, first_is_in, second_is_in)
        assert first_is_in.wait(timeout=60)
        second = threads.submit(ask, second_is_in, first_is_out)
        first.result()
        first_is_out.set()
        second.result()
    assert warnings.filters == before


def test_nothing_is_asked_without_a_card(monkeypatch):
    monkeypatch.setattr("skal_deep.pool._rows.has_card", lambda: False)
    embed = answer(1, 3)
    asked("predict_proba", predict_proba=answer(1, 2), embed=embed)
    assert embed.seen == len(X)
