"""What a campaign says when there is nothing left to do."""


class NothingToDoError(Exception):
    """The budget is spent, or no item is left to ask for.

    ``Campaign.next`` raises it; nothing is wrong. Use it to end a loop of rounds.

    See Also
    --------
    Campaign : Raises it.

    Examples
    --------
    >>> from skal_deep.campaign import NothingToDoError
    >>> try:
    ...     raise NothingToDoError("The budget of 10 labels is spent.")
    ... except NothingToDoError as error:
    ...     print(error)
    The budget of 10 labels is spent.
    """
