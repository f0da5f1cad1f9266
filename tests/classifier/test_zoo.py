"""Draws of awkward modules equal a plain loop of whole passes, or are refused."""

import copy

import numpy as np
import pytest
import torch
from skorch.helper import SliceDict
from skorch.utils import multi_indexing
from support import make_net
from torch import nn
from zoo import ZOO, Alternates, Bert, dictionary, vectors

from skal_deep.classifier import CapabilityError
from skal_deep.classifier.door._as_model import as_model
from skal_deep.classifier.net._dropout_draws import draws_apart, whole_draws
from skal_deep.evaluation import check_posterior
from skal_deep.modules import coupled_dropout, isolated_rng

N_ROWS, N_DRAWS = 12, 4
SAMPLED = [name for name, animal in ZOO.items() if animal.expected != "refused"]
REFUSED = [name for name, animal in ZOO.items() if animal.expected == "refused"]


def initialized(name, seed=0):
    with isolated_rng(seed):
        net = make_net(ZOO[name].make())
        net.initialize()
    net.module_.eval()
    return net


def loop(module, X, attention=()):
    """Return draws by whole passes on copies of the rows."""
    module = getattr(module, "_orig_mod", module)
    draws = []
    with torch.no_grad(), coupled_dropout(module, 5, attention) as masks:
        for draw in range(N_DRAWS):
            masks.use(draw)
            x = multi_indexing(X, slice(None))
            if isinstance(x, dict):
                output = module(**{k: torch.tensor(v) for k, v in x.items()})
            else:
                output = module(torch.tensor(x))
            output = output[0] if isinstance(output, tuple) else output
            draws.append(output.softmax(-1))
    return torch.stack(draws)


def parts_of(X, *slices):
    return [multi_indexing(X, part) for part in slices]


@pytest.mark.parametrize("name", SAMPLED)
def test_draws_equal_a_loop_of_whole_passes(name):
    net, X = initialized(name), ZOO[name].rows(N_ROWS)
    before = copy.deepcopy(X)
    attention = ["attention"] if "a function" in name or "sdpa" in name else []
    attention = ["attention"] if name == "attention and layers" else attention
    expected = loop(net.module_, X, attention)
    sample = as_model(net).sample_proba
    found = sample(X, N_DRAWS, 5)
    torch.testing.assert_close(found, expected)
    assert (found != found[:1]).any()
    pieces = parts_of(X, slice(0, 1), slice(1, 5), slice(5, None))
    together = torch.cat([sample(piece, N_DRAWS, 5) for piece in pieces], 1)
    torch.testing.assert_close(together, expected)
    for array, other in zip(_arrays(X), _arrays(before), strict=True):
        np.testing.assert_array_equal(array, other)


def _arrays(X):
    return X.values() if isinstance(X, dict) else [X]


@pytest.mark.parametrize("name", SAMPLED)
def test_fast_passes_where_they_are_right(name, monkeypatch):
    net, X = initialized(name), ZOO[name].rows(N_ROWS)
    module = getattr(net.module_, "_orig_mod", net.module_)
    forward, n_passes = type(module).forward, []

    def counted(self, *args, **kwargs):
        n_passes[-1] += self is module
        return forward(self, *args, **kwargs)

    monkeypatch.setattr(type(module), "forward", counted)
    for n_draws in (3, 13):
        n_passes.append(0)
        as_model(net).sample_proba(X, n_draws, 5)
    wanted = 10 if ZOO[name].expected == "falls back" else 0
    assert n_passes[1] - n_passes[0] == wanted


def test_draws_apart_are_those_of_one_list_after_another():
    module = nn.Sequential(nn.Dropout(0.4), nn.AdaptiveAvgPool1d(3), nn.Linear(3, 2))
    net = make_net(module).initialize()
    apart = [[(torch.ones(n, width), None)] for n, width in [(2, 6), (1, 6), (3, 9)]]
    for draws, data in zip(draws_apart(net, apart, []), apart, strict=True):
        expected, _ = whole_draws(net, data, [])
        assert torch.equal(draws, expected)
        assert (draws[0] != draws[1]).any()


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_sampled_is_refused(name):
    net, X = initialized(name), ZOO[name].rows(N_ROWS)
    with pytest.raises(CapabilityError, match=ZOO[name].cause):
        as_model(net).sample_proba(X, N_DRAWS, 5)


@pytest.mark.parametrize("name", ZOO)
def test_the_module_is_as_before(name):
    net, X = initialized(name), ZOO[name].rows(N_ROWS)
    module = net.module_
    state = copy.deepcopy(module.state_dict())
    kept = [_look(part) for part in module.modules()]
    if ZOO[name].expected == "refused":
        with pytest.raises(CapabilityError):
            as_model(net).sample_proba(X, 3, 0)
    else:
        as_model(net).sample_proba(X, 3, 0)
    assert [_look(part) for part in module.modules()] == kept
    for key, value in module.state_dict().items():
        assert torch.equal(value, state[key])


def _look(part):
    hooks = list(part._forward_hooks), list(part._forward_pre_hooks)
    names = {key for key in vars(part) if key not in ("last", "n_passes")}
    return part.training, hooks, names, type(part), part._compiled_call_impl


def test_a_difference_between_the_passes_is_a_warning():
    net = make_net(Alternates).initialize()
    with pytest.warns(UserWarning, match="Alternates are computed one by one"):
        as_model(net).sample_proba(vectors(N_ROWS), N_DRAWS, 5)


def test_hooks_run_in_every_draw():
    net, outputs = initialized("a layer used twice"), []
    net.module_.register_forward_hook(lambda _, x, output: outputs.append(output))
    expected = as_model(net).sample_proba(vectors(N_ROWS), N_DRAWS, 5)
    seen = torch.stack(outputs[-N_DRAWS:]).softmax(-1)
    torch.testing.assert_close(seen, expected)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sdpa", "function", "layer"])
@pytest.mark.parametrize("rates", [(0.4, 0.0), (0.4, 0.3), (0.0, 0.3)])
def test_a_report_names_what_differs(kind, rates):
    net = make_net(Bert, module__kind=kind, module__attention=rates[0])
    net.set_params(module__hidden=rates[1]).initialize()
    report = check_posterior(net, vectors(N_ROWS))
    assert report.verdict == "sound"
    assert not report.dead
    sites = " ".join(report.sites)
    attention = "'attention.dropout'" if kind == "layer" else "'attention'"
    assert (attention in sites) == (rates[0] > 0)
    assert ("'dropout'" in sites) == (rates[1] > 0)
    assert len(report.sites) == sum(rate > 0 for rate in rates)


@pytest.mark.slow
def test_a_report_names_dropout_that_changes_nothing():
    class Dead(nn.Module):
        def __init__(self):
            super().__init__()
            self.live, self.idle, self.late = (nn.Dropout(0.5) for _ in range(3))
            self.out = nn.Linear(6, 3)

        def forward(self, x):
            return self.out(self.live(x)) + self.late(x * 0).sum()

    net = make_net(Dead).initialize()
    report = check_posterior(net, vectors(N_ROWS))
    assert report.sites == ("Dropout(p=0.5) 'live'",)
    assert report.dead == (
        "Dropout(p=0.5) 'idle' does not run",
        "Dropout(p=0.5) 'late' changes nothing",
    )
    assert "'late' changes nothing" in repr(report)


@pytest.mark.slow
@pytest.mark.parametrize("kind", [dict, SliceDict])
def test_a_report_on_a_net_of_several_inputs(kind):
    net = initialized("dict inputs")
    report = check_posterior(net, kind(**dictionary(N_ROWS)))
    assert report.verdict == "sound"
    assert report.sites == ("Dropout(p=0.4) 'drop'",)
