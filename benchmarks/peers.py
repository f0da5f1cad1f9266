"""The same kernels as other packages and papers' authors have them.

Each function returns a call that gives the answer in our form, or raises ImportError
where the peer is not installed. Peers are never dependencies.
"""

import ast
import os
from pathlib import Path

import numpy as np


def authors(file, *names):
    """Return functions of the code that the authors of Badge and Bait published.

    ``SKAL_DEEP_BADGE`` names a folder with it. Functions are taken one by one, since
    the files import what none of them needs, and run on the CPU.
    """
    import torch
    from scipy import stats

    folder = os.environ.get("SKAL_DEEP_BADGE")
    if not folder:
        raise ImportError("SKAL_DEEP_BADGE is not set.")
    text = (Path(folder) / "query_strategies" / file).read_text()
    tree = ast.parse(text.replace(".cuda()", ""))
    tree.body = [n for n in tree.body if isinstance(n, ast.FunctionDef)]
    space = {"np": np, "torch": torch, "stats": stats, "gc": __import__("gc")}
    space["print"] = lambda *_, **__: None
    exec(compile(tree, file, "exec"), space)
    return [space[name] for name in names]


class GivenAnswers:
    """A classifier of scikit-activeml's that answers with given arrays."""

    def __new__(cls, proba, embeddings):
        """Return the classifier."""
        from skactiveml.classifier import ParzenWindowClassifier

        class Given(ParzenWindowClassifier):
            def predict_proba(self, X, return_embeddings=False):
                rows = np.asarray(X)[:, 0].astype(int)
                answers = proba[rows], embeddings[rows]
                return answers if return_embeddings else answers[0]

        clf = Given(classes=range(proba.shape[1]))
        clf.classes_ = np.arange(proba.shape[1])
        return clf


def bald_scikit_activeml(samples, _):  # noqa: D103
    from skactiveml.pool._bald import batch_bald

    return lambda: batch_bald(samples, batch_size=1)[0]


def bald_baal(samples, _):  # noqa: D103
    from baal.active.heuristics import BALD

    samples = samples.transpose(1, 2, 0)
    return lambda: BALD().get_uncertainties(samples)


def bald_batchbald_redux(samples, _):  # noqa: D103
    import torch
    from batchbald_redux.batchbald import compute_conditional_entropy, compute_entropy

    samples = torch.from_numpy(samples.swapaxes(0, 1)).log()

    def call():
        scores = compute_entropy(samples) - compute_conditional_entropy(samples)
        return scores.numpy()

    return call


def batch_bald_scikit_activeml(samples, size):  # noqa: D103
    from skactiveml.pool._bald import batch_bald

    return lambda: np.nanargmax(
        batch_bald(samples, size["b"], n_MC_samples=size["m"], random_state=0), axis=1
    )


def batch_bald_baal(samples, size):  # noqa: D103
    from baal.active.heuristics import BatchBALD

    samples = samples.transpose(1, 2, 0)
    n_draws = size["m"] // size["s"]
    # its scores are not in the order of its picks
    return lambda: BatchBALD(size["b"], n_draws).get_ranks(samples)[0][: size["b"]]


def batch_bald_batchbald_redux(samples, size):  # noqa: D103
    import torch
    from batchbald_redux.batchbald import get_batchbald_batch

    samples = torch.from_numpy(samples.swapaxes(0, 1)).log()
    return lambda: get_batchbald_batch(samples, size["b"], size["m"]).indices


def badge_scikit_activeml(proba, embeddings, size):  # noqa: D103
    from skactiveml.pool import Badge

    clf, y = GivenAnswers(proba, embeddings), np.full(size["n"], np.nan)
    rows = np.arange(size["n"], dtype=float)[:, None]
    strategy = Badge(clf_embedding_flag_name="return_embeddings", random_state=0)
    return lambda: strategy.query(rows, y, clf, fit_clf=False, batch_size=size["b"])


def badge_authors(proba, embeddings, size):  # noqa: D103
    init_centers = authors("badge_sampling.py", "init_centers", "distance")[0]
    error = np.eye(proba.shape[1], dtype=proba.dtype)[proba.argmax(1)] - proba

    def call():
        norms = [(a, np.sum(a**2, axis=-1)) for a in (error, embeddings)]
        state = set(), [], None, None
        for _ in range(size["b"]):
            state = init_centers(*norms, *state)
        return state[1]

    return call


def badge_distil(proba, embeddings, size):  # noqa: D103
    from distil.active_learning_strategies.badge import init_centers

    error = np.eye(proba.shape[1], dtype=proba.dtype)[proba.argmax(1)] - proba

    def call():
        gradients = (error[:, :, None] * embeddings[:, None]).reshape(len(proba), -1)
        return init_centers(gradients, size["b"], "cpu")

    return call


def core_set_scikit_activeml(points, size):  # noqa: D103
    from skactiveml.pool import CoreSet

    y, k = np.full(size["n"], np.nan), size["labeled"]
    y[:k] = 0
    return lambda: CoreSet(random_state=0).query(points, y, batch_size=size["b"]) - k


def core_set_small_text(points, size):  # noqa: D103
    from small_text.query_strategies.coresets import greedy_coreset

    k = size["labeled"]
    rows = np.arange(k, len(points)), np.arange(k)
    return lambda: greedy_coreset(points, *rows, size["b"], "euclidean", 10_000)


def core_set_distil(points, size):  # noqa: D103
    from distil.active_learning_strategies.core_set import CoreSet

    k = size["labeled"]
    return lambda: CoreSet.furthest_first(None, points[k:], points[:k], size["b"])


def bait_authors(proba, embeddings, size):  # noqa: D103
    import torch

    [select] = authors("bait_sampling.py", "select")
    k = size["labeled"]
    proba, embeddings = torch.from_numpy(proba), torch.from_numpy(embeddings)

    def call():
        error = torch.eye(proba.shape[1]) - proba[:, None]
        gradients = torch.einsum("ny,nyc,nd->nycd", proba.sqrt(), error, embeddings)
        gradients = gradients.flatten(2)
        rows = gradients.flatten(0, 1)
        fisher = rows.T @ rows / len(proba)
        known = rows[: k * proba.shape[1]]
        known = known.T @ known / k
        return select(gradients[k:], size["b"], fisher, known, 1, k)

    return call


def dropout_plain(net, x, size):
    """Return a call of as many whole passes, each row with a mask of its own."""
    import torch

    def call():
        with torch.no_grad():
            for module in net.modules():
                module.train(isinstance(module, torch.nn.modules.dropout._DropoutNd))
            return torch.stack([net(x).softmax(-1) for _ in range(size["s"])]).numpy()

    return call


def dropout_baal(net, x, size):  # noqa: D103
    import copy

    import torch
    from baal.bayesian.caching_utils import MCCachingModule
    from baal.bayesian.dropout import MCDropoutModule

    cached = MCCachingModule(MCDropoutModule(copy.deepcopy(net)).eval()).eval()

    def call():
        with torch.no_grad():
            draws = [cached(x).softmax(-1) for _ in range(size["s"])]
            return torch.stack(draws).numpy()

    return call


def bmdal_reg(method, points, size):
    """Return a selection method of bmdal-reg, labelled points among the centres."""
    import torch

    np.Inf = np.inf  # noqa: NPY201 (the package uses what numpy 2 has not)
    from bmdal_reg.bmdal import selection
    from bmdal_reg.bmdal.feature_data import TensorFeatureData
    from bmdal_reg.bmdal.feature_maps import IdentityFeatureMap
    from bmdal_reg.bmdal.features import Features

    k = size["labeled"]
    labeled, pool = (
        Features(IdentityFeatureMap(part.shape[1]), TensorFeatureData(part))
        for part in map(torch.from_numpy, (points[:k], points[k:]))
    )

    def call():
        chosen = getattr(selection, method)(
            pool_features=pool, train_features=labeled, verbosity=0
        )
        return chosen.select(size["b"])

    return call


def core_set_bmdal_reg(points, size):  # noqa: D103
    return bmdal_reg("MaxDistSelectionMethod", points, size)


def lcmd_bmdal_reg(points, size):  # noqa: D103
    return bmdal_reg("LargestClusterMaxDistSelectionMethod", points, size)


def predict_skorch(module, x, _):  # noqa: D103
    from benchmarks._net import make_net

    net = make_net(module).initialize()
    return lambda: net.predict_proba(x.numpy())


PEERS = {
    "bald": {
        "scikit-activeml": bald_scikit_activeml,
        "baal": bald_baal,
        "batchbald-redux": bald_batchbald_redux,
    },
    "badge": {
        "scikit-activeml": badge_scikit_activeml,
        "authors' code": badge_authors,
        "DISTIL": badge_distil,
    },
    "core-set": {
        "scikit-activeml": core_set_scikit_activeml,
        "small-text": core_set_small_text,
        "DISTIL": core_set_distil,
        "bmdal-reg": core_set_bmdal_reg,
    },
    "lcmd": {"bmdal-reg": lcmd_bmdal_reg},
    "batch-bald": {
        "scikit-activeml": batch_bald_scikit_activeml,
        "baal": batch_bald_baal,
        "batchbald-redux": batch_bald_batchbald_redux,
    },
    "bait": {"authors' code": bait_authors},
    "mc-dropout": {"plain passes": dropout_plain, "baal, cached": dropout_baal},
    "predict": {"skorch": predict_skorch},
}
