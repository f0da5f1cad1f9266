"""The folder of a model's embeddings, found again when the model changes itself."""

import os
import uuid
from contextlib import suppress
from pathlib import Path

_SUFFIX = ".same"


class ModelFolder:
    """The folder of a model by its key.

    Tokenizers note how they were called last, modules build tables when they are first
    used: a pass changes the key though nothing that decides a result has changed. Then
    the new key is noted, in a file that names the folder, for this process and others.

    Parameters
    ----------
    place : Path
        The folder of all models.
    key : str
        Digest of all that decides the results of this one.
    """

    def __init__(self, place: Path, key: str):
        self._place = place
        self._keys = {key}
        self.path = place / self._home(key)

    def is_known(self, key: str) -> bool:
        """Return whether a key leads here."""
        return key in self._keys

    def note(self, key: str) -> None:
        """Note that a key leads here, unless it leads elsewhere already.

        Parameters
        ----------
        key : str
            That of a model of which it was seen that it computes the same.
        """
        self._keys.add(key)
        if self._home(key) != key or (self._place / key).exists():
            return
        draft = self._place / f"{key}.{os.getpid()}.{uuid.uuid4().hex}.tmp"
        # Where nothing can be written nothing is kept, and nothing need be found.
        with suppress(OSError):
            try:
                with draft.open("x", encoding="ascii") as file:
                    file.write(self.path.name)
                draft.replace(self._place / f"{key}{_SUFFIX}")
            finally:
                draft.unlink(missing_ok=True)

    def _home(self, key: str) -> str:
        """Return the name of the folder to which a key leads."""
        try:
            text = (self._place / f"{key}{_SUFFIX}").read_text("ascii")
        except (OSError, UnicodeDecodeError):
            return key
        is_name = len(text) == len(key) and set(text) <= set("0123456789abcdef")
        return text if is_name else key
