"""Kernels of distances in float32, on rows whose products lose the digits that count.

Clusters that are tight and far apart, outliers, offsets: brute force by differences in
float64 tells what is right.
"""

import pytest
import torch

from skal_deep import functional
from skal_deep.functional import _distances, _nearest
from skal_deep.functional._distances import Points, round_off
from skal_deep.functional._nearest import join_centers, nearest_k
from skal_deep.functional.gradients import _Gradients
from skal_deep.functional.neighbors import group_means

N, D = 600, 16


def families():
    generator = torch.Generator().manual_seed(0)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    side = (torch.arange(N) % 2).double()[:, None]
    member = torch.randint(8, (N,), generator=generator)
    rows = {
        "normal": normal(N, D),
        "two clusters": normal(N, D) + 1e4 * side,
        "tight clusters": 20 * normal(8, D)[member] + 0.01 * normal(N, D),
        "an outlier first": torch.cat([torch.full((1, D), 1e5), normal(N - 1, D)]),
        "an outlier last": torch.cat([normal(N - 1, D), torch.full((1, D), 1e5)]),
        "an offset": normal(N, D) + 1e4,
        "one cluster at 0": torch.where(
            side > 0, 1e-3 * normal(N, D), 1e4 + normal(N, D)
        ),
        "twins": normal(N // 3, D)[torch.arange(N) % (N // 3)],
        "two dimensions": normal(N, 2),
    }
    return {name: values.float() for name, values in rows.items()}


FAMILIES = families()
every_family = pytest.mark.parametrize("rows", FAMILIES.values(), ids=FAMILIES)


def distances(left, right):
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(left.double(), right.double(), compute_mode=mode)


def farthest_first(points, centers, n_picks):
    """Return how far each pick was from all before it."""
    nearest, far = distances(points, centers).amin(1), []
    for _ in range(n_picks):
        far.append(float(nearest.max()))
        pick = nearest.argmax()
        nearest = nearest.minimum(distances(points, points[pick, None])[:, 0])
    return far


def typical(rows):
    """Return a distance that a twentieth of the pairs does not reach."""
    between = distances(rows, rows)
    return float(between[between > 0].quantile(0.05))


@every_family
@pytest.mark.parametrize("n_centers", [1, 30])
@pytest.mark.parametrize("with_utilities", [True, False])
def test_k_center_picks_the_farthest(rows, n_centers, with_utilities, monkeypatch):
    monkeypatch.setattr("skal_deep.functional.k_center._FEW_NUMBERS", 0)
    monkeypatch.setattr("skal_deep.functional.k_center._FRONT_SIZE", 50)
    monkeypatch.setattr("skal_deep.functional.k_center._N_FIRST_CENTERS", 8)
    centers, points = rows[:n_centers], rows[n_centers:]
    picks, utilities = functional.k_center_greedy(
        points, centers, 40, with_utilities=with_utilities
    )
    if with_utilities:
        row, utilities = utilities[-1], utilities[range(40), picks]
        before = torch.cat([centers, points[picks[:-1]]])
        left = torch.ones(len(points), dtype=torch.bool)
        left[picks[:-1]] = False
        expected = distances(points, before).amin(1)[left]
        torch.testing.assert_close(row[left].double(), expected, rtol=1e-3, atol=0)
    expected = torch.tensor(farthest_first(points, centers, 40))
    torch.testing.assert_close(utilities.double(), expected.double(), rtol=1e-3, atol=0)


@pytest.mark.slow
@every_family
def test_chunks_threads_and_precision_agree(rows, monkeypatch):
    centers, points = rows[:5], rows[5:]
    picks, utilities = functional.k_center_greedy(points, centers, 30)
    in_double = functional.k_center_greedy(points.double(), centers.double(), 30)
    n_threads = torch.get_num_threads()
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 1_000)
    torch.set_num_threads(2)
    try:
        in_parts = functional.k_center_greedy(points, centers, 30)
    finally:
        torch.set_num_threads(n_threads)
    for other_picks, other in (in_double, in_parts):
        assert other_picks.tolist() == picks.tolist()
        torch.testing.assert_close(other.float(), utilities, rtol=1e-3, atol=0)


@every_family
def test_neighbors_are_found(rows):
    distance, position = functional.nearest_neighbors(rows, rows, 10)
    expected = distances(rows, rows)
    kth = expected.topk(10, largest=False).values
    torch.testing.assert_close(distance.double(), kth, rtol=1e-3, atol=0)
    found = expected.gather(1, position)
    torch.testing.assert_close(found, kth, rtol=1e-3, atol=0)


@every_family
def test_rows_belong_to_the_nearest_center(rows):
    squared, position = functional.nearest_centers(rows, rows[::20])
    expected = distances(rows, rows[::20])
    nearest = expected.amin(1)
    torch.testing.assert_close(squared.double().sqrt(), nearest, rtol=1e-3, atol=0)
    found = expected.gather(1, position[:, None])[:, 0]
    torch.testing.assert_close(found, nearest, rtol=1e-3, atol=0)


@every_family
def test_squared_distances(rows):
    squared = functional.squared_distances(rows, rows[:50])
    expected = distances(rows, rows[:50]) ** 2
    scale = expected.amax(1, keepdim=True)
    # small beside the others of its row may be round-off, the smallest of all not
    assert ((squared - expected).abs() <= 1e-3 * (expected + 1e-3 * scale)).all()
    nearest = expected.amin(1)
    torch.testing.assert_close(squared.double().amin(1), nearest, rtol=2e-3, atol=0)


@every_family
def test_coverage(rows):
    radius = typical(rows)
    between, known = distances(rows, rows), torch.arange(3)

    def best(similarity, picks):
        chosen = torch.cat([known, torch.as_tensor(picks)])
        return float(similarity[:, chosen].amax(1).sum())

    soft, hard = (-((between / radius) ** 2)).exp(), (between < radius).double()
    for similarity, kernel, size in (
        (soft, functional.max_herding, "bandwidth"),
        (hard, functional.prob_cover, "radius"),
    ):
        expected, covered = [], similarity[:, known].amax(1)
        for _ in range(8):
            gain = (similarity - covered[:, None]).clamp_min(0).sum(0)
            gain[expected] = -1
            expected.append(int(gain.argmax()))
            covered = covered.maximum(similarity[:, expected[-1]])
        picks, _ = kernel(rows, rows, rows[:3], 8, **{size: radius})
        assert best(similarity, picks) >= 0.99 * best(similarity, expected)


@every_family
def test_density_and_purity(rows):
    width, labels = typical(rows), torch.arange(N) // 3 % 5
    between = distances(rows, rows)
    expected = (-((between / width) ** 2)).exp().mean(1)
    found = functional.density(rows, rows, width).double()
    torch.testing.assert_close(found, expected, rtol=1e-2, atol=0)
    other = between.masked_fill(labels[:, None] == labels, float("inf")).amin(1)
    radius = functional.purity_radius(rows, labels, 0.9)
    expected = float(other.sort().values[N - 540])
    assert radius == pytest.approx(expected, rel=1e-3, abs=0)


@every_family
def test_density_times_distance(rows):
    weight = torch.rand(N, generator=torch.Generator().manual_seed(1))
    nearest = distances(rows, rows[:1])[:, 0]
    picks, utilities = functional.density_k_center(rows, rows[:1], weight, 30)
    for step, pick in enumerate(picks.tolist()):
        score = weight * nearest
        assert utilities[step, pick].item() == pytest.approx(float(score.max()), 2e-3)
        assert score[pick] >= 0.99 * score.max()
        nearest = nearest.minimum(distances(rows, rows[pick, None])[:, 0])


@every_family
def test_the_largest_cluster(rows):
    centers, points = rows[:3], rows[3:]
    picks, utilities = functional.lcmd(points, centers, 30)
    known = centers
    for step, pick in enumerate(picks.tolist()):
        nearest, owner = (distances(points, known) ** 2).min(1)
        size = torch.zeros(len(known)).double().index_add_(0, owner, nearest)
        assert size[owner[pick]] >= 0.99 * size.max()
        inside = nearest[owner == owner[pick]]
        assert nearest[pick] >= 0.99 * inside.max()
        expected = pytest.approx(float(nearest[pick]), rel=1e-2)
        assert utilities[step, pick].item() == expected
        known = torch.cat([known, points[pick, None]])


@every_family
@pytest.mark.parametrize("n_labeled", [0, 40])
def test_the_largest_determinant(rows, n_labeled):
    labeled, points = rows[:n_labeled], rows[n_labeled:]
    noise = 1e-6 * float(rows.double().square().sum(1).mean())

    def variances(known):
        known, F = known.double(), points.double()
        inner = noise * torch.eye(len(known)).double() + known @ known.T
        root = torch.linalg.solve_triangular(
            torch.linalg.cholesky(inner), known @ F.T, upper=False
        )
        return F.square().sum(1) - root.square().sum(0)

    picks, _ = functional.max_det(points, labeled, 12, noise=noise)
    for step in range(12):
        expected = variances(torch.cat([labeled, points[picks[:step]]]))
        expected[picks[:step]] = -1
        assert expected[picks[step]] >= 0.99 * expected.max()


@every_family
def test_distances_of_gradients(rows):
    """Predictions that hardly differ leave the distances to the embeddings."""
    generator = torch.Generator().manual_seed(0)
    error = torch.tensor([0.4, 0.2, -0.6]) + 1e-6 * torch.randn(
        (N, 3), generator=generator
    )
    full = (error.double()[:, :, None] * rows.double()[:, None]).flatten(1)
    expected = distances(full[:5], full) ** 2
    squared = _Gradients(error, rows).distances([0, 1, 2, 3, 4]).double()
    torch.testing.assert_close(squared, expected, rtol=5e-3, atol=0)
    among = _Gradients(error, rows).distances([7, 1, 9], among=[1, 9]).double()
    expected = distances(full[[7, 1, 9]], full[[1, 9]]) ** 2
    torch.testing.assert_close(among, expected, rtol=5e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_dims", [1, 2, 16, 300])
def test_round_off_is_no_more_than_stated(dtype, n_dims):
    generator = torch.Generator().manual_seed(n_dims)
    rows = torch.randn((300, n_dims), generator=generator).to(dtype) + 3
    points = Points(rows, torch.zeros_like(rows[0]))
    found = points.products(points).double()
    exact = distances(rows, rows) ** 2
    norm = rows.double().square().sum(1)
    share = ((found - exact).abs() / (norm[:, None] + norm)).max()
    assert 0.02 * round_off(rows) < share < round_off(rows)


@every_family
@pytest.mark.parametrize("k", [1, 7, 45])
def test_neighbors_by_loops_are_those_by_torch(rows, k, monkeypatch):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 20_000)
    points = Points(rows, rows.mean(0))
    squared, position = nearest_k(points, points, k)
    monkeypatch.setattr(_nearest, "are_compiled", lambda: False)
    expected, other = nearest_k(points, points, k)
    torch.testing.assert_close(squared, expected, rtol=1e-3, atol=0)
    if k < N // 3:  # twins are alike
        assert float((position == other).float().mean()) > 0.95


@every_family
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("compiled", [True, False])
def test_neighbors_among_some_are_those_of_a_part(rows, dtype, compiled, monkeypatch):
    if not compiled:
        monkeypatch.setattr(_nearest, "are_compiled", lambda: False)
    points = Points(rows.to(dtype), rows.to(dtype).mean(0))
    among = torch.arange(1, N, 2)
    squared, position = nearest_k(points, points, 7, among=among)
    expected, place = nearest_k(points, points.at(among), 7)
    assert torch.equal(squared, expected)
    assert torch.equal(position, among[place])
    with pytest.MonkeyPatch.context() as patch:  # some blocks in place of one
        patch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 900)
        squared, _ = nearest_k(points, points, 7, among=among)
    torch.testing.assert_close(squared, expected, rtol=1e-3, atol=0)


@every_family
@pytest.mark.parametrize("n_centers", [1, 9, 131])
def test_the_nearest_center_by_loops_is_that_by_torch(rows, n_centers, monkeypatch):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 20_000)
    centers = rows[:n_centers]
    squared, position = functional.nearest_centers(rows, centers)
    exact = distances(rows, centers) ** 2
    torch.testing.assert_close(squared.double(), exact.amin(1), rtol=1e-3, atol=0)
    # rows in another order in memory are no loop's
    other = functional.nearest_centers(rows.T.contiguous().T, centers.T.contiguous().T)
    torch.testing.assert_close(squared, other[0], rtol=1e-3, atol=0)
    monkeypatch.setattr("skal_deep.functional.neighbors.are_compiled", lambda: False)
    expected, place = functional.nearest_centers(rows, centers)
    torch.testing.assert_close(squared, expected, rtol=1e-3, atol=0)
    found, due = (exact.gather(1, each[:, None]) for each in (position, place))
    torch.testing.assert_close(found, due, rtol=1e-3, atol=0)


@every_family
def test_norms_by_a_loop_are_those_by_torch(rows, monkeypatch):
    at_once = Points(rows, rows.mean(0))
    monkeypatch.setattr("skal_deep.functional._distances._FEW_NUMBERS", 0)
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", 100)
    torch.testing.assert_close(Points(rows, rows.mean(0)).norm_N, at_once.norm_N)
    twice = rows.repeat_interleave(2, 0)[::2]  # not side by side in memory
    torch.testing.assert_close(Points(twice, rows.mean(0)).norm_N, at_once.norm_N)


@pytest.mark.parametrize(
    "find", [functional.nearest_neighbors, functional.grouped_neighbors]
)
def test_distances_to_neighbors_keep_their_gradients(find):
    """With several threads too, which take no gradients over."""
    rows = FAMILIES["normal"].clone().requires_grad_()
    n_threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        distance, position = find(rows, FAMILIES["normal"] + 1, 3)
    finally:
        torch.set_num_threads(n_threads)
    [slope] = torch.autograd.grad(distance.sum(), rows)
    apart = rows.detach()[:, None] - (FAMILIES["normal"] + 1)[position]
    expected = (apart / apart.norm(dim=2, keepdim=True)).sum(1)
    torch.testing.assert_close(slope, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_first_of_equal_distances_that_products_tell_apart(compiled, monkeypatch):
    """Crosses far from the origin: four steps of 1 around each of their middles."""
    if not compiled:
        monkeypatch.setattr(_nearest, "are_compiled", lambda: False)
    generator = torch.Generator().manual_seed(0)
    middle = 1.0 * torch.randint(-900, 900, (40, 2), generator=generator)
    step = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    rows = (middle[:, None] + step).flatten(0, 1)
    rows = rows[torch.randperm(len(rows), generator=generator)]
    distance, position = functional.nearest_neighbors(middle, rows, 4)
    assert (distance == 1).all()
    assert (position.diff() > 0).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_neighbors_in_half_precision(dtype):
    rows = FAMILIES["normal"].to(dtype)
    distance, position = functional.nearest_neighbors(rows, rows, 4)
    assert distance.dtype == dtype
    expected = distances(rows, rows).topk(4, largest=False).values
    found = distances(rows, rows).gather(1, position)
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0.02)


def test_rows_of_integers_are_told():
    rows = torch.arange(12).reshape(6, 2)
    with pytest.raises(ValueError, match="embeddings must be of a floating type"):
        functional.nearest_neighbors(rows, rows, 2)


@pytest.mark.parametrize("compiled", [True, False])
@pytest.mark.parametrize("k", [1, 3, 45, 60])
@pytest.mark.parametrize("budget", [3_000, 2**20])
def test_of_neighbors_at_equal_distances_the_first_are_kept(
    budget, k, compiled, monkeypatch
):
    monkeypatch.setattr("skal_deep.functional._chunks._MEMORY_BUDGET", budget)
    if not compiled:
        monkeypatch.setattr(_nearest, "are_compiled", lambda: False)
    rows = FAMILIES["normal"][torch.arange(N) % 4]
    _, position = functional.nearest_neighbors(rows, rows, k)
    assert torch.equal(position, torch.arange(N)[:, None] % 4 + 4 * torch.arange(k))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("highest", [1, 5], ids=["of 0 and 1", "of more"])
def test_of_whole_numbers_at_equal_distances_the_first_wins(
    highest, dtype, monkeypatch
):
    monkeypatch.setattr("skal_deep.functional.k_center._FEW_NUMBERS", 0)
    generator = torch.Generator().manual_seed(0)
    rows = torch.randint(highest + 1, (700, 63), generator=generator).to(dtype)
    centers, points = rows[:40], rows[40:]
    squared = distances(points, centers).square().round()
    assert functional.nearest_centers(points, centers)[1].equal(squared.argmin(1))
    neighbors = functional.nearest_neighbors(points, centers, 3)[1]
    assert neighbors.equal(squared.sort(stable=True).indices[:, :3])
    nearest, expected = squared.amin(1), []
    for _ in range(20):
        expected.append(int(nearest.argmax()))
        to_pick = distances(points, points[expected[-1], None])[:, 0]
        nearest = nearest.minimum(to_pick.square().round())
    assert functional.k_center_greedy(points, centers, 20)[0].tolist() == expected


@pytest.mark.parametrize("n_centers", [20, 2100])
def test_of_centers_that_are_copies_the_first_wins(n_centers):
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn(1300, 200, generator=generator, dtype=torch.float64)
    centers = torch.randn(n_centers, 200, generator=generator, dtype=torch.float64)
    twice = torch.cat([centers, centers])
    # side by side in memory, or its transposed
    for some in (twice, twice.T.contiguous().T):
        assert (functional.nearest_centers(rows, some)[1] < n_centers).all()


def test_float64_that_products_cannot_resolve():
    generator = torch.Generator().manual_seed(0)
    rows = torch.randn((60, 4), generator=generator, dtype=torch.float64)
    rows[::2] += 1e10  # round-off of squares is about 1e4
    points = Points(rows, rows.mean(0))
    squared, position = nearest_k(points, points, 4)
    expected = (distances(rows, rows) ** 2).topk(4, largest=False)
    torch.testing.assert_close(squared, expected.values, rtol=1e-6, atol=0)
    assert torch.equal(position, expected.indices)


def test_ordinary_rows_are_not_computed_twice(monkeypatch):
    """In float32 by products; pairs of copies alone are looked at again."""
    monkeypatch.setattr(_nearest, "_by_differences", None)
    for module in (_distances, _nearest):
        monkeypatch.setattr(module, "all_differences", None)
    monkeypatch.setattr(Points, "double", None)
    rows = FAMILIES["normal"]
    functional.nearest_neighbors(rows, rows, 5)
    functional.k_center_greedy(rows[5:], rows[:5], 20)
    functional.max_herding(rows, rows, rows[:5], 3, bandwidth=3.0)


def test_balls_at_equal_distances_do_not_hang_on_rounding():
    """All neighbours on a lattice are exactly as far away as the radius."""
    side = torch.linspace(-1, 1, 21)
    rows = torch.cartesian_prod(side, side, side[:3]) + 0.3
    radius = float((side[1] - side[0]).double())
    _, utilities = functional.prob_cover(rows, rows, rows[:0], 3, radius=radius)
    assert (utilities.count_nonzero(1) == len(rows) - torch.arange(3)).all()
    assert set(utilities.unique().tolist()) == {0.0, 1.0}


@pytest.mark.parametrize(
    ("scale", "dtype"),
    [
        (2.0**100, torch.float32),
        (2.0**-100, torch.float32),
        (2.0**600, torch.float64),
        (2.0**-600, torch.float64),  # whose square is 0 in Python, too
    ],
)
def test_rows_whose_squares_are_no_numbers_are_refused(scale, dtype):
    ordinary = FAMILIES["normal"].to(dtype)
    rows, proba = scale * ordinary, torch.full((N, 2), 0.5)
    for kernel, name in (
        (lambda x: functional.k_center_greedy(x[5:], x[:5], 3), "embeddings"),
        (lambda x: functional.nearest_neighbors(x, x, 3), "embeddings"),
        (
            lambda x: functional.max_herding(x, x, x[:0], 3, bandwidth=scale),
            "embeddings",
        ),
        (lambda x: functional.purity_radius(x, torch.arange(N) % 2), "data"),
        (lambda x: functional.density(x, x), "embeddings"),
        (lambda x: functional.lcmd(x[5:], x[:5], 3), "features"),
        (lambda x: functional.max_det(x, x[:0], 3, noise=1.0), "features"),
        (lambda x: functional.badge(proba, x, 3), "embeddings"),
        (lambda x: functional.squared_distances(x, x[:5]), "left"),
        (lambda x: functional.nearest_centers(x, x[:5]), "embeddings"),
        (
            lambda x: functional.flipping_mix(
                x, x[:2], torch.eye(D, dtype=dtype), torch.zeros(D, dtype=dtype)
            ),
            "embeddings",
        ),
    ):
        with pytest.raises(
            ValueError,
            match=f"{name} is .*{dtype}. Scale the rows".replace("torch.", ""),
        ):
            kernel(rows)
        kernel(torch.zeros_like(rows))
    directions = functional.unit_rows(rows)
    torch.testing.assert_close(directions, functional.unit_rows(ordinary))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(300, 5), (7, 70), (1, 1), (40, 0)])
@pytest.mark.parametrize("has_loops", [False, True])
def test_centres_join_as_all_differences_say(dtype, shape, has_loops, monkeypatch):
    monkeypatch.setattr(_nearest, "_NUMBERS_OF_A_PART", 100)
    monkeypatch.setattr(_nearest, "are_compiled", lambda: has_loops)
    source = torch.Generator().manual_seed(0)
    rows = (3 + torch.randn(*shape, generator=source)).to(dtype)
    found = rows.new_full((3, len(rows)), torch.inf)
    for step in range(4):
        join_centers(rows, rows[[step % len(rows), 0, -1]], found)
    for row, centers in zip(found, ([0, 1, 2, 3], [0], [-1]), strict=True):
        centers = [at % len(rows) for at in centers]
        squared = (rows[:, None].double() - rows[centers].double()).square().sum(-1)
        torch.testing.assert_close(row.double(), squared.amin(1), rtol=1e-5, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16])
def test_means_of_groups_are_sums_in_the_order_of_rows(dtype):
    source = torch.Generator().manual_seed(0)
    rows = torch.randn(500, 8, generator=source, dtype=torch.float64).to(dtype)
    group = torch.randint(9, (500,), generator=source)
    weights = torch.rand(500, generator=source)
    means, total = group_means(rows, group, 10, weights)
    expected = torch.zeros(10, rows.shape[1], dtype=torch.float64)
    for row, at, weight in zip(rows.double(), group, weights.double(), strict=True):
        expected[at] += row * weight
    assert torch.equal(means[:9], (expected / total[:, None]).to(dtype)[:9])
    assert means[9].isnan().all()
    assert total[9] == 0
