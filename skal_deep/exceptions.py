"""Errors that are more than wrong values."""

__all__ = ["CapabilityError"]


class CapabilityError(TypeError):
    """A classifier cannot answer what it is asked for."""
