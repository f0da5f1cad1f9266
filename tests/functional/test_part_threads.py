"""Work on parts by several threads is that of one, and leaves torch as it was."""

import threading
from functools import partial
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import Parallel, delayed

from skal_deep._threads import for_each_part, threads_over_parts
from skal_deep.functional import (
    _k_means,
    bait,
    bald,
    batch_bald,
    batch_epig,
    consensus_kl,
    core_mse,
    cosine_graph,
    density,
    dependence,
    epig,
    falcun,
    graphs,
    grouped_neighbors,
    ical,
    k_center,
    k_center_greedy,
    largest_cluster,
    lcmd,
    margin,
    max_herding,
    mean_std,
    nearest_centers,
    nearest_neighbors,
    propagate_labels,
    second_order_epig,
    suggestive_annotation,
    vote_entropy,
)
from skal_deep.functional._chunks import slices
from skal_deep.functional._configurations import Configurations
from skal_deep.functional._k_means import k_means
from skal_deep.functional._nearest import nearest
from skal_deep.functional.information import divergence
from skal_deep.functional.joint_entropy import _Gains
from skal_deep.functional.neighbors import group_means
from skal_deep.functional.rounds import halve, linkage_of_part
from skal_deep.pool import _features
from skal_deep.pool._features import linkage_clusters

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads():
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def in_threads(n_threads, call):
    torch.set_num_threads(n_threads)
    try:
        return call()
    finally:
        assert torch.get_num_threads() == n_threads


def samples(n_draws, n, n_classes, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(n_draws, n, n_classes, generator=generator, dtype=dtype)
    return (2 * logits).softmax(-1)


@pytest.mark.parametrize("shape", [(20, 20_001, 10), (3, 70_003, 7), (300, 900, 11)])
@pytest.mark.parametrize("n_threads", [2, 3])
def test_bald_is_that_of_one_thread_to_the_last_bit(shape, n_threads):
    given = samples(*shape)
    one, several = (in_threads(n, lambda: bald(given)) for n in (1, n_threads))
    assert torch.equal(one, several)


@pytest.mark.slow
def test_divergence_of_weights_and_slices():
    given = samples(9, 200_001, 3)[:, 1:]
    weight = torch.arange(1, 10) / 45
    one, two = (in_threads(n, lambda: divergence(weight, given)) for n in (1, 2))
    assert torch.equal(one, two)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("with_utilities", [False, True])
def test_batch_bald_is_that_of_one_thread_to_the_last_bit(with_utilities, dtype):
    given = samples(20, 300, 5, dtype)

    def call():
        generator = torch.Generator().manual_seed(0)
        return batch_bald(
            given,
            4,
            n_configurations=3000,
            generator=generator,
            with_utilities=with_utilities,
        )

    one, several = in_threads(1, call), in_threads(3, call)
    assert all(torch.equal(a, b) for a, b in zip(one, several, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("find", [nearest_neighbors, grouped_neighbors])
def test_neighbors_are_those_of_one_thread_to_the_last_bit(find, dtype):
    rows = torch.randn(1500, 9, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([rows, rows[:30], 1e4 + rows[:300]]).to(dtype)
    one, several = (in_threads(n, lambda: find(rows, rows, 7)) for n in (1, 3))
    assert all(torch.equal(a, b) for a, b in zip(one, several, strict=True))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_kernels_run_in_inference_mode(n_threads):
    source = torch.Generator().manual_seed(0)
    with torch.inference_mode():
        rows = torch.randn(900, 3, generator=source)
        given = samples(5, 900, 4)
        calls = [
            lambda: density(rows, rows, bandwidth=1.0),
            lambda: max_herding(rows, rows, rows[:2], 3, bandwidth=1.0)[1],
            lambda: nearest_neighbors(rows, rows, 3)[0],
            lambda: grouped_neighbors(rows, rows, 3)[0],
            lambda: batch_bald(given, 3, n_configurations=50)[1],
            lambda: epig(given[:, :600], given[:, 600:]),
        ]
        found = [in_threads(n_threads, call) for call in calls]
    for call, values in zip(calls, found, strict=True):
        assert torch.equal(values, call())


def linear_samples(n_draws, n, source):
    """Return draws of a linear model, of which bounds leave few candidates."""
    hidden = torch.randn(n, 8, generator=source)
    weights = torch.randn(8, 10, generator=source)
    weights = weights + 0.5 * torch.randn(n_draws, 8, 10, generator=source)
    return (hidden @ weights).softmax(-1)


@pytest.mark.parametrize("with_utilities", [False, True])
@pytest.mark.parametrize("n_exact", [None, 40])
def test_batches_of_linear_models_are_those_of_one_thread(with_utilities, n_exact):
    given = linear_samples(30, 1003, torch.Generator().manual_seed(1))
    far_apart = given.transpose(0, 1).contiguous().transpose(0, 1)

    def call(given):
        return batch_bald(
            given,
            6,
            n_configurations=4000,
            n_exact=n_exact,
            generator=torch.Generator().manual_seed(0),
            with_utilities=with_utilities,
        )

    first, *others = (
        in_threads(n, partial(call, each))
        for n, each in [(1, given), (2, given), (3, far_apart), (1, far_apart)]
    )
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(20, 700, 10), (5, 90, 60), (4, 3, 2)])
def test_epig_is_that_of_one_thread_to_the_last_bit(shape, dtype):
    given = samples(*shape, dtype)
    targets, weights = given[:, -50:], torch.arange(1.0, min(51, 1 + shape[1]))
    one, *others = (
        in_threads(n, lambda: epig(given, targets, weights)) for n in (1, 2, 3, 5)
    )
    assert all(torch.equal(one, other) for other in others)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_batch_epig_is_that_of_one_thread_to_the_last_bit(dtype):
    given = samples(10, 120, 10, dtype)

    def call():
        generator = torch.Generator().manual_seed(0)
        return batch_epig(
            given, given[:, :60], 3, n_configurations=30, generator=generator
        )

    one, *others = (in_threads(n, call) for n in (1, 2, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_draws", [6, 12])
@pytest.mark.parametrize(
    "choose", [batch_bald, lambda p, *a, **k: batch_epig(p, p[:, :20], *a, **k)]
)
def test_batches_by_the_second_order_are_those_of_one_thread(choose, n_draws, dtype):
    given = samples(n_draws, 703, 9, dtype)

    def call():
        generator = torch.Generator().manual_seed(0)
        return choose(given, 4, n_configurations=80, n_exact=20, generator=generator)

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_probes", [None, 5])
def test_ical_is_that_of_one_thread_to_the_last_bit(n_probes, dtype, monkeypatch):
    given = samples(12, 703, 5, dtype)
    monkeypatch.setattr(dependence, "chunk_elements", lambda device: 6000)

    def call():
        rows = torch.Generator().manual_seed(0)
        return ical(
            given,
            lambda n: given[:, torch.randint(703, (n,), generator=rows)],
            18,
            n_probes=n_probes,
        )

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("rows_first", [False, True])
@pytest.mark.parametrize(
    "score",
    [
        lambda p: core_mse(p, p),
        lambda p: second_order_epig(p, p),
        mean_std,
        vote_entropy,
        partial(consensus_kl, kind="max"),
    ],
)
def test_scores_hang_on_no_parts_and_threads(score, rows_first, dtype, monkeypatch):
    given = samples(12, 20_003, 5, dtype)
    if rows_first:
        given = given.transpose(0, 1).contiguous().transpose(0, 1)
    whole = in_threads(1, lambda: score(given))
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 20_000)
    one, *others = (in_threads(n, lambda: score(given)) for n in (1, 2, 3, 5))
    assert all(torch.equal(one, other) for other in others)
    torch.testing.assert_close(one, whole)


@pytest.mark.parametrize("n_classes", [2, 4])
@pytest.mark.parametrize("few_weights", [0, 1024])
def test_designs_hang_on_no_parts_and_threads(n_classes, few_weights, monkeypatch):
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(203, 6, generator=generator, dtype=torch.float64)
    given = samples(1, 203, n_classes, torch.float64)[0]

    def call():
        return bait(given[20:], hidden[20:], given[:20], hidden[:20], 5)

    one = in_threads(1, call)
    monkeypatch.setattr("skal_deep.functional._design._NUMBERS_OF_A_PART", 400)
    monkeypatch.setattr("skal_deep.functional._design._FEW_WEIGHTS", few_weights)
    for n_threads in (1, 2, 3):
        several = in_threads(n_threads, call)
        assert torch.equal(one[0], several[0])
        torch.testing.assert_close(one[1], several[1], rtol=1e-9, atol=0)


@pytest.mark.slow
@pytest.mark.parametrize("n_classes", [2, 10])
def test_bait_is_that_of_one_thread_to_the_last_bit(n_classes):
    """Of float32, in products that BLAS would share among its threads, too."""
    hidden = torch.randn(2500, 64, generator=torch.Generator().manual_seed(0))
    given = samples(1, 2500, n_classes)[0]

    def call():
        return bait(given[500:], hidden[500:], given[:500], hidden[:500], 3)

    one, *others = (in_threads(n, call) for n in (1, 2, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_centers", [0, 1, 300])
@pytest.mark.parametrize("with_utilities", [False, True])
def test_lcmd_is_that_of_one_thread_to_the_last_bit(
    dtype, n_centers, with_utilities, monkeypatch
):
    rows = torch.randn(2300, 9, generator=torch.Generator().manual_seed(0))
    rows = torch.cat([rows, rows[:30], 1e4 + rows[:300]]).to(dtype)
    monkeypatch.setattr(largest_cluster, "_NUMBERS_OF_A_PART", 1500)

    def call():
        return lcmd(
            rows[n_centers:],
            rows[:n_centers],
            20,
            mass=rows[::2] if n_centers == 1 else None,
            with_utilities=with_utilities,
        )

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture
def _small_parts(monkeypatch):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 4000)
    monkeypatch.setattr("skal_deep.functional._nearest._NUMBERS_OF_A_PART", 2000)
    monkeypatch.setattr("skal_deep.functional.neighbors._NUMBERS_OF_A_PART", 2000)
    monkeypatch.setattr("skal_deep.functional.neighbors._LEAST_COLUMNS", 2)
    monkeypatch.setattr("skal_deep.functional._k_means._NUMBERS_OF_A_PART", 2000)
    monkeypatch.setattr("skal_deep.functional._k_means._LEAST_ROWS", 50)


def grouped_rows(dtype):
    """Return rows of clusters, copies of some, and some that are far away."""
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(1500, 9, generator=source)
    rows += 4 * torch.randn(12, 9, generator=source).repeat(125, 1)
    return torch.cat([rows, rows[:30], 1e4 + rows[:300]]).to(dtype)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_centers", [0, 3, 300])
@pytest.mark.parametrize("with_utilities", [False, True])
def test_core_set_is_that_of_one_thread_to_the_last_bit(
    dtype, n_centers, with_utilities, monkeypatch
):
    monkeypatch.setattr(k_center, "_FEW_NUMBERS", 0)
    rows, n_inside = grouped_rows(dtype), set()

    def counted(*given):
        n_inside.add(torch.get_num_threads())
        return nearest(*given)

    def call():
        given = rows[n_centers:], rows[:n_centers], 20
        return k_center_greedy(*given, with_utilities=with_utilities)

    one = in_threads(1, call)
    monkeypatch.setattr(k_center, "nearest", counted)
    for n_threads in (2, 3, 5):
        other = in_threads(n_threads, call)
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert n_inside == {1}


@pytest.mark.usefixtures("_small_parts")
def test_neighbors_by_differences_are_those_of_one_thread():
    near = torch.randn(300, 3, generator=torch.Generator().manual_seed(0)).double()
    rows = torch.cat([1e9 + near, -1e9 + near])  # products have no digits of these
    one, *others = (
        in_threads(n, lambda: nearest_neighbors(rows, rows, 4)) for n in (1, 2, 3, 5)
    )
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    everyone = rows[:, None] - rows
    expected = everyone.square().sum(-1).sqrt().topk(4, largest=False).values
    torch.testing.assert_close(one[0], expected.sort().values)


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_candidates", [9, 300])  # as many as features, and more
@pytest.mark.parametrize("with_utilities", [False, True])
def test_representation_is_that_of_one_thread_to_the_last_bit(
    dtype, n_candidates, with_utilities
):
    rows = grouped_rows(dtype)
    points, handicaps = rows[:n_candidates] + 1, torch.zeros(n_candidates)

    def call():
        return suggestive_annotation(
            points, rows, 5, handicaps=handicaps, with_utilities=with_utilities
        )

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_falcun_is_that_of_one_thread_to_the_last_bit(dtype):
    given = samples(1, 3001, 9, dtype)[0]

    def call():
        return falcun(given, 6, generator=torch.Generator().manual_seed(0))

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    picks, utilities = one
    u, d = margin(given[None].double()), margin(given[None].double())
    for step, pick in enumerate(picks.tolist()):
        left = torch.ones(3001, dtype=torch.bool).index_fill(0, picks[:step], False)
        low, high = d[left].min(), d[left].max()
        weight = left * ((d - low) / (high - low) + u) ** 10
        expected = (weight / weight.sum()).to(dtype)
        torch.testing.assert_close(utilities[step], expected, rtol=1e-6, atol=1e-12)
        d = d.minimum((given.double() - given[pick].double()).abs().sum(-1))


@pytest.mark.parametrize("n_labels", [0, 5])
@pytest.mark.parametrize("max_exact", [600, 599])
def test_what_flows_along_edges_is_that_of_one_thread_to_the_last_bit(
    n_labels, max_exact, monkeypatch
):
    """And that of scipy's product."""
    rows = torch.randn(600, 3, generator=torch.Generator().manual_seed(0))
    graph, candidates = cosine_graph(rows + 2, 10), torch.arange(600)
    monkeypatch.setattr(graphs, "_EDGES_OF_A_PART", 500)

    def call():
        labeled = candidates[:n_labels]
        return propagate_labels(graph, labeled, candidates, 3, max_exact=max_exact)

    several = [in_threads(n, call) for n in (1, 3)]
    again = in_threads(3, lambda: cosine_graph(rows + 2, 10))
    assert np.array_equal(again.toarray(), graph.toarray())
    monkeypatch.setattr(graphs, "are_compiled", lambda: False)
    plain = in_threads(1, call)
    for each in several:
        assert all(torch.equal(a, b) for a, b in zip(plain, each, strict=True))


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_groups_are_those_of_one_thread_to_the_last_bit(dtype):
    rows, weights = grouped_rows(dtype), torch.arange(1830) / 1830

    def call():
        squared, group = nearest_centers(rows, rows[::40])
        return squared, group, *group_means(rows, group, 50, weights)

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    for other in others:
        assert all(
            map(torch.equal, map(torch.nan_to_num, one), map(torch.nan_to_num, other))
        )


@pytest.mark.usefixtures("_small_parts")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_clusters", [7, 60])
@pytest.mark.parametrize("few_rows", [100, 10_000])
def test_k_means_is_that_of_one_thread_to_the_last_bit(
    dtype, n_clusters, few_rows, monkeypatch
):
    monkeypatch.setattr(_k_means, "_FEW_ROWS", few_rows)
    rows, weights = grouped_rows(dtype), torch.arange(1830).to(dtype)

    def call():
        source = torch.Generator().manual_seed(0)
        return k_means(rows, n_clusters, source, weights)

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    assert all(torch.equal(one, other) for other in others)


@pytest.mark.parametrize("n_wanted", [100, 1830])
def test_halves_are_those_of_one_thread(n_wanted):
    rows, is_wanted = grouped_rows(torch.float32), torch.arange(1830) < n_wanted
    one, *others = (
        in_threads(n, lambda: halve(rows, 20, is_wanted)) for n in (1, 2, 3, 5)
    )
    for other in others:
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert torch.cat(one).sort().values.equal(torch.arange(1830))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_clusters_of_parts_are_those_of_one_thread(dtype, monkeypatch):
    monkeypatch.setattr(_features, "_MOST_LINKED", 500)
    monkeypatch.setattr(_features, "_MOST_IN_PART", 100)
    rows = grouped_rows(dtype)
    pool = SimpleNamespace(embed_data=lambda: rows)
    is_wanted = torch.arange(1830) > 900

    def call():
        return linkage_clusters(pool, 7, is_wanted)

    one, *others = (in_threads(n, call) for n in (1, 2, 3, 5))
    assert all(torch.equal(one, other) for other in others)
    n_clusters = 0
    for part in halve(rows, 100, is_wanted):
        cluster_P = torch.zeros(len(part), dtype=torch.long)
        if is_wanted[part].any():
            cluster_P = linkage_of_part(rows[part], len(part) // 7)
        assert torch.equal(one[part], cluster_P + n_clusters)
        n_clusters += 1 + int(cluster_P.max())
    assert n_clusters == 1 + one.max()


def test_gains_that_threads_find_ahead_are_left_out():
    source = torch.Generator().manual_seed(0)
    given = linear_samples(50, 2000, source)
    known = Configurations(given, 2000)
    for row in range(3):
        known.learn(given[:, row], source)

    def call():
        with threads_over_parts(CPU):
            return _Gains(given).largest(known, torch.ones(2000, dtype=torch.bool))

    one, several = in_threads(1, call), in_threads(7, call)
    assert torch.equal(one, several)
    assert 10 < (one > -torch.inf).sum() < 100  # of hundreds that seven begin with


def seen_by_parts(n_parts=40, n_together=1):
    """Return who has worked on which part, with how many threads of torch's.

    So many threads wait for each other: one might be so quick that it does all.
    """
    seen, begun = {}, []
    together = threading.Barrier(n_together, timeout=60)

    def begin():
        begun.append(threading.get_ident())
        together.wait()

        def work_on(part):
            seen[part.start] = threading.get_ident(), torch.get_num_threads()

        return work_on

    for_each_part(slices(n_parts, 1), begin, CPU)
    return seen, begun


def test_each_part_is_worked_on_once_with_one_thread_inside():
    seen, begun = in_threads(2, lambda: seen_by_parts(n_together=2))
    assert sorted(seen) == list(range(40))
    assert len(begun) == 2
    assert threading.get_ident() not in begun
    assert {n for _, n in seen.values()} == {1}


@pytest.mark.parametrize("n_threads", [1, 4])
def test_no_thread_is_started_for_one(n_threads):
    here = [threading.get_ident()]
    assert in_threads(n_threads, lambda: seen_by_parts(1))[1] == here
    assert in_threads(1, seen_by_parts)[1] == here
    assert in_threads(n_threads, lambda: seen_by_parts(0))[0] == {}


def test_threads_are_kept_for_parts():
    def call():
        with threads_over_parts(CPU):
            assert torch.get_num_threads() == 1
            return seen_by_parts(n_together=n_threads)[1]

    for n_threads in (3, 1):
        assert len(in_threads(n_threads, call)) == n_threads


def test_threads_that_are_kept_are_used_again_and_end():
    def call():
        names = set()

        def begin():
            names.add(threading.current_thread())
            together.wait()  # else one of them may be so quick that it does all
            return lambda part: None

        together = threading.Barrier(3, timeout=60)
        with threads_over_parts(CPU):
            for _ in range(3):
                for_each_part(slices(40, 1), begin, CPU)
        return names

    seen = in_threads(3, call)
    assert len(seen) == 3
    assert not any(thread.is_alive() for thread in seen)


def test_few_threads_are_started_for_little_work():
    """Each is started by the one before, which then works: one at a time."""
    begun = in_threads(40, lambda: seen_by_parts(40))[1]
    assert len(begun) < 40


def test_threads_note_no_gradients_and_know_inference():
    modes = []

    def begin():
        return lambda _: modes.append(
            (torch.is_grad_enabled(), torch.is_inference_mode_enabled())
        )

    def call():
        for_each_part(slices(9, 1), begin, CPU)

    in_threads(2, call)
    assert set(modes) == {(False, False)}
    modes.clear()
    with torch.inference_mode():
        in_threads(2, call)
    assert set(modes) == {(False, True)}


@pytest.mark.parametrize("n_threads", [1, 3])
def test_what_is_found_may_end_the_parts(n_threads):
    done = []

    def parts():
        for part in slices(10_000, 1):
            if len(done) >= 20:
                return
            yield part

    in_threads(n_threads, lambda: for_each_part(parts(), lambda: done.append, CPU))
    assert sorted(done, key=lambda part: part.start) == list(slices(len(done), 1))
    assert 20 <= len(done) < 20 + n_threads


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_ends_the_work_and_leaves_torch_as_it_was(error):
    done = []

    def begin():
        def work_on(part):
            if part.start == 3:
                raise error
            done.append(part.start)

        return work_on

    def call():
        with pytest.raises(error), threads_over_parts(CPU):
            for_each_part(slices(10_000, 1), begin, CPU)

    in_threads(2, call)
    in_threads(1, call)
    assert len(done) < 19_000
    assert in_threads(2, lambda: len(seen_by_parts(n_together=2)[1])) == 2


@pytest.mark.slow
def test_queries_of_several_threads_leave_torch_as_it_was():
    given, numbers, scores = samples(20, 60_000, 5), [], []
    torch.set_num_threads(2)
    expected = bald(given)

    def call():
        scores.append(bald(given))
        numbers.append(torch.get_num_threads())

    threads = [threading.Thread(target=call) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(torch.equal(expected, each) for each in scores)
    assert torch.get_num_threads() == 2
    fresh = []
    later = threading.Thread(target=lambda: fresh.append(torch.get_num_threads()))
    later.start()
    later.join()
    assert fresh == [2]


@pytest.mark.slow
def test_draws_with_gradients_are_scored():
    given = samples(20, 60_000, 5)
    one = in_threads(1, lambda: bald(given))
    with torch.no_grad():
        assert torch.equal(in_threads(2, lambda: bald(given.requires_grad_())), one)


@pytest.mark.slow
def test_workers_of_joblib_start_no_more_threads_than_they_are_given():
    def count():
        import threading

        import torch

        from skal_deep._threads import for_each_part

        begun = []

        def begin():
            begun.append(threading.get_ident())
            return lambda part: None

        parts = [slice(at, at + 1) for at in range(100)]
        for_each_part(parts, begin, torch.device("cpu"))
        return len(begun), torch.get_num_threads()

    counts = Parallel(n_jobs=2)(delayed(count)() for _ in range(2))
    assert all(n_begun <= n_torch for n_begun, n_torch in counts)
