"""What stands in place of a label has no say in a fit."""

import numpy as np
import pytest
import torch
from support import JOINT_MAKERS, MAKERS, POSTERIOR_MAKERS, make_net

ALL = MAKERS | JOINT_MAKERS | POSTERIOR_MAKERS


@pytest.mark.parametrize("make", ALL.values(), ids=ALL)
@pytest.mark.parametrize(
    "missing_label",
    [np.nan, 1, pytest.param(77, marks=pytest.mark.slow)],
    ids=str,
)
def test_nets_are_the_same_whatever_marks_a_row_without_label(
    make, partly, missing_label
):
    X, y = partly
    # 1 marks rows here, and class 1 is called 5: a marker taken for a class would show
    names = np.array([0, 5, 6])
    labels = np.where(y == -1, missing_label, names[y])
    net = make_net(max_epochs=3)
    one = make(net, classes=[0, 1, 2], random_state=0).fit(X, y)
    two = make(
        net, classes=names.tolist(), missing_label=missing_label, random_state=0
    ).fit(X, labels)
    for first, second in zip(one.nets_, two.nets_, strict=True):
        states = first.module_.state_dict(), second.module_.state_dict()
        for name, weight in states[0].items():
            assert torch.equal(weight, states[1][name]), name
    np.testing.assert_array_equal(one.predict_proba(X), two.predict_proba(X))
