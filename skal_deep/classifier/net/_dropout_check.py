"""Whether the dropout of a net is a posterior, site by site."""

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from skorch import NeuralNet
from skorch.dataset import get_len
from skorch.utils import multi_indexing
from torch import Tensor
from torch.nn.modules.dropout import _DropoutNd

from skal_deep.classifier.net._answers import predicts_by_skorch
from skal_deep.classifier.net._batches import N_SHOWN_ROWS, batches
from skal_deep.classifier.net._compiled import eager_net
from skal_deep.classifier.net._dropout_draws import (
    attention_parts,
    draws_apart,
    dropout_proba,
    run_whole,
    whole_draws,
    whole_prediction,
)
from skal_deep.classifier.net._plain_chain import plain_layers
from skal_deep.exceptions import CapabilityError
from skal_deep.modules import eval_mode, isolated_rng
from skal_deep.modules._chain import steps_from_dropout
from skal_deep.modules._dropout import (
    dropout_layers,
    dropout_sites,
    unreachable_dropout,
)
from skal_deep.modules._hidden import RandomSite, parts_that_may_hide, random_pass
from skal_deep.modules._hooks import as_before
from skal_deep.modules._prefix import SharedPrefix

# The largest number of draws that are looked at before a posterior is called dead:
# with p = 0.01 and ten units, 64 draws are all alike once in 600.
_N_PROBE_DRAWS = 64
# Equal rows in mini-batches of other sizes differ by round-off.
_ROUND_OFF = 1e-4


def check_dropout(net: NeuralNet, X: Any) -> None:
    """Raise unless the dropout of a net is a posterior: active, found and coupled.

    Parameters
    ----------
    net : skorch.NeuralNet
        A fitted net.
    X : array-like or dict of array-like
        Some rows; the first 16 count.

    Raises
    ------
    CapabilityError
        If draws are all alike, if some dropout cannot be sampled, or if the draws of a
        row depend on other rows. The message names the likely cause.
    """
    net = eager_net(net)
    module, name = net.module_, type(net.module_).__name__
    if hidden := unreachable_dropout(module):
        raise CapabilityError(
            f"{name} has dropout that cannot be sampled: " + "; ".join(hidden) + "."
        )
    n_rows = min(get_len(X), N_SHOWN_ROWS)
    with eval_mode(module):
        module.train(False)  # as skorch does
        on = [part for part, layer in dropout_layers(module).items() if layer.training]
    if on:
        raise CapabilityError(
            f"{name} leaves dropout layers on in predictions, where rows and "
            f"mini-batches get masks of their own: {', '.join(map(repr, on))}. Let "
            "train(False) switch them off."
        )
    if not n_rows:
        _require_sites(name, list(dropout_layers(module)))
        return
    X = multi_indexing(X, slice(n_rows))
    with isolated_rng():
        data = list(batches(net, X))
        if len(data) == 1 and plain_layers(net) is not None:
            # nothing can be hidden, and no row sees another
            _require_sites(name, list(dropout_layers(module)))
            _draws_that_differ(net, X, data)
            return
        attention, ran_in_training = _look_for_hidden(net, data)
        _require_sites(name, [*dropout_layers(module), *attention])
        proba_SNC = _draws_that_differ(net, X, data)
        # The first rows stand in these mini-batches twice. Masks of their own, one for
        # each row, would make the two answers differ.
        first_SNC = proba_SNC[:, : min(4, n_rows)]
        again_SNC = proba_SNC[:, n_rows:]
        if not torch.allclose(first_SNC, again_SNC, atol=_ROUND_OFF):
            raise CapabilityError(
                f"Equal rows get different dropout masks in {name}, so a draw is not "
                "one network for all rows. Keep the rows on the first axis "
                "(batch_first=True)."
            )
        is_once = _require_rows(net, X, data)
        together, used = whole_draws(net, data, attention)
        if idle := ran_in_training & dropout_layers(module).keys() - used:
            raise CapabilityError(
                f"{name} runs dropout layers in training only, so that they cannot be "
                f"sampled: {', '.join(map(repr, sorted(idle)))}. Call them always: "
                "dropout layers are off in predictions by themselves."
            )
        if attention or not (is_once and _drops_in_a_chain(net)):
            _check_rows_apart(net, X, data, attention, together)


def live_dropout(net: NeuralNet, X: Any) -> tuple[list[str], list[str]]:
    """Describe which dropout changes predictions, and which does not.

    Each site is switched on alone, for some rows.

    Returns
    -------
    live : list of str
        What differs from draw to draw.
    dead : list of str
        Dropout with p > 0 that changes nothing, and why.
    """
    net = eager_net(net)
    module = net.module_
    with isolated_rng():
        data = list(batches(net, multi_indexing(X, slice(N_SHOWN_ROWS))))
        attention = attention_parts(net, data)
        _, used = whole_draws(net, data, attention)
        words = dict(zip(dropout_layers(module), dropout_sites(module), strict=True))
        words |= {
            part: f"attention of {type(module.get_submodule(part)).__name__} {part!r}"
            for part in attention
        }
        live, dead = [], []
        for name, site in words.items():
            if name not in used:
                holder = name.rpartition(".")[0]
                if holder not in attention:  # else the attention takes its p from it
                    dead.append(f"{site} does not run")
            elif any(
                _differ(whole_draws(net, data, attention, n, name)[0])
                for n in (2, _N_PROBE_DRAWS)
            ):
                live.append(site)
            else:
                dead.append(f"{site} changes nothing")
    return live, dead


def _require_sites(name: str, sites: list[str]) -> None:
    if not sites:
        raise CapabilityError(
            f"{name} has no dropout layer with p > 0, so all Monte Carlo samples would "
            "be equal. Add nn.Dropout to the module, or use DeepEnsembleClassifier."
        )


def _look_for_hidden(net: NeuralNet, data: list[Any]) -> tuple[list[str], set[str]]:
    """Refuse dropout without a layer, but for that of attention.

    Returns
    -------
    attention : list of str
        Names of the parts that drop attention by functions.
    ran : set of str
        Names of the parts that run in training.
    """
    module, name = net.module_, type(net.module_).__name__

    def run() -> Tensor:
        return run_whole(net, data)

    seen, expected = random_pass(module, run)
    if seen.sites:
        raise CapabilityError(
            f"{name} draws random numbers in predictions: {_in_words(seen.sites)}. "
            "Rows and mini-batches would get masks of their own. Use nn.Dropout layers "
            "instead, which are off in predictions by themselves."
        )
    parts = parts_that_may_hide(module)
    try:
        seen, trained = random_pass(module, run, parts)
    except Exception as error:  # whatever its train mode asks for
        warnings.warn(
            f"{name} does not run in train mode on {len(expected)} rows ({error}): "
            "dropout without a layer of its own would be neither found nor sampled.",
            stacklevel=2,
        )
        return [], set()
    if others := [site for site in seen.sites if not site.of_attention]:
        raise CapabilityError(
            f"{name} drops by code of its own, which is off in predictions: "
            f"{_in_words(others)}. Use nn.Dropout layers instead; noise other "
            "than dropout belongs in a data set."
        )
    # No random function of torch was seen, but two passes may still differ: noise can
    # come from elsewhere, from NumPy for example. The second condition leaves out
    # modules that differ from pass to pass without dropout, too: that is the user's.
    if not _near(random_pass(module, run, parts)[1], trained) and _near(
        whole_prediction(net, data), expected
    ):
        raise CapabilityError(
            f"{name} gives other outputs in each pass in train mode: it drops by code "
            "of its own, which is off in predictions. Use nn.Dropout layers instead."
        )
    attention = list(dict.fromkeys(site.part for site in seen.sites))
    if attention:
        owners = [module.get_submodule(part) for part in attention]
        _, output = random_pass(module, run, owners)
        if not _near(output, expected):
            raise CapabilityError(
                f"{name} drops attention by functions in {', '.join(attention)}, where "
                "train mode changes more than dropout, so it cannot be sampled. Use "
                "nn.Dropout layers instead."
            )
    return attention, seen.ran


def _in_words(sites: Any) -> str:
    return ", ".join(
        f"{site.what} in {site.part or 'its forward'!r}" for site in _once(sites)
    )


def _once(sites: Any) -> Iterator[RandomSite]:
    """Yield sites; one without a known function only if its part has no other."""
    known = {site.part for site in sites if site.what != "random numbers"}
    for site in sites:
        if site.what != "random numbers" or site.part not in known:
            yield site


def _draws_that_differ(net: NeuralNet, X: Any, data: list[Any]) -> Tensor:
    """Return draws (S, N + 4, C) for rows and the first of them again."""
    n_rows = get_len(X)
    again = multi_indexing(X, np.r_[0:n_rows, 0 : min(4, n_rows)])
    # Two draws differ almost always. The many are made only where p is so small, or the
    # posterior so dead, that two are equal.
    for n_draws in (2, _N_PROBE_DRAWS):
        proba_SNC = dropout_proba(net, again, n_draws, seed=0)
        if _differ(proba_SNC):
            return proba_SNC
    name, draws = type(net.module_).__name__, f"{_N_PROBE_DRAWS} Monte Carlo samples"
    if not _reaches_dropout(net, data):
        cause = (
            f"All that they get is zero on {n_rows} rows: the ReLUs before them have "
            "died. Scale the inputs (for example by StandardScaler) or lower `net__lr`."
        )
    elif _differ(whole_draws(net, data, [], _N_PROBE_DRAWS)[0]):
        cause = (
            "The outputs of the module differ, but all its probabilities are 0 or 1. "
            "Scale the inputs (for example by StandardScaler) or lower `net__lr`."
        )
    else:
        cause = (
            "Do they run in `forward`? Have the ReLUs after them died? Then scale the "
            "inputs (for example by StandardScaler) or lower `net__lr`."
        )
    raise CapabilityError(
        f"The dropout layers of {name} change nothing: {draws} are equal. {cause}"
    )


def _reaches_dropout(net: NeuralNet, data: list[Any]) -> bool:
    """Return whether any dropout layer gets anything but zeros, or none runs."""
    got: list[bool] = []
    _look_at_dropout(net, data, lambda _, x: got.append(bool(x.any())))
    return any(got) or not got


def _require_rows(net: NeuralNet, X: Any, data: list[Any]) -> bool:
    """Refuse dropout of what has no rows: its first axis would share a mask.

    Returns
    -------
    is_once : bool
        Whether each dropout layer got all rows, and got one row that was alone, once.
    """
    together = _rows_at_dropout(net, data)
    alone = _rows_at_dropout(net, list(batches(net, multi_indexing(X, slice(1)))))
    for layer, counts in together.items():
        if get_len(X) > 1 and set(counts) == set(alone.get(layer, ())) != {1}:
            raise CapabilityError(
                f"The dropout layer {layer!r} of {type(net.module_).__name__} drops "
                f"what has no rows: its first axis has length {min(counts)} for 1 row "
                f"and for {get_len(X)}, and a mask is shared along the first axis. Let "
                "that axis be of length 1 (x[None]); for weights use "
                "skal_deep.modules.DropConnectLinear."
            )
    names = dropout_layers(net.module_)
    return together == {name: [get_len(X)] for name in names} and alone == {
        name: [1] for name in names
    }


def _drops_in_a_chain(net: NeuralNet) -> bool:
    """Return whether all from the first dropout on is a chain of layers, row by row.

    If each dropout layer runs once, too, a row has the same masks with all others.
    """
    module = net.module_
    if not predicts_by_skorch(net):
        return False
    with eval_mode(module):
        try:
            steps_from_dropout(module, SharedPrefix(module).trace.nodes)
        except ValueError:
            return False
    return True


def _rows_at_dropout(net: NeuralNet, data: list[Any]) -> dict[str, list[int]]:
    """Return how long the first axes are of what each dropout layer gets, each time."""
    counts: dict[str, list[int]] = {}

    def look(name: str, x: Tensor) -> None:
        counts.setdefault(name, []).append(len(x) if x.ndim else 1)

    _look_at_dropout(net, data, look)
    return counts


def _look_at_dropout(
    net: NeuralNet, data: list[Any], look: Callable[[str, Tensor], None]
) -> None:
    """Show what each dropout layer gets in a pass without dropout."""
    with as_before(net.module_), eval_mode(net.module_), torch.no_grad():
        for name, layer in dropout_layers(net.module_).items():
            if isinstance(layer, _DropoutNd):
                # its output, as a user may pass the input by name
                layer.register_forward_hook(
                    lambda _, __, output, name=name: look(name, output)
                )
        run_whole(net, data)


def _check_rows_apart(
    net: NeuralNet, X: Any, data: list[Any], attention: list[str], together: Tensor
) -> None:
    """Refuse draws in which a row depends on the rows beside it.

    A module whose rows depend on one another without dropout, too, is the user's.
    """
    name = type(net.module_).__name__
    alone = [
        list(batches(net, multi_indexing(X, slice(row, row + 1))))
        for row in range(get_len(X))
    ]
    for row, draws in enumerate(draws_apart(net, alone, attention)):
        if _near(draws[:, 0], together[:, row]):
            continue
        plain = whole_prediction(net, alone[row])[0]
        if not _near(plain, whole_prediction(net, data)[row]):
            return
        raise CapabilityError(
            f"A row gets other dropout masks in {name} alone than with others, so a "
            "draw is not one network for all rows. Is one dropout layer shared by "
            "branches that some mini-batches skip? Give each its own."
        )


def _differ(draws: Tensor) -> bool:
    """Return whether any draw differs from the first."""
    return bool((draws != draws[:1]).any())


def _near(output: Tensor, expected: Tensor) -> bool:
    """Return whether outputs are equal but for round-off."""
    share = torch.finfo(expected.dtype).eps ** 0.5
    bound = max(_ROUND_OFF, share * float(expected.abs().max()))
    return torch.allclose(output, expected, share, bound, equal_nan=True)
