"""scikit-learn's own checks."""

import pytest
import torch
from sklearn.utils.estimator_checks import check_estimator
from support import MAKERS, make_net

# What no SkactivemlClassifier can pass, with the reason. All of these fail for
# scikit-activeml's ParzenWindowClassifier too.
INHERITED = {
    "check_classifiers_classes": "string labels need a string as missing_label",
    "check_classifiers_regression_target": "any numbers may be class labels",
    "check_dtype_object": "object labels need None as missing_label",
    "check_estimators_empty_data_messages": "no rows at all is a legal cold start",
    "check_requires_y_none": "y=None is refused with scikit-activeml's message",
    "check_supervised_y_2d": "column vectors are refused, not converted",
    "check_supervised_y_no_nan": "NaN may be the missing label",
}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.parametrize("kind", MAKERS)
def test_check_estimator(kind):
    net = make_net(lr=0.02, max_epochs=40, optimizer=torch.optim.Adam)
    clf = MAKERS[kind](net, random_state=0)
    results = check_estimator(clf, expected_failed_checks=INHERITED, on_fail=None)
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert not failed, failed
