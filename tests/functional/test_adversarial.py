"""Attacks: goldens, linear models in closed form, invariances, dead ends."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from skal_deep.functional import adversarial as module
from skal_deep.functional import deepfool, iterated_sign_attack
from skal_deep.functional.adversarial import nearness

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "adversarial.npz")
X = torch.as_tensor(GOLDEN["H_X"])
W, B, W1, B1, W2, B2 = (
    torch.as_tensor(GOLDEN[f"H_{name}"])
    for name in ("lin_W", "lin_b", "mlp_W1", "mlp_b1", "mlp_W2", "mlp_b2")
)


def linear(x):
    return x @ W.T + B


def mlp(x):
    return torch.tanh(x @ W1.T + B1) @ W2.T + B2


ATTACKS = [deepfool, iterated_sign_attack]


@pytest.mark.parametrize("budget", [1, 2**24])
def test_golden_deepfool(budget, monkeypatch):
    monkeypatch.setattr(module, "_MEMORY_BUDGET", budget)
    for logits, name in ((linear, "H_lin_deepfool"), (mlp, "H_mlp_deepfool")):
        np.testing.assert_allclose(deepfool(logits, X)[0], GOLDEN[name], atol=1e-9)


@pytest.mark.slow
def test_golden_number_of_steps():
    for i, n_steps in enumerate(GOLDEN["H_mlp_deepfool_iters"]):
        row = X[i : i + 1]
        assert deepfool(mlp, row, n_steps=int(n_steps))[0].isfinite()
        if n_steps > 1:
            assert deepfool(mlp, row, n_steps=int(n_steps) - 1)[0] == math.inf


@pytest.mark.slow
def test_golden_sign_attack():
    distances, _ = iterated_sign_attack(mlp, X)
    np.testing.assert_allclose(distances**2, GOLDEN["H_mlp_bim_sqdist"], atol=1e-9)
    n_steps = int(GOLDEN["H_mlp_bim_iters"].max())
    assert iterated_sign_attack(mlp, X, n_steps=n_steps)[0].isfinite().all()
    assert iterated_sign_attack(mlp, X, n_steps=n_steps - 1)[0].isinf().sum() == 1


@pytest.mark.parametrize(("norm", "dual"), [(2.0, 2.0), (math.inf, 1.0)])
def test_linear_models_take_one_step_of_known_length(norm, dual):
    logits = linear(X)
    best = logits.amax(1)
    expected = []
    for row, label in zip(logits, logits.argmax(1), strict=True):
        others = [k for k in range(3) if k != label]
        expected.append(
            min(
                float((row[label] - row[k]) / (W[k] - W[label]).norm(dual))
                for k in others
            )
        )
    distances, twins = deepfool(linear, X, n_steps=1, norm=norm)
    np.testing.assert_allclose(distances, 1.02 * np.array(expected))
    np.testing.assert_allclose((twins - X).norm(norm, dim=1), distances)
    assert (linear(twins).amax(1) != best).all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_twins_have_another_prediction(attack):
    distances, twins = attack(mlp, X)
    assert (mlp(twins).argmax(1) != mlp(X).argmax(1)).all()
    np.testing.assert_allclose((twins - X).norm(dim=1), distances)


@pytest.mark.slow
def test_scales_and_rotations():
    expected, _ = deepfool(mlp, X)
    torch.testing.assert_close(deepfool(lambda x: 9 * mlp(x), X)[0], expected)
    torch.testing.assert_close(deepfool(lambda x: mlp(x / 3), 3 * X)[0], 3 * expected)
    turn, _ = torch.linalg.qr(X.T @ X + torch.eye(4).flip(0))
    torch.testing.assert_close(
        deepfool(lambda x: mlp(x @ turn.T), X @ turn)[0], expected
    )
    images = X.reshape(5, 1, 2, 2)
    torch.testing.assert_close(
        deepfool(lambda x: mlp(x.flatten(1)), images)[0], expected
    )


def test_points_do_not_see_each_other():
    expected, _ = deepfool(mlp, X)
    order = [3, 0, 4, 1, 2]
    torch.testing.assert_close(deepfool(mlp, X[order])[0], expected[order])


def test_only_the_most_probable_classes_are_looked_at():
    second = deepfool(linear, X, n_classes=2)[0]
    assert (second >= deepfool(linear, X)[0]).all()


@pytest.mark.parametrize("attack", ATTACKS)
def test_where_there_is_no_way_out(attack):
    def flat(x):
        return 0 * x[:, :1] + torch.tensor([1.0, 3.0, 2.0], dtype=x.dtype)

    def lone(x):
        return x[:, :1]

    for logits in (flat, lone):
        distances, twins = attack(logits, X)
        assert distances.isinf().all()
        assert torch.equal(twins, X)
        assert (nearness(distances) == 0).all()


def test_on_the_boundary_the_distance_is_zero():
    x = torch.tensor([[0.0], [1.0]])
    distances, _ = deepfool(lambda x: torch.cat([x, -x], 1), x)
    torch.testing.assert_close(distances, torch.tensor([0.0, 1.02]))
    assert nearness(distances)[0] == 1
