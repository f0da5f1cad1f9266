"""Differences of scores as text."""


def format_size(value: float, is_share: bool, sign: str = "") -> str:
    """Return a difference of scores in words.

    Parameters
    ----------
    value : float
        The difference.
    is_share : bool
        Whether scores are shares: then it is given in points, that is, hundredths.
    sign : {"", "+"}, default=""
        Whether a plus is written.
    """
    digits = digits_of(100 * value if is_share else value, sign)
    return f"{digits} points" if is_share else digits


def digits_of(number: float, sign: str) -> str:
    """Return two digits of a number, or one behind the point.

    Parameters
    ----------
    number : float
        The number.
    sign : {"", "+"}
        Whether a plus is written.
    """
    return format(number, f"{sign}.1f" if abs(number) >= 1 else f"{sign}.2g")
