"""Whether to go on labelling: curves carried on, predictions that settle."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.figure import Figure
from sklearn.metrics import cohen_kappa_score

from skal_deep.evaluation import plan_labels, plot_projection, stopping_advice
from skal_deep.evaluation.advice._stopping import agreements, confidences
from skal_deep.evaluation.planning._projection import project
from skal_deep.evaluation.statistics._power_law import power_law

LABELS = np.arange(20, 201, 20)


def law(n, a=0.95, b=1.2, c=0.6):
    return a - b * np.asarray(n, float) ** -c


def probabilities(*predictions, confidence=0.8):
    """Probabilities of three classes that predict what is said."""
    predictions = np.array(predictions)
    other = (1 - np.broadcast_to(confidence, len(predictions))) / 2
    proba = np.repeat(
        np.repeat(other[:, None], predictions.shape[1], 1)[..., None], 3, 2
    )
    np.put_along_axis(
        proba, predictions[..., None], 1 - 2 * other[:, None, None], axis=2
    )
    return proba


class TestPowerLaw:
    @pytest.mark.slow
    @given(st.floats(0.5, 1), st.floats(0.1, 2), st.floats(0.3, 1.5))
    def test_a_law_is_found_again(self, a, b, c):
        fit = power_law(LABELS, [law(LABELS, a, b, c)], [30, 100, 400])[0]
        np.testing.assert_allclose(fit, law([30, 100, 400], a, b, c), atol=0.004)

    def test_is_the_best_of_its_grid(self):
        rng = np.random.default_rng(0)
        curve = law(LABELS) + 0.02 * rng.normal(size=10)
        ours = ((power_law(LABELS, [curve], LABELS)[0] - curve) ** 2).sum()
        for c in np.geomspace(0.05, 5, 60):
            design = np.column_stack([np.ones(10), LABELS**-c])
            rest = np.linalg.lstsq(design, curve)[1][0]
            assert ours <= rest * (1 + 1e-9)

    def test_a_falling_curve_is_flat(self):
        fit = power_law(LABELS, [-law(LABELS)], LABELS)[0]
        np.testing.assert_allclose(fit, -law(LABELS).mean())

    def test_every_curve_has_its_own(self):
        curves = np.array([law(LABELS), law(LABELS, c=1.0)])
        both = power_law(LABELS, curves, LABELS)
        for curve, fit in zip(curves, both, strict=True):
            np.testing.assert_allclose(power_law(LABELS, [curve], LABELS)[0], fit)


class TestProjection:
    def test_interval_holds_the_true_gain(self):
        rng, held = np.random.default_rng(0), 0
        true = law(380) - law(200)
        for _ in range(60):
            curve = law(LABELS) + 0.01 * rng.normal(size=10)
            found = project(LABELS, curve, 180)
            held += found.low <= true <= found.high
        assert held >= 54

    def test_the_curve_is_that_of_the_gain(self):
        rng = np.random.default_rng(0)
        curve = law(LABELS) + 0.01 * rng.normal(size=10)
        found = project(LABELS, curve, 100)
        plan = plan_labels(LABELS, curve)
        assert found.labels[0] == 20
        assert found.labels[-1] == 300
        assert found.fit[-1] - plan.current == pytest.approx(found.gain)
        assert found.fit_low[-1] - plan.current == pytest.approx(found.low)
        assert found.fit_high[-1] - plan.current == pytest.approx(found.high)
        assert (found.fit_low <= found.fit_high).all()

    def test_few_stages_are_refused(self):
        with pytest.raises(ValueError, match="at least 6 stages"):
            project([1, 2, 3, 4, 5], [0.1, 0.2, 0.3, 0.4, 0.5], 1)

    @pytest.mark.parametrize("n_more", [0, 601])
    def test_beyond_the_band(self, n_more):
        with pytest.raises(ValueError, match="between 1 and 600"):
            project(LABELS, law(LABELS), n_more)

    def test_picture(self):
        curve = law(LABELS)
        advice = stopping_advice(LABELS, curve)
        ax = Figure().subplots()
        assert plot_projection(advice.projection, LABELS, curve, ax) is ax
        lines = {line.get_label(): line for line in ax.lines}
        assert lines["forecast"].get_xdata()[-1] == 380
        np.testing.assert_array_equal(lines["measured"].get_ydata(), curve)


class TestStability:
    def test_kappa_is_that_of_scikit_learn(self):
        predictions = np.random.default_rng(0).integers(3, size=(5, 40))
        ours = agreements(probabilities(*predictions))
        theirs = [cohen_kappa_score(*pair) for pair in pairwise(predictions)]
        np.testing.assert_allclose(ours, theirs)

    def test_one_class_alone_agrees(self):
        np.testing.assert_array_equal(agreements(probabilities([0, 0], [0, 0])), [1])

    def test_confidence_is_the_mean_of_the_predicted(self):
        proba = [[[0.7, 0.3], [0.4, 0.6]], [[0.5, 0.5], [1, 0]]]
        np.testing.assert_allclose(confidences(proba), [0.65, 0.75])


class TestAdvice:
    def test_a_flat_curve_stops(self):
        rng = np.random.default_rng(0)
        labels = np.arange(20, 330, 20)
        flat = 0.9 + 0.001 * rng.normal(size=(8, 16))
        advice = stopping_advice(labels, flat)
        assert advice.word == "stop"
        assert "stop. 300 more labels would bring " in str(advice)

    def test_a_steep_curve_does_not(self):
        steep = stopping_advice(LABELS, law(LABELS))
        assert steep.word == "unclear"
        assert steep.projection.n_more == 180
        assert steep.projection.high > 0.05

    def test_what_is_worth_it_is_for_the_user_to_say(self):
        curve = law(LABELS)
        assert stopping_advice(LABELS, curve, smallest_gain=0.5).word == "stop"
        assert stopping_advice(LABELS, curve, smallest_gain=-0.1).word == "go on"
        assert stopping_advice(LABELS, curve, n_more=1).word == "stop"

    def test_noise_never_stops(self):
        rng, words = np.random.default_rng(0), []
        for _ in range(30):
            noisy = law(LABELS) + 0.02 * rng.normal(size=10)
            words.append(stopping_advice(LABELS, noisy).word)
        assert set(words) == {"unclear"}  # the true gain is little above one point

    def test_settled_predictions_stop(self):
        settled = probabilities(*[[0, 1, 2, 1]] * 5)
        advice = stopping_advice(LABELS[:5], proba=settled)
        assert [signal.stop for signal in advice.signals] == [True, None]
        assert advice.word == "stop"
        assert advice.projection is None

    def test_confidence(self):
        moving = np.random.default_rng(0).integers(3, size=(5, 40))
        rising = probabilities(*moving, confidence=[0.5, 0.6, 0.7, 0.8, 0.9])
        advice = stopping_advice(LABELS[:5], proba=rising)
        assert [signal.stop for signal in advice.signals] == [False, False]
        falling = stopping_advice(LABELS[:5], proba=rising[::-1])
        assert [signal.stop for signal in falling.signals] == [False, True]
        assert falling.word == "unclear"
        assert "from 0.800 to 0.500" in str(falling)

    def test_early_stages_say_nothing(self):
        advice = stopping_advice([10, 20], proba=probabilities([0, 1], [0, 1]))
        assert {signal.stop for signal in advice.signals} == {None}
        assert advice.word == "unclear"

    @pytest.mark.parametrize("n_stages", range(1, 6))
    def test_early_scores_say_nothing(self, n_stages):
        """After each of the first rounds, too: it is no error to ask."""
        scores = np.linspace(0.5, 0.9, n_stages)
        advice = stopping_advice(LABELS[:n_stages], scores)
        assert (advice.word, advice.projection) == ("unclear", None)
        assert "projected gain: cannot tell. It needs 6 stages." in str(advice)
        with pytest.raises(ValueError, match="NaN"):
            stopping_advice(LABELS[:n_stages], np.nan * scores)

    def test_bad_calls_are_refused(self):
        with pytest.raises(ValueError, match="give scores"):
            stopping_advice([1, 2])
        with pytest.raises(ValueError, match="proba has 2 stages"):
            stopping_advice([1, 2, 3], proba=probabilities([0], [1]))


class TestBound:
    """No projection exceeds the highest score there is."""

    @pytest.mark.slow
    @pytest.mark.parametrize("ceiling", [0.97, 0.99, 1.0])
    def test_shares_stay_shares(self, ceiling):
        rng = np.random.default_rng(0)
        labels = np.arange(10, 110, 10)
        for _ in range(50):
            curve = ceiling - 0.5 * (labels / 10) ** -rng.uniform(0.3, 1.5)
            curve = np.clip(curve + 0.01 * rng.normal(size=10), 0, 1)
            for n_more in (100, 300):
                found = stopping_advice(labels, curve, n_more=n_more).projection
                assert max(found.fit.max(), found.fit_high.max()) <= 1
                assert found.high <= 1
                now = plan_labels(labels, curve).current
                assert found.gain <= 1 - now + 1e-9

    def test_repeats_stay_shares(self):
        rng = np.random.default_rng(0)
        labels = np.arange(10, 110, 10)
        curves = np.clip(1 - 3 / labels + 0.02 * rng.normal(size=(5, 10)), 0, 1)
        found = stopping_advice(labels, curves, n_more=300).projection
        assert max(found.fit.max(), found.fit_high.max()) <= 1

    def test_losses_stay_below_zero_and_other_scores_are_free(self):
        labels = np.arange(10, 70, 10)
        loss = -0.2 * (labels / 10) ** -0.3
        found = stopping_advice(labels, loss, n_more=180).projection
        assert found.fit.max() <= 0
        rising = np.log(labels)
        assert stopping_advice(labels, rising).projection.fit.max() > rising[-1]
        bound = stopping_advice(labels, rising, highest=4.2, n_more=180).projection
        assert rising[-1] < bound.fit_high.max() <= 4.2
        with pytest.raises(ValueError, match="above the highest"):
            stopping_advice(labels, rising, highest=3.0)

    @pytest.mark.slow
    def test_a_fit_at_the_bound_is_the_best_there(self):
        """Against a search over all slopes and exponents of the grid."""
        labels = np.array([10.0, 20, 30, 40, 50, 60])
        scores = np.array([0.5, 0.62, 0.7, 0.8, 0.88, 0.97])
        fit = power_law(labels, scores[None], labels, highest=1.0)[0]
        best = min(
            ((a - b * (labels / 10) ** -c - scores) ** 2).sum()
            for c in np.geomspace(0.05, 5, 60)
            for a in np.linspace(0.5, 1, 51)
            for b in np.linspace(0, 1, 201)
        )
        assert ((fit - scores) ** 2).sum() <= best + 1e-12
        free = power_law(labels, scores[None], [1e9])[0]
        assert free > 1 >= power_law(labels, scores[None], [1e9], highest=1.0)[0]

    def test_stages_without_a_label_are_refused(self):
        with pytest.raises(ValueError, match="labels at the first stage"):
            stopping_advice([0, *LABELS[:5]], np.linspace(0.1, 0.6, 6))
        with pytest.raises(ValueError, match="must lie between 1 and"):
            stopping_advice(LABELS, law(LABELS), n_more=0)

    def test_what_is_no_number_is_refused(self):
        labels, scores = LABELS, law(LABELS)
        for n_more in (1.5, np.nan):
            with pytest.raises(TypeError, match="n_more must be a whole number"):
                stopping_advice(labels, scores, n_more=n_more)
        with pytest.raises(ValueError, match="highest must be a number"):
            stopping_advice(labels, scores, highest=np.nan)
        with pytest.raises(ValueError, match="smallest_gain must be a number"):
            stopping_advice(labels, scores, smallest_gain=np.nan)
