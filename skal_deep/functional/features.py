"""Gradients of the last layer as features of fixed length."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import pad

from skal_deep._modes import plain_torch
from skal_deep.functional._checks import (
    check_counts,
    check_finite,
    own_generator,
)
from skal_deep.functional.gradients import errors_of_likeliest


@plain_torch()
def last_layer_features(
    probas: Tensor | None,
    embeddings: Tensor,
    n_features: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return features whose inner products are those of last-layer gradients.

    With probabilities, the gradient is that of the cross-entropy of the most probable
    label, ``(p - onehot(argmax p)) (x) [h, 1]``, as in Badge. Without, it is that of
    an output of a regression net, ``[h, 1]``. The constant stands for the bias.

    Parameters
    ----------
    probas : Tensor of shape (N, C) or None
        Class probabilities p; ``None`` for regression.
    embeddings : Tensor of shape (N, D)
        Inputs h of the last layer.
    n_features : int
        Longest features that are wanted; longer gradients are sketched.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.

    Returns
    -------
    Tensor of shape (N, n_features) or less
        Features, see :func:`sketched_outer`.

    See Also
    --------
    lcmd : Chooses by such features.
    max_det : So does this.

    References
    ----------
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and Benchmark for
    Deep Batch Active Learning for Regression. JMLR, 2023.

    Examples
    --------
    >>> import torch
    >>> from skal_deep.functional import last_layer_features
    >>> probas = torch.tensor([[0.9, 0.1], [0.6, 0.4]])
    >>> last_layer_features(probas, torch.ones(2, 3), 4).shape
    torch.Size([2, 4])
    """
    check_counts(n_features=n_features)
    check_finite(embeddings=embeddings)
    with_bias_ND = pad(embeddings, (0, 1), value=1.0)
    if probas is None:
        slope_NC = embeddings.new_ones(len(embeddings), 1)
    else:
        check_finite(probas=probas)
        slope_NC = errors_of_likeliest(probas).to(embeddings.dtype)
    return sketched_outer([(slope_NC, with_bias_ND)], n_features, generator)


def sketched_outer(
    factors: Sequence[tuple[Tensor, Tensor]],
    n_features: int,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Return outer products of rows, sketched where they are too long.

    The products of several pairs of factors, as of the layers of a net, stand side by
    side. Inner products of rows are then ``sum_l (a_l . a_l')(h_l . h_l')`` over pairs
    l.

    A sketch of p features is ``sum_l (S_l a_l) * (T_l h_l) / sqrt(p)`` with random
    signs in S and T, the products taken element by element. Inner products of sketches
    have the same expected value and a relative error of the order ``1 / sqrt(p)``; the
    outer products of length ``sum_l A_l D_l`` are never formed. The paper draws normal
    numbers; signs have the same expected value and less variance. Equal generators
    give equal S and T, so that rows may be sketched in parts. Time
    ``N p sum_l (A_l + D_l)``, memory ``3 N p``.

    Parameters
    ----------
    factors : sequence of pairs of Tensors of shapes (N, A_l) and (N, D_l)
        First factors a and second factors h. Of shapes (N, ..., A_l) and
        (N, ..., D_l), their products are summed over the axes between.
    n_features : int
        Number p of features of a sketch. Outer products of at most that length are
        returned as they are.
    generator : torch.Generator, optional
        Source of randomness; ``None`` is a fresh one.

    Returns
    -------
    features : Tensor of shape (N, min(sum_l A_l * D_l, n_features))
        Features.

    References
    ----------
    D. Holzmüller, V. Zaverkin, J. Kästner, I. Steinwart. A Framework and Benchmark for
    Deep Batch Active Learning for Regression. JMLR, 2023.
    """
    pairs = [
        tuple(rows.reshape(len(rows), -1, rows.shape[-1]) for rows in pair)
        for pair in factors
    ]
    n_products = sum(left.shape[-1] * right.shape[-1] for left, right in pairs)
    if n_products <= n_features:
        products = [_outer(left, right).flatten(1) for left, right in pairs]
        return products[0] if len(products) == 1 else torch.cat(products, 1)
    generator = own_generator(generator)
    features_NP = pairs[0][0].new_zeros(len(pairs[0][0]), n_features)
    for left_NTA, right_NTD in pairs:
        sketch_NTP = left_NTA @ _signs(left_NTA, n_features, generator)
        sketch_NTP *= right_NTD @ _signs(right_NTD, n_features, generator)
        features_NP += sketch_NTP.sum(1)
    return features_NP.mul_(n_features**-0.5)


def _outer(left_NTA: Tensor, right_NTD: Tensor) -> Tensor:
    """Return outer products of rows, (N, A, D), summed over the axis between."""
    is_single = left_NTA.shape[1] == 1
    return left_NTA.mT * right_NTD if is_single else left_NTA.mT @ right_NTD


def _signs(rows: Tensor, n_features: int, generator: torch.Generator) -> Tensor:
    """Return a matrix of random signs that rows can be multiplied with."""
    bits = torch.randint(2, (rows.shape[-1], n_features), generator=generator)
    return (2 * bits - 1).to(rows)
