"""Trainings of selectors against plain loops, in which all gradients are computed."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import binary_cross_entropy_with_logits as bce
from torch.nn.functional import cross_entropy, mse_loss, normalize

from skal_deep.modules import VAE, Discriminator, Minibatches, Standardizer
from skal_deep.modules._joint_selector import (
    CosineHead,
    train_joint_selector,
    train_minimax_selector,
)
from skal_deep.modules._rng import isolated_rng
from skal_deep.modules._sraal import train_sraal
from skal_deep.modules._vaal import train_vaal
from skal_deep.modules._vae import make_encoder

RNG = np.random.default_rng(0)
X = RNG.normal(1, 2, size=(60, 5)).astype(np.float32)
LABELED, UNLABELED = X[:20], X[20:]
Y = torch.arange(20) % 3
SIZE, LR, N_STEPS = 16, 1e-3, 3
SETTINGS = {"n_iterations": N_STEPS, "batch_size": SIZE, "lr": LR}


def begin(*beside):
    """Return a generator, the scale, mini-batches of both pools and a seed for nets."""
    generator, scale = (
        torch.Generator().manual_seed(3),
        Standardizer(LABELED, UNLABELED),
    )
    pools = [
        Minibatches(*rows, batch_size=SIZE, generator=generator, scale=scale)
        for rows in zip((LABELED, UNLABELED), *beside, strict=True)
    ]
    return generator, scale, pools


def seed_of(generator):
    return int(torch.randint(2**31, (1,), generator=generator))


def adam(*modules):
    return torch.optim.Adam([p for m in modules for p in m.parameters()], lr=LR)


def step(optimizer, loss):
    """Make a step of one optimiser; what other nets got of the loss is thrown away."""
    for module in step.all:
        module.zero_grad()
    loss.backward()
    optimizer.step()


def elbo(x, made, mu, logvar, beta=1.0):
    error = mse_loss(made, x, reduction="none").sum(1).mean()
    return error + beta * 0.5 * (mu**2 + logvar.exp() - 1 - logvar).sum(1).mean()


def told(logits, target):
    return bce(logits, torch.full_like(logits, target))


def seed_for(train, *args, **params):
    return train(
        *args, **SETTINGS, **params, generator=torch.Generator().manual_seed(3)
    )


@pytest.mark.slow
@pytest.mark.parametrize("has_tasks", [False, True])
def test_vaal(has_tasks):
    tasks = torch.linspace(-2, 2, 20), torch.linspace(2, -1, 40)
    params = {"beta": 3.0, "adversary_weight": 0.5, "n_vae_steps": 1, "latent_dim": 4}
    if has_tasks:
        params["tasks"] = tasks
    scorer = seed_for(train_vaal, LABELED, UNLABELED, **params)
    generator, scale, pools = begin(tasks)
    with isolated_rng(seed_of(generator)):
        vae = VAE((5,), 4, 4 + has_tasks)
        judge = Discriminator(4 + has_tasks)
    first, second, step.all = adam(vae), adam(judge), (vae, judge)

    def judged(mu, task):
        return judge(torch.cat([mu, task[:, None]], 1) if has_tasks else mu)

    for _ in range(N_STEPS):
        (x_l, t_l), (x_u, t_u) = map(next, pools)
        x, t = torch.cat([x_l, x_u]), torch.cat([t_l, t_u])
        made = vae(x, generator, t[:, None].sigmoid() if has_tasks else None)
        parts = zip(x.chunk(2), *(each.chunk(2) for each in made), strict=True)
        losses = [elbo(*part, beta=3.0) for part in parts]
        fooled = [told(part, 1.0) for part in judged(made[1], t).chunk(2)]
        step(first, sum(losses) + 0.5 * sum(fooled))
        (x_l, t_l), (x_u, t_u) = map(next, pools)
        of_labeled = told(judged(vae.encode(x_l)[0], t_l), 1.0)
        of_others = told(judged(vae.encode(x_u)[0], t_u), 0.0)
        step(second, of_labeled + of_others)
    shown = tasks[1] if has_tasks else None
    expected = judged(vae.encode(scale(UNLABELED))[0], tasks[1]).sigmoid().double()
    found = scorer.proba(UNLABELED, shown)
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-4)


def test_sraal():
    indicators = torch.linspace(0, 1, 40)
    score = seed_for(train_sraal, LABELED, Y, UNLABELED, indicators, latent_dim=4)
    generator, scale, pools = begin((Y, indicators))
    with isolated_rng(seed_of(generator)):
        vae = VAE((5,), 8, n_decoded=4)
        head = nn.Sequential(nn.Linear(4, 256), nn.ReLU(), nn.Linear(256, 3))
        judge = Discriminator(8)
    first, second, step.all = adam(vae, head), adam(judge), (vae, head, judge)
    for _ in range(N_STEPS):
        for _ in range(2):
            (x_l, y), (x_u, _) = map(next, pools)
            x = torch.cat([x_l, x_u])
            code = vae.encode(x)
            noise = torch.randn(code[0].shape, generator=generator)
            drawn = code[0] + noise * (code[1] / 2).exp()
            made = vae.decoder(drawn[:, :4])
            classes = cross_entropy(head(code[0][:SIZE, 4:]), y)
            fooled = [told(judge(part), 1.0) for part in code[0].chunk(2)]
            step(first, elbo(x, made, *code) + 5 * classes + sum(fooled))
        (x_l, _), (x_u, state) = map(next, pools)
        of_labeled = told(judge(vae.encode(x_l)[0]), 0.0)
        step(second, of_labeled + bce(judge(vae.encode(x_u)[0]), state))
    expected = judge(vae.encode(scale(UNLABELED))[0]).double().detach()
    torch.testing.assert_close(score(UNLABELED), expected, rtol=0, atol=1e-4)


def joint_parts(head):
    generator, scale, pools = begin((Y, torch.zeros(40)))
    seed = seed_of(generator)
    with isolated_rng(seed):
        backbone, judge = make_encoder((5,), 64), Discriminator(64)
    with isolated_rng(seed + 1):
        head = head(64, 3)
    step.all = backbone, head, judge
    return scale, pools, backbone, head, judge


def check_joint(selector, scale, backbone, head, judge):
    features = backbone(scale(UNLABELED))
    novelty = -judge(normalize(features)).double().detach()
    torch.testing.assert_close(selector.novelty(UNLABELED), novelty, rtol=0, atol=1e-4)
    proba = head(features).softmax(1).double().detach()
    torch.testing.assert_close(selector.proba(UNLABELED), proba, rtol=0, atol=1e-4)


def test_joint_selector():
    selector = seed_for(train_joint_selector, LABELED, Y, UNLABELED)
    scale, pools, backbone, head, judge = joint_parts(nn.Linear)
    optimizer = adam(backbone, head, judge)
    for _ in range(N_STEPS):
        (x_l, y), (x_u, _) = map(next, pools)
        labeled, others = backbone(x_l), backbone(x_u)
        apart = told(judge(normalize(labeled)), 1.0)
        apart = apart + told(judge(normalize(others)), 0.0)
        step(optimizer, cross_entropy(head(labeled), y) + 0.5 * apart)
    check_joint(selector, scale, backbone, head, judge)


def test_minimax_selector():
    weight = 2.0  # so large that a wrong sign shows in three steps
    selector = seed_for(
        train_minimax_selector, LABELED, Y, UNLABELED, entropy_weight=weight
    )
    scale, pools, backbone, head, judge = joint_parts(CosineHead)
    of_features, of_head, of_judge = adam(backbone), adam(head), adam(judge)

    def entropy(features):
        logs = (head.weights(normalize(features)) / 0.05).log_softmax(1)
        return -(logs.exp() * logs).sum(1).mean()

    for _ in range(N_STEPS):
        (x_l, y), (x_u, _) = map(next, pools)
        known = cross_entropy(head(backbone(x_l)), y)
        certain = weight * entropy(backbone(x_u))
        apart = told(judge(normalize(backbone(x_l)).detach()), 1.0)
        apart = apart + told(judge(normalize(backbone(x_u)).detach()), 0.0)
        # features lower the entropy, the head raises it
        downs = torch.autograd.grad(
            known + certain, [*backbone.parameters()], retain_graph=True
        )
        ups = torch.autograd.grad(known - certain, [*head.parameters()])
        for part, gradients in ((backbone, downs), (head, ups)):
            for each, gradient in zip(part.parameters(), gradients, strict=True):
                each.grad = gradient
        of_features.step()
        of_head.step()
        of_judge.zero_grad()
        apart.backward()
        of_judge.step()
    check_joint(selector, scale, backbone, head, judge)
