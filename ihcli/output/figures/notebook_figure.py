"""A figure that a notebook shows as a picture, without pyplot and its global state."""

import io

from matplotlib.figure import Figure


class NotebookFigure(Figure):
    """A matplotlib figure with the representation that Jupyter asks for."""

    def _repr_png_(self) -> bytes:
        """The figure as PNG."""
        content = io.BytesIO()
        self.savefig(content, format="png", facecolor=self.get_facecolor())
        return content.getvalue()
