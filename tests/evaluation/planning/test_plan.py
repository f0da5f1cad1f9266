"""Plans: the band covers, bounds on labels are its inverse, and "open" is an answer."""

import math

import numpy as np
import pytest
from scipy.optimize import isotonic_regression

from skal_deep.evaluation import Bank, plan_labels, stopping_advice
from skal_deep.evaluation.planning._calibration import calibrate, families_needed
from skal_deep.evaluation.planning._forecast import forecast, weighted_quantile
from skal_deep.evaluation.statistics._power_law import power_law

LABELS = np.arange(10, 401, 10)
SEEN = 10


EXPONENT = np.geomspace(0.05, 5, 60)[29]  # about .48, on the grid of the fit


def law(n, a=0.9, b=1.5, c=EXPONENT):
    return a - b * np.asarray(n, float) ** -c


def draw_curve(rng, noise=0.01):
    """Return a curve of a family of tasks: few follow a power law exactly."""
    curve = law(
        LABELS, rng.uniform(0.7, 1), rng.uniform(0.5, 1.5), rng.uniform(0.3, 0.9)
    )
    late = rng.uniform(-0.02, 0.05) * np.log(LABELS / 10) / math.log(40)
    return np.clip(curve + late + noise * rng.normal(size=len(LABELS)), 0, 1)


def make_bank(n_tasks, seed=0, n_seeds=1, noise=0.01):
    bank = Bank()
    for task in range(n_tasks):
        rng = np.random.default_rng([seed, task])
        curve = draw_curve(rng, noise)
        for _ in range(n_seeds):
            bank.add_curve(LABELS, curve, task=str(task))
    return bank


def true_gains(curve, plan):
    smooth = isotonic_regression(curve).x
    return np.maximum(np.interp(plan.labels, LABELS, smooth) - plan.current, 0)


@pytest.mark.slow
def test_band_covers_new_tasks():
    bank, held, finite = make_bank(100), 0, 0
    for i in range(150):
        curve = draw_curve(np.random.default_rng([1, i]))
        plan = plan_labels(LABELS[:SEEN], curve[:SEEN], bank=bank)
        gains = true_gains(curve, plan)
        low, high = plan.low - plan.current, plan.high - plan.current
        held += bool(((low - 1e-9 <= gains) & (gains <= high + 1e-9)).all())
        finite += bool(np.isfinite(plan.high).all())
    assert finite == 150
    assert held / 150 > 0.9 - 3 * math.sqrt(0.9 * 0.1 / 150)


def test_law_part_of_the_forecast():
    """Of an exact law the gain by law is the truth; the other form is a logarithm."""
    horizons = np.array([1.5, 2, 4])
    found = forecast(LABELS[:SEEN] * 1.0, law(LABELS[:SEEN])[None], horizons, 1.0)
    by_law = law(100 * horizons) - law(100)
    x = np.log(LABELS[3:SEEN])
    slope = np.polyfit(x, law(LABELS[3:SEEN]), 1)[0]
    by_log = slope * np.log(horizons)
    np.testing.assert_allclose(found.gain[0], (by_law + by_log) / 2, atol=1e-6)
    scale = 0.005 + np.abs(by_law - by_log) / 2 + found.gain[0] / 4
    np.testing.assert_allclose(found.scale[0], scale, atol=1e-6)


def test_scatter_around_the_law_is_part_of_the_scale():
    zigzag = 0.02 * (-1.0) ** np.arange(SEEN)
    horizons = np.array([1.5, 2, 4])
    smooth, rough = (
        forecast(LABELS[:SEEN] * 1.0, (law(LABELS[:SEEN]) + noise)[None], horizons, 1.0)
        for noise in (0.0, zigzag)
    )
    fit = power_law(
        LABELS[:SEEN], (law(LABELS[:SEEN]) + zigzag)[None], LABELS[:SEEN], 1
    )
    scatter = (law(LABELS[:SEEN]) + zigzag - fit[0]).std()
    assert scatter == pytest.approx(0.02, rel=0.1)
    apart = rough.scale - 0.005 - rough.gain / 4 - scatter
    assert (apart >= 0).all()  # what the two forms differ by
    assert (rough.scale > smooth.scale + 0.015).all()
    assert (rough.most == rough.gain + 2 * rough.scale).all()


def test_forecast_is_cut_at_the_highest_score():
    rising = np.linspace(0.5, 0.98, SEEN)
    found = forecast(LABELS[:SEEN] * 1.0, rising[None], np.array([2.0, 4.0]), 1.0)
    assert (found.gain <= 0.02 + 1e-12).all()


@pytest.mark.parametrize("n_tasks", [18, 19])
def test_few_tasks_give_no_bounds(n_tasks):
    plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=make_bank(n_tasks))
    assert bool(plan.is_open) == (n_tasks < 19)
    assert np.isfinite(plan.high - 1).all()  # a share ends at one
    assert (plan.high < 1).any() == (n_tasks >= 19)
    if n_tasks < 19:
        assert "has 18 families of data sets" in repr(plan)
        assert "needs 19" in repr(plan)
        assert "leave the name" not in repr(plan)


def test_a_task_counts_once():
    one, many = make_bank(30), make_bank(30)
    for _ in range(50):  # copies of a single task's curve
        many.add_curve(many.n_labels[0], many.scores[0], task="0", strategy="other")
    plans = [
        plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=b) for b in (one, many)
    ]
    np.testing.assert_allclose(plans[0].high, plans[1].high)
    np.testing.assert_allclose(plans[0].low, plans[1].low)


def test_a_family_counts_once():
    """Ten data sets of one origin are one witness, as is a data set without a name."""
    one, many, alone = Bank(), Bank(), make_bank(30)
    for bank, n in ((one, 1), (many, 10)):
        for task in range(30):
            for copy in range(n if task == 0 else 1):
                bank.add_curve(
                    LABELS, alone.scores[task], task=f"{task} {copy}", family=str(task)
                )
    plans = [
        plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=b)
        for b in (one, many, alone)
    ]
    for plan in plans:
        assert plan.n_families == 30
        np.testing.assert_allclose(plan.high, plans[0].high)
        np.testing.assert_allclose(plan.low, plans[0].low)


@pytest.mark.parametrize("nameless", ["", None])
def test_without_a_name_a_data_set_is_its_own_family(nameless):
    bank = Bank()
    for task, scores in enumerate(make_bank(19).scores):
        bank.add_curve(LABELS, scores, task=str(task), family=nameless)
    assert calibrate(bank, SEEN, 1).n_families == 19


def test_weights_by_hand():
    bank = make_bank(1)  # a data set without a family
    for task, n_strategies in (("a", 1), ("b", 3)):
        for strategy in range(n_strategies):
            bank.add_curve(
                LABELS, law(LABELS), task=task, strategy=str(strategy), family="f"
            )
    # A name of a task says nothing of another family's.
    bank.add_curve(LABELS, law(LABELS), task="a", family="g")
    np.testing.assert_allclose(
        calibrate(bank, SEEN, 1).weights, [1 / 4, 1 / 8, *[1 / 24] * 3, 1 / 4]
    )


def test_one_family_of_many_data_sets_gives_no_bounds():
    bank = Bank()
    for task, scores in enumerate(make_bank(40).scores):
        bank.add_curve(LABELS, scores, task=str(task), family=str(task % 18))
    plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=bank)
    assert "has 18 families" in plan.is_open
    assert "leave the name of a family out" in plan.is_open


@pytest.mark.parametrize(("level", "is_open"), [(0.94, False), (0.95, True)])
def test_levels_that_the_bank_of_the_package_serves(level, is_open):
    plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), level=level)
    assert bool(plan.is_open) == is_open


@pytest.mark.slow
def test_band_covers_new_families():
    """Where those of many data sets are the easy ones, too, which promise too much."""

    def curves(family):
        rng = np.random.default_rng([3, family])
        top, slope = rng.uniform(0.7, 1), rng.uniform(0, 0.1)
        for task in range(60 if slope < 0.03 else 1):
            late = slope * np.log(np.maximum(LABELS / 100, 1)) / math.log(4)
            noise = 0.003 * np.random.default_rng([4, family, task]).normal(size=40)
            yield np.clip(law(LABELS, top) - 0.1 + late + noise, 0, 1)

    bank, nameless = Bank(), Bank()
    for family in range(40):
        for task, curve in enumerate(curves(family)):
            name = f"{family} {task}"
            bank.add_curve(LABELS, curve, task=name, family=str(family))
            nameless.add_curve(LABELS, curve, task=name)
    asked = Bank()
    for family in range(100, 250):
        asked.add_curve(LABELS, next(curves(family)), task=str(family))
    found, shares = calibrate(asked, SEEN, 1), []
    for each in (bank, nameless):
        up, down = calibrate(each, SEEN, 1).quantiles(0.9)
        shares.append(((found.above <= up) & (found.below <= down)).mean())
    assert shares[0] > 0.9 - 3 * math.sqrt(0.9 * 0.1 / 150)
    assert shares[1] < 0.8


def test_repeats_of_a_task_in_any_order():
    bank, other = Bank(), Bank()
    for task in range(25):
        rng = np.random.default_rng(task)
        curves = [draw_curve(rng) for _ in range(4)]
        for curve in curves:
            bank.add_curve(LABELS, curve, task=str(task))
        for curve in curves[::-1]:
            other.add_curve(LABELS, curve, task=str(task))
    question = np.stack([law(LABELS[:SEEN])] * 4)
    np.testing.assert_allclose(
        plan_labels(LABELS[:SEEN], question, bank=bank).high,
        plan_labels(LABELS[:SEEN], question, bank=other).high,
    )


def test_a_constant_less_shifts_the_band():
    bank = make_bank(40)
    curve = law(LABELS[:SEEN])
    high, low = (plan_labels(LABELS[:SEEN], c, bank=bank) for c in (curve, curve - 0.1))
    np.testing.assert_allclose(high.low - 0.1, low.low, atol=1e-3)
    np.testing.assert_allclose(high.high - 0.1, low.high, atol=1e-3)


def test_repeats_are_compared_with_means():
    """More repeats are less noise, in the question as in the bank."""
    bank = Bank()
    for task in range(40):
        rng = np.random.default_rng(task)
        smooth = draw_curve(rng, 0)
        for _ in range(8):
            noisy = np.clip(smooth + 0.03 * rng.normal(size=40), 0, 1)
            bank.add_curve(LABELS, noisy, task=str(task))
    curve = law(LABELS[:SEEN])
    one = plan_labels(LABELS[:SEEN], curve, bank=bank)
    eight = plan_labels(LABELS[:SEEN], np.stack([curve] * 8), bank=bank)
    assert (eight.high - eight.low).mean() < 0.8 * (one.high - one.low).mean()


def test_noise_of_the_test_rows_widens():
    bank, curve = make_bank(40), law(LABELS[:SEEN])
    plans = [plan_labels(LABELS[:SEEN], curve, bank=bank, n_test=n) for n in (None, 60)]
    assert (plans[1].high - plans[1].low > plans[0].high - plans[0].low).all()


class TestNeeded:
    def test_is_the_inverse_of_the_band(self):
        bank, curve = make_bank(60), law(LABELS[:SEEN])
        plan = plan_labels(LABELS[:SEEN], curve, bank=bank, gain=0.02)
        at = np.append(100, plan.labels)
        for bound, n in zip((plan.high, plan.low), plan.needed, strict=True):
            if math.isinf(n):
                assert bound.max() < plan.wanted
            else:
                gains = np.append(plan.current, bound)
                assert np.interp(n, at, gains) == pytest.approx(plan.wanted, abs=1e-9)

    @pytest.mark.parametrize(
        ("target", "word"),
        [
            (0.5, "reached with the labels so far"),
            (0.99, "not within 400 labels"),
            (0.78, "how many cannot be told"),
        ],
    )
    def test_words(self, target, word):
        plan = plan_labels(
            LABELS[:SEEN], law(LABELS[:SEEN]), bank=make_bank(60), target=target
        )
        assert word in plan.word
        assert word in repr(plan)

    def test_bounds_in_words(self):
        bank = make_bank(60, noise=0)
        plan = plan_labels(
            LABELS[:SEEN], law(LABELS[:SEEN], b=2.5), bank=bank, gain=0.005
        )
        low, high = plan.needed
        assert 100 < low < high < 400
        assert plan.word == f"{math.floor(low)} to {math.ceil(high)} labels"

    def test_nothing_asked(self):
        plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=make_bank(40))
        assert np.isnan(plan.needed).all()
        assert plan.word.startswith("doubling ")


class TestWillNotPay:
    def test_flat_curves(self):
        bank = Bank()
        for task in range(60):
            rng = np.random.default_rng(task)
            curve = 0.9 - 0.3 * np.exp(-LABELS / rng.uniform(10, 30))
            bank.add_curve(LABELS, curve, task=str(task))
        flat = 0.9 - 0.3 * np.exp(-LABELS[:SEEN] / 15)
        plan = plan_labels(LABELS[:SEEN], flat, bank=bank)
        assert plan.will_not_pay
        assert plan.word == "doubling will not pay"
        assert "one in ten" in repr(plan)

    @pytest.mark.parametrize("family", ["one", ""])
    def test_a_large_family_does_not_outvote_others(self, family):
        """Of 25 families 8 gain much after all: a third is no rare exception."""
        bank = Bank()
        flat = 0.9 - 0.3 * np.exp(-LABELS / 15)
        for task in range(200):
            bank.add_curve(LABELS, flat, task=f"flat {task}", family=family)
        for task in range(25):
            late = flat + (task < 8) * 0.05 * (LABELS > 10 * SEEN)
            bank.add_curve(LABELS, late, task=f"other {task}")
        flatter = 0.9 - 0.3 * np.exp(-LABELS[:SEEN] / 14)
        plan = plan_labels(LABELS[:SEEN], flatter, bank=bank)
        assert plan.will_not_pay == (family == "")

    @pytest.mark.slow
    def test_share_of_wrong_advice(self):
        """Of those it is said of, at most one in ten gain as much, about."""
        bank, said, wrong = make_bank(150), 0, 0
        for i in range(200):
            curve = draw_curve(np.random.default_rng([2, i]))
            plan = plan_labels(
                LABELS[:SEEN], curve[:SEEN], bank=bank, smallest_gain=0.04
            )
            if plan.will_not_pay:
                said += 1
                wrong += true_gains(curve, plan)[list(plan.labels).index(200)] >= 0.04
        assert said > 10
        assert wrong / said <= 0.1 + 3 * math.sqrt(0.09 / said)

    def test_threshold_by_hand(self):
        known = calibrate(make_bank(80), SEEN, 1)
        threshold = known.largest_that_will_not_pay(0.03)
        below = known.most_at_double <= threshold
        wrong = (known.weights * (known.gain_at_double >= 0.03))[below].sum() + 1 / 81
        assert wrong / (known.weights[below].sum() + 1 / 81) <= 0.1
        assert known.largest_that_will_not_pay(0.0) == -np.inf


def test_a_jump_is_open():
    curve = law(LABELS[:SEEN])
    curve[-1] += 0.08
    plan = plan_labels(LABELS[:SEEN], curve, bank=make_bank(40), target=0.95)
    assert "jump" in plan.is_open
    assert "open" in repr(plan)
    assert "cannot be told" in plan.word


def test_other_units():
    bank, curve = make_bank(40), law(LABELS[:SEEN])
    losses = plan_labels(LABELS[:SEEN], -(1 - curve), bank=bank)
    assert losses.high.max() <= 0
    large = plan_labels(LABELS[:SEEN], 1e6 * curve, bank=bank)
    small = plan_labels(LABELS[:SEEN], 10 * curve, bank=bank)
    np.testing.assert_allclose(large.high / 1e6, small.high / 10, rtol=1e-9)
    assert "points" not in repr(large)


def test_quantile():
    values, weights = np.array([3.0, 1.0, 2.0]), np.full(3, 0.25)
    assert weighted_quantile(values, weights, 0.25) == 1
    assert weighted_quantile(values, weights, 0.26) == 2
    assert weighted_quantile(values, weights, 0.75) == 3
    assert weighted_quantile(values, weights, 0.76) == np.inf


def test_law_is_that_of_the_statistics():
    fit = power_law(LABELS[:SEEN], law(LABELS[:SEEN])[None], [200], 1.0)
    assert fit[0, 0] == pytest.approx(law(200), abs=1e-6)


class TestBank:
    def test_round_trip(self, tmp_path):
        bank = make_bank(3)
        bank.add_curve([5, 10, 20], [0.5, 0.6, 0.7], task="b", strategy="s", family="f")
        bank.save(tmp_path / "bank.npz")
        again = Bank.load(tmp_path / "bank.npz")
        assert (again.task, again.strategy, again.family) == (
            bank.task,
            bank.strategy,
            bank.family,
        )
        for name in ("n_labels", "scores"):
            pairs = zip(getattr(bank, name), getattr(again, name), strict=True)
            for ours, theirs in pairs:
                np.testing.assert_allclose(ours, theirs, rtol=1e-6)

    def test_of_the_package(self):
        plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]))
        assert not plan.is_open
        known = calibrate(None, SEEN, 1)
        assert len(np.unique(known.tasks)) >= 100
        n = known.n_families
        assert n >= 30
        assert known.weights.sum() == pytest.approx(n / (n + 1))

    @pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no zip", b"\x80\x04N."])
    def test_foreign_files(self, tmp_path, content):
        (tmp_path / "bank.npz").write_bytes(content)
        with pytest.raises(ValueError, match="no bank of learning curves"):
            Bank.load(tmp_path / "bank.npz")

    def test_pickles_are_not_read(self, tmp_path):
        np.savez(tmp_path / "bank.npz", task=np.array([{}], object))
        with pytest.raises(ValueError, match="no bank of learning curves"):
            Bank.load(tmp_path / "bank.npz")

    def test_bad_curves(self):
        with pytest.raises(ValueError, match="One curve is wanted"):
            Bank().add_curve([1, 2], [[0.1, 0.2]], task="a")
        with pytest.raises(ValueError, match="begin at 0"):
            Bank().add_curve([0, 2], [0.1, 0.2], task="a")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_labels": LABELS[:5], "scores": law(LABELS[:5])}, "at least 6 stages"),
        ({"n_labels": LABELS[:SEEN] - 10}, "not 0"),
        ({"target": 0.9, "gain": 0.1}, "not both"),
        ({"target": math.nan}, "target must be a number"),
        ({"gain": math.inf}, "gain must be a number"),
        ({"n_test": 0}, "n_test must be a number of rows"),
        ({"level": 1.0}, "level must lie"),
        ({"bank": "mine"}, "bank must be"),
        ({"scores": np.full(SEEN, np.nan)}, "finite|number|NaN"),
        ({"highest": 0.5}, "above the highest"),
        ({"highest": math.nan}, "not NaN"),
    ],
)
def test_bad_arguments(change, message):
    question = {"n_labels": LABELS[:SEEN], "scores": law(LABELS[:SEEN])} | change
    with pytest.raises(ValueError, match=message):
        plan_labels(**({"bank": make_bank(20)} | question))


def test_outside_the_band():
    plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=make_bank(20))
    with pytest.raises(ValueError, match="outside"):
        plan.gain_at(500)
    assert plan.gain_at(100) == (0, 0)


def test_an_open_band_has_no_level():
    """Zero to what is left to one is no statement of the bank."""
    curve = law(LABELS[:SEEN])
    curve[-1] += 0.08
    plan = plan_labels(LABELS[:SEEN], curve, bank=make_bank(40))
    assert plan.is_open
    assert plan.word == "what doubling brings cannot be told"
    assert "held for" not in repr(plan)
    advice = stopping_advice(LABELS[:SEEN], curve)
    assert "The band is open: the last score is a jump" in str(advice)


@pytest.mark.parametrize(("n_stages", "is_short"), [(14, True), (40, False)])
def test_short_curves_of_a_bank_are_told(n_stages, is_short):
    bank = Bank()
    for task in range(20):
        curve = draw_curve(np.random.default_rng(task))[:n_stages]
        bank.add_curve(LABELS[:n_stages], curve, task=str(task))
    plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=bank)
    assert plan.labels[-1] == (200 if is_short else 400)
    assert ("no further than twice the labels" in repr(plan)) == is_short


def test_data_sets_that_are_too_short_are_told():
    bank = make_bank(20)
    for task in range(7):
        bank.add_curve(LABELS[:8], law(LABELS[:8]), task=f"short {task}")
    plan = plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), bank=bank)
    assert plan.n_families == 20
    assert "90% of 20 families of data sets" in repr(plan)


def test_horizons_end_with_the_curves_exactly():
    """A curve of 24 stages, cut at a quarter, shows six of them and not five."""
    for n_stages in range(24, 200, 4):
        bank = Bank()
        labels = 0.7 * np.arange(1, n_stages + 1)
        for task in range(3):
            bank.add_curve(labels, law(10 + labels), task=str(task))
        assert calibrate(bank, SEEN, 1).horizons[-1] == 4


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9, 0.95, 0.98, 0.99, 0.9991])
def test_families_needed_is_where_the_quantile_becomes_finite(level):
    n = families_needed(level)
    for n_tasks, is_finite in ((n, True), (n - 1, False)):
        weights = np.full(n_tasks, 1 / (n_tasks + 1))
        values = np.arange(n_tasks, dtype=float)
        found = weighted_quantile(values, weights, (1 + level) / 2)
        assert math.isfinite(found) == is_finite


@pytest.mark.parametrize("value", [-5e4, 3.0])
def test_equal_scores_of_no_known_unit_are_open(value):
    plan = plan_labels(LABELS[:SEEN], np.full(SEEN, value), smallest_gain=1)
    assert "all equal" in plan.is_open
    assert not plan.will_not_pay
    # of shares the unit is known
    assert not plan_labels(LABELS[:SEEN], np.full(SEEN, 0.5)).is_open


@pytest.mark.parametrize("last", [1.0, 0.995])
def test_where_less_is_left_than_matters_doubling_will_not_pay(last):
    for scores in (np.full(SEEN, last), last - np.array([0.3, *np.zeros(SEEN - 1)])):
        plan = plan_labels(LABELS[:SEEN], scores, smallest_gain=0.01)
        assert plan.word == "doubling will not pay"
        assert (plan.high <= 1).all()


def test_a_level_is_told_as_it_is():
    said = repr(plan_labels(LABELS[:SEEN], law(LABELS[:SEEN]), level=0.999))
    assert "a band of 99.9% needs 1999" in said


def test_a_bank_of_several_units():
    """What unit a task is measured in does not matter, nor to those beside it."""
    plain, mixed, losses = make_bank(40), make_bank(40), Bank()
    for task in range(40):
        unit = 10.0 ** (task % 7)
        losses.add_curve(LABELS, unit * (plain.scores[task] - 1.1), task=str(task))
    mixed.add_curve(LABELS, 1e6 * plain.scores[0], task="0", strategy="in millionths")
    question = law(LABELS[:SEEN])
    ours, theirs = (
        plan_labels(LABELS[:SEEN], question, bank=b) for b in (plain, mixed)
    )
    assert (theirs.high - ours.high).max() < 0.02
    assert calibrate(mixed, SEEN, 1).spread < 1
    small, large = (
        plan_labels(LABELS[:SEEN], unit * (question - 1), bank=losses, highest=0.0)
        for unit in (10.0, 1e5)
    )
    np.testing.assert_allclose(small.high / 10, large.high / 1e5, rtol=1e-6)
    one_unit = Bank()
    for task in range(40):
        one_unit.add_curve(LABELS, 10 * (plain.scores[task] - 1.1), task=str(task))
    again = plan_labels(LABELS[:SEEN], 10 * (question - 1), bank=one_unit, highest=0.0)
    np.testing.assert_allclose(small.low, again.low, rtol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"n_labels": LABELS[:SEEN] / 1000}, "whole numbers"),
        ({"n_labels": LABELS[:SEEN] + 0.5}, "whole numbers"),
        ({"scores": 100 * law(LABELS[:SEEN]), "n_test": 50}, "n_test .* shares"),
    ],
)
def test_questions_that_have_no_answer(change, message):
    question = {"n_labels": LABELS[:SEEN], "scores": law(LABELS[:SEEN])} | change
    with pytest.raises(ValueError, match=message):
        plan_labels(**question)


def test_a_band_leaves_out_as_much_above_as_below():
    """Of 39 tasks and one more, 95 % up and 95 % down hold 90 %."""
    bank = Bank()
    for task in range(39):
        curve = draw_curve(np.random.default_rng(task))
        bank.add_curve(LABELS, curve, task=str(task))
    known = calibrate(bank, SEEN, 1)
    up, down = known.quantiles(0.9)
    assert up == np.sort(known.above)[37]
    assert down == np.sort(known.below)[37]


@pytest.mark.parametrize(
    ("noise", "jump", "is_open"), [(0.01, 0.1, True), (0.03, 0.06, False)]
)
def test_a_jump_is_one_beside_the_noise(noise, jump, is_open):
    curve = law(LABELS[:SEEN])
    curve[::2] += noise
    curve[1::2] -= noise
    curve[-1] = law(LABELS[:SEEN])[-1] + jump
    plan = plan_labels(LABELS[:SEEN], curve, bank=make_bank(40))
    assert ("jump" in plan.is_open) == is_open
