"""What a campaign says when there is nothing to do, or something to do first."""


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


class NoFeaturesError(FileNotFoundError):
    """Items have no features yet; a campaign without them can be looked at."""
