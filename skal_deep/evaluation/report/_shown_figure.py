"""A figure that a notebook shows; imported by who draws, for matplotlib takes long."""

import io

from matplotlib.figure import Figure


class ShownFigure(Figure):
    """A figure that belongs to no window, so that nothing has to be closed.

    A notebook shows it by itself: that of matplotlib has no picture there before pyplot
    is in use.
    """

    def _repr_png_(self) -> bytes:
        made = io.BytesIO()
        self.savefig(made, format="png")
        return made.getvalue()
