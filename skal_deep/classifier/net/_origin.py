"""Who has written a method: a package, or a subclass from elsewhere."""


def is_written_in(package: str, cls: type, name: str) -> bool:
    """Return whether a class has a method that a package wrote, and no subclass anew.

    Parameters
    ----------
    package : str
        Beginning of the module's name, with a dot at its end.
    cls : type
        The class; it has the method.
    name : str
        Name of the method.
    """
    # functools.wraps gives a method the module of the one that it stands for, and a
    # class is from where it was even if somebody has put another method into it
    home = next(base for base in cls.__mro__ if name in vars(base))
    module = getattr(getattr(cls, name), "__module__", None) or ""
    return home.__module__.startswith(package) and module.startswith(package)
