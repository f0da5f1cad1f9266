"""The page inside a notebook: the same script, over the notebook's own wire."""

from typing import Any

from skal_deep.campaign._label_page import part
from skal_deep.campaign._sitting import RefusedError, Sitting


def make_widget(sitting: Sitting) -> Any:
    """Return a widget for notebooks.

    Parameters
    ----------
    sitting : Sitting
        What is shown.
    """
    try:
        from anywidget import AnyWidget
    except ImportError as error:
        raise ImportError(
            "Labelling in a notebook needs anywidget: pip install "
            "'skal-deep[notebook]'. Without it, python -m skal_deep label opens the "
            "same page in a browser."
        ) from error

    class LabelWidget(AnyWidget):
        _esm = f"{part('label.js')}\n{part('widget.js')}"
        _css = part("label.css")

    widget = LabelWidget()

    # Messages, not traits: two values of a trait that follow fast become one.
    def hear(widget: Any, message: Any, _: Any) -> None:
        answer, files = reply(sitting, message)
        widget.send(answer, files)

    widget.on_msg(hear)
    return widget


def reply(sitting: Sitting, message: Any) -> tuple[dict[str, Any], list[bytes]]:
    """Return what a message of the script gets, and the image that goes with it.

    Parameters
    ----------
    sitting : Sitting
        What is shown.
    message : dict
        Its number as "n", what is asked as "ask", and "said".
    """
    message = message if isinstance(message, dict) else {}
    said = message.get("said")
    said = said if isinstance(said, dict) else {}
    answer: dict[str, Any] = {"n": message.get("n")}
    try:
        match message.get("ask"):
            case "view":
                return {**answer, "got": sitting.view()}, []
            case "item":
                return {**answer, "got": sitting.item(said.get("id"))}, []
            case "image":
                content, kind = sitting.image(said.get("id"))
                return {**answer, "got": {"type": kind}}, [content]
            case "answer":
                return {**answer, "got": sitting.answer(said)}, []
            case "undo":
                return {**answer, "got": sitting.undo()}, []
            case other:
                raise RefusedError(404, f"{other!r} cannot be asked.")
    except RefusedError as error:
        return {**answer, "error": str(error)}, []
