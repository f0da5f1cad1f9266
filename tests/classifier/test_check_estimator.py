"""scikit-learn's own checks."""

import pytest
from sklearn.utils.estimator_checks import check_estimator
from support import MAKERS, make_net

from skal_deep.modules import MLP

# What no SkactivemlClassifier can pass, with the reason. All of these fail for
# scikit-activeml's ParzenWindowClassifier too.
INHERITED = {
    "check_classifiers_classes": "string labels need a string as missing_label",
    "check_classifiers_regression_target": "any numbers may be class labels",
    "check_estimators_empty_data_messages": "no rows at all is a legal cold start",
    "check_supervised_y_2d": "column vectors are taken without a warning",
    "check_supervised_y_no_nan": "inf in y is a label like any other",
}
BATCHED = {"batched": lambda net, **kw: MAKERS["ensemble"](net, batched=True, **kw)}
# Members trained at once are those trained one after another; weights that are
# collected are a trained net's.
NIGHTLY = {"ensemble", "snapshots", "swag"}
EQUIVALENCE = (
    "check_sample_weight_equivalence_on_dense_data",
    "check_sample_weight_equivalence_on_sparse_data",
)
OWN = {
    "dropout": "dropout noise differs between a repeated row and a heavy one",
    "heads": "random weights differ between a repeated row and a heavy one",
    "laplace": "the posterior's width depends on the number of rows, not on the scale "
    "of weights",
}


class DoubleMLP(MLP):
    """Computes in float64: the checks compare to 1e-7."""

    def __init__(self, n_features, n_classes, dropout):
        super().__init__(n_features, n_classes, n_hidden=8, dropout=dropout)
        self.double()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore:All labels are")  # of one class: it is fitted
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=pytest.mark.nightly if kind in NIGHTLY else ())
        for kind in MAKERS | BATCHED
    ],
)
def test_check_estimator(kind):
    net = make_net(DoubleMLP, lr=0.2, max_epochs=6, batch_size=-1)
    net.set_params(
        iterator_train__shuffle=False,
        module__dropout=0.5 if kind == "dropout" else 0.0,
    )
    own = dict.fromkeys(EQUIVALENCE, OWN[kind]) if kind in OWN else {}
    results = check_estimator(
        (MAKERS | BATCHED)[kind](net, random_state=0),
        expected_failed_checks=INHERITED | own,
        on_fail=None,
    )
    failed = {
        r["check_name"]: r["exception"] for r in results if r["status"] == "failed"
    }
    assert not failed, failed
    passed_after_all = {
        r["check_name"] for r in results if r["status"] == "passed"
    } & set(INHERITED)
    assert not passed_after_all
