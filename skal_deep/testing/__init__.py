"""Public checks of query strategies, classifiers, regressors and posteriors."""

from skal_deep.testing._classifier_conformance import check_classifier
from skal_deep.testing._conformance import ConformanceReport, check_query_strategy
from skal_deep.testing._posterior_check import PosteriorReport, check_posterior
from skal_deep.testing._regressor_conformance import check_regressor

__all__ = [
    "ConformanceReport",
    "PosteriorReport",
    "check_classifier",
    "check_posterior",
    "check_query_strategy",
    "check_regressor",
]
