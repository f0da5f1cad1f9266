"""Errors that are more than wrong values."""

__all__ = ["CapabilityError"]


class CapabilityError(TypeError):
    """A classifier cannot answer what it is asked for.

    Catch it where a program tries several classifiers with one strategy; the message
    says which method is missing and which classifier has it.

    See Also
    --------
    as_model : Shows which methods a classifier offers.

    Examples
    --------
    >>> from sklearn.naive_bayes import GaussianNB
    >>> from skal_deep.classifier import CapabilityError
    >>> from skal_deep.pool import BALD
    >>> try:
    ...     BALD().query([[0.0], [1.0], [2.0]], [0, 1, -1], GaussianNB())
    ... except CapabilityError as error:
    ...     print(str(error)[:23])
    BALD needs sample_proba
    """
