"""The training loop of auxiliary nets."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from skal_deep.modules import Minibatches, train
from skal_deep.modules._training import Descent


def make(*arrays, size=4, seed=0, **params):
    generator = torch.Generator().manual_seed(seed)
    return Minibatches(*arrays, batch_size=size, generator=generator, **params)


def rows_of(batches, n):
    return [next(batches)[0].flatten().tolist() for _ in range(n)]


def test_rows_are_dealt_out_before_they_repeat():
    batches = make(np.arange(10.0)[:, None])
    for _ in range(5):  # 10 rows make two mini-batches of 4; two rows sit out
        first, second = rows_of(batches, 2)
        assert len({*first, *second}) == 8


@pytest.mark.slow
def test_every_row_has_the_same_chance():
    rows = np.array(rows_of(make(np.arange(10.0)[:, None]), 5000)).astype(int)
    counts = np.bincount(rows.ravel(), minlength=10)
    expected = rows.size / 10
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("n_rows", [1, 3])
def test_few_rows_are_drawn_with_replacement(n_rows):
    rows = rows_of(make(np.arange(float(n_rows))[:, None]), 50)
    assert all(len(batch) == 4 for batch in rows)
    assert {row for batch in rows for row in batch} == set(range(n_rows))


def test_as_many_rows_as_a_minibatch_takes():
    assert rows_of(make(np.arange(4.0)[:, None]), 2) == [[0, 1, 2, 3]] * 2


def test_arrays_stay_aligned():
    batches = make(np.arange(10.0), torch.arange(10), scale=lambda x: -torch.tensor(x))
    for _ in range(5):
        x, y = next(batches)
        assert torch.equal(x, -y.double())


def test_seeds():
    X = np.arange(50.0)
    assert rows_of(make(X), 9) == rows_of(make(X), 9) != rows_of(make(X, seed=1), 9)


def test_only_rows_of_a_minibatch_are_read(tmp_path):
    X = np.memmap(tmp_path / "X", np.uint8, "w+", shape=(1000, 3))
    seen = []

    def scale(rows):
        seen.append(rows.shape)
        return torch.as_tensor(rows, dtype=torch.float32)

    (x,) = next(make(X, scale=scale))
    assert x.dtype == torch.float32
    assert seen == [(4, 3)]


def test_a_device_is_followed():
    (x,) = next(make(np.zeros((9, 2)), device="meta"))
    assert x.device.type == "meta"


@pytest.mark.parametrize("lengths", [(0,), (3, 2)])
def test_arrays_that_make_no_minibatch(lengths):
    with pytest.raises(ValueError, match=r"equally many rows.*got \[\d"):
        make(*(np.zeros(n) for n in lengths))


def test_a_descent_is_that_of_adam():
    def loss():
        return (head(net(x)) - 1).square().mean()

    torch.manual_seed(0)
    x, net, head = torch.randn(5, 3), nn.Linear(3, 4), nn.Linear(4, 1)
    start = copy.deepcopy(net.state_dict())
    optimizer = torch.optim.Adam(net.parameters(), lr=0.1, fused=True)
    for _ in range(4):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    expected = copy.deepcopy(net.state_dict())
    net.load_state_dict(start)
    head.zero_grad()
    descent = Descent(net, lr=0.1)
    for _ in range(4):
        descent.step(loss())
    assert all(torch.equal(expected[name], p) for name, p in net.state_dict().items())
    assert all(p.grad is None for p in head.parameters())


def test_training_happens_in_train_mode_with_gradients():
    module, seen = nn.Sequential(nn.Linear(1, 1), nn.Dropout()).eval(), []

    def step():
        seen.append((module.training, module[1].training, torch.is_grad_enabled()))

    with torch.no_grad():
        train([module], step, 3, name="test")
    assert seen == [(True, True, True)] * 3
    assert not any(part.training for part in module.modules())


def test_eval_mode_also_after_an_exception():
    module = nn.Linear(1, 1)

    def step():
        raise RuntimeError("no")

    with pytest.raises(RuntimeError, match="no"):
        train([module], step, 3, name="test")
    assert not module.training


@pytest.mark.parametrize("verbose", [False, True])
def test_the_progress_bar(verbose, capfd):
    train([], lambda: None, 3, name="test", verbose=verbose)
    assert ("test" in capfd.readouterr().err) is verbose
