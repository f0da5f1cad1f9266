"""Embeddings and their clusters, as several strategies use them."""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

from skal_deep._threads import for_each_part
from skal_deep.functional import (
    average_linkage,
    nearest_centers,
    nearest_distinct,
    purity_radius,
    unit_rows,
)
from skal_deep.functional._k_means import k_means
from skal_deep.functional.rounds import halve, linkage_of_part
from skal_deep.pool._pool import Pool
from skal_deep.pool._rows import Rows

# Of up to so many rows each is compared with each; of more, as many with each as make
# so many pairs, but no fewer than that.
_MOST_ROWS, _MOST_PAIRS, _LEAST_ROWS = 20_000, 200_000_000, 2_000
# Balls that show a radius in larger pools: their share of pure ones is off by 0.7 %.
_N_BALLS = 1_000
# Rows of which all distances are held at once: 100 MiB.
_MOST_LINKED = 5_000
# More rows are linked in parts of at most this many.
_MOST_IN_PART = 1_000


def features(pool: Pool, normalize: bool) -> tuple[Tensor, Tensor]:
    """Return embeddings of the candidates (N, D), and of all data (M, D).

    Of the data, the labelled rows come first.

    Parameters
    ----------
    pool : Pool
        What the query may look at.
    normalize : bool
        Whether to scale rows to unit length.
    """
    data_MD = pool.embed_data()
    if normalize:
        data_MD = unit_rows(data_MD)
    if pool.is_population and len(pool.unlabeled):
        return data_MD[len(pool.labeled) :], data_MD
    points_ND = pool.embed()
    return unit_rows(points_ND) if normalize else points_ND, data_MD


def sample_rows(n: int, max_rows: int | None, generator: torch.Generator) -> Tensor:
    """Return all of n rows, or so many drawn uniformly if there are more.

    They are in order.

    Parameters
    ----------
    n : int
        Number of rows.
    max_rows : int or None
        Most that are returned; ``None`` are all of up to 20,000 rows, and 2e8 / n of
        more, but at least 2,000: n rows can then be compared with each in seconds.
    generator : torch.Generator
        Source of the draws; with few rows it is left alone.
    """
    if max_rows is None:
        max_rows = n if n <= _MOST_ROWS else max(_LEAST_ROWS, _MOST_PAIRS // n)
    if n <= max_rows:
        return torch.arange(n)
    return torch.randperm(n, generator=generator)[:max_rows].sort().values


def linkage_clusters(pool: Pool, cluster_size: int, wanted_M: Tensor) -> Tensor:
    """Return the cluster of each row of the data, by average linkage.

    They are in the order of :meth:`Pool.embed_data`.

    Large data are halved until the parts are small enough, and each is linked by
    itself. A part without a row that is asked about is one cluster.

    Parameters
    ----------
    pool : Pool
        What the query may look at.
    cluster_size : int
        Mean number of rows of a cluster.
    wanted_M : Tensor of shape (M,)
        Which rows of the data are asked about.
    """
    data_MD = pool.embed_data()
    is_small = len(data_MD) <= _MOST_LINKED
    most, link = len(data_MD), average_linkage
    if not is_small:
        most, link = _MOST_IN_PART, linkage_of_part
    parts = halve(data_MD, most, None if is_small else wanted_M)
    clusters = [torch.zeros(len(part), dtype=torch.long) for part in parts]

    def work_on(number: int) -> None:
        part = parts[number]
        n_wanted = max(1, len(part) // cluster_size)
        if is_small or (wanted_M[part].any() and len(part) > 1):
            clusters[number] = link(data_MD[part], n_wanted).cpu()

    for_each_part(range(len(parts)), lambda: work_on, data_MD.device)
    cluster_M, n_clusters = torch.zeros(len(data_MD), dtype=torch.long), 0
    for part, cluster_P in zip(parts, clusters, strict=True):
        cluster_M[part.cpu()] = cluster_P + n_clusters
        n_clusters += int(cluster_P.max()) + 1
    return cluster_M.to(data_MD.device)


def representatives(
    pool: Pool, chosen_N: Tensor, chosen_U: Tensor, batch_size: int
) -> tuple[Tensor, Tensor]:
    """Return the candidates closest to centres of chosen rows, and utilities.

    Directions of chosen rows are grouped into as many clusters as there are picks,
    those of all rows if none is chosen. Utilities are minus the distances to the
    centre, less 2 for candidates that are not chosen: no two rows of unit length are
    farther apart, so these come last.

    Parameters
    ----------
    pool : Pool
        What the query may look at.
    chosen_N : Tensor of shape (N,)
        Which candidates are chosen.
    chosen_U : Tensor of shape (U,)
        Which rows of the population are chosen.
    batch_size : int
        Number of picks.
    """
    rows_ND = unit_rows(pool.embed())
    rows_UD = rows_ND
    if pool.population.embed() is not pool.embed():
        rows_UD = unit_rows(pool.population.embed())
    grouped = rows_UD[chosen_U] if chosen_U.any() else rows_UD
    centroids_KD = k_means(grouped, batch_size, pool.generator)
    handicap_N = torch.where(chosen_N, 0.0, 2.0).to(rows_ND)
    return nearest_distinct(
        rows_ND,
        centroids_KD,
        batch_size,
        handicaps=handicap_N,
        with_utilities=pool.with_utilities,
    )


def most_uncertain(
    pool: Pool, score: Callable[[Rows], Tensor], n_rows: int
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """Return which candidates, and which of the population, are most uncertain.

    The bound is that of the population, so that a pool may be scored in parts.

    Parameters
    ----------
    pool : Pool
        What the query may look at.
    score : callable
        Scores rows, (n,); high is uncertain.
    n_rows : int
        How many of the population to choose; more where scores tie.

    Returns
    -------
    chosen_N : Tensor of shape (N,)
        Which candidates.
    of_population : tuple of Tensor
        Which of the population (U,), and its scores (U,).
    """
    score_U = score(pool.population)
    bound = score_U.topk(min(n_rows, len(score_U))).values[-1]
    score_N = score_U if pool.is_population else score(pool)
    return score_N >= bound, (score_U >= bound, score_U)


def radius_by_clusters(
    name: str,
    pool: Pool,
    data_MD: Tensor,
    n_classes: int | None = None,
    purity: float = 0.95,
    max_data: int | None = None,
) -> float:
    """Return the largest radius at which most balls hold rows of one cluster.

    Parameters
    ----------
    name : str
        Who asks, for the message.
    pool : Pool
        Knows the number of classes, and has the generator of k-means.
    data_MD : Tensor of shape (M, D)
        Embeddings.
    n_classes : int, optional
        Number of clusters; the default is that of the classes.
    purity : float, default=0.95
        Smallest share of such balls.
    max_data : int, default=None
        Most balls that are looked at; ``None`` are all of up to 20,000 rows, 1,000 of
        more.
    """
    n_classes = n_classes or pool.n_classes
    if n_classes < 2:
        warnings.warn(
            f"{name} chooses its radius by clusters that stand for classes, and knows "
            f"of {n_classes} so far: it takes 2. Pass n_classes, or the radius.",
            stacklevel=4,
        )
        n_classes = 2
    n_balls = max_data
    if max_data is None:
        n_balls = len(data_MD) if len(data_MD) <= _MOST_ROWS else _N_BALLS
    rows = sample_rows(len(data_MD), n_balls, pool.generator).to(data_MD.device)
    is_drawn = max_data is not None and len(rows) < len(data_MD)
    some_SD = data_MD[rows] if is_drawn else data_MD
    centroids_KD = k_means(some_SD, n_classes, pool.generator)
    cluster_M = nearest_centers(data_MD, centroids_KD)[1]
    return purity_radius(data_MD, cluster_M, purity, rows)
