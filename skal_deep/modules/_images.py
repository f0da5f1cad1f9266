"""The axes of images: what to say where they are not those of torch."""

# Numbers of channels that pictures have: grey, colour.
_PICTURE = (1, 3)


def axes_hint(shape: tuple[int, ...]) -> str | None:
    """Return what may be wrong with rows of a shape as images, ``None`` if nothing.

    Parameters
    ----------
    shape : tuple of int
        Shape of a row.
    """
    if len(shape) == 2:
        return (
            f"Rows of shape {shape} have no axis for channels. torch's images are (n, "
            "channels, height, width): pass X[:, None]."
        )
    if has_channels_last(shape):
        return (
            f"Rows of shape {shape} look like images with the channels last. torch's "
            "images are (n, channels, height, width): pass np.moveaxis(X, -1, 1)."
        )
    return None


def has_channels_last(shape: tuple[int, ...]) -> bool:
    """Return whether rows look like images of shape (height, width, channels)."""
    if len(shape) != 3:
        return False
    height, width, n_channels = shape
    is_picture = n_channels in _PICTURE or (n_channels == 4 and height == width)
    return is_picture and min(height, width) > 4
