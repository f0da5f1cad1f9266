"""What is to be labelled next, as people see it: nobody can tell who picked what."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from skal_deep.campaign._contact_sheet import contact_sheet
from skal_deep.campaign.store._files import replace
from skal_deep.campaign.store._folder import Folder
from skal_deep.evaluation._export import _cell

if TYPE_CHECKING:
    from skal_deep.campaign._campaign_files import CampaignFiles

HTML, CSV, CLASSES = "batch.html", "batch.csv", "batch.classes.txt"


@dataclass(frozen=True)
class Batch:
    """The items of one round, in the order in which they are shown.

    ``Campaign.next`` returns it. Which items a strategy chose and which chance picked
    is not told: whoever labels should not know.

    Attributes
    ----------
    campaign : Campaign
        The campaign that asks.
    number : int
        Number of the round.
    ids : list of str
        Ids of the items.

    See Also
    --------
    Campaign : Asks and takes the labels.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> from pathlib import Path
    >>> from skal_deep.campaign import Campaign
    >>> folder = Path(tempfile.mkdtemp())
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> np.save(folder / "X.npy", X)
    >>> c = Campaign.create(
    ...     folder / "c", embeddings=folder / "X.npy", classes=["a", "b"], budget=20
    ... )
    >>> batch = c.next(batch_size=5)
    >>> batch.number, len(batch.ids)
    (1, 5)
    """

    campaign: "CampaignFiles"
    number: int
    ids: list[str]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def left(self) -> list[str]:
        """Ids that nobody has answered yet."""
        return self.campaign.left(self.number)

    @property
    def paths(self) -> list[Path]:
        """Files of the items, where items are images."""
        source = self.campaign.source
        if not isinstance(source, Folder):
            raise TypeError(
                f"The items of this campaign are no files but {self.campaign.kind}: "
                "use texts."
            )
        return [source.file(self.campaign.place(name)) for name in self.ids]

    @property
    def texts(self) -> list[str]:
        """Texts of the items; of a table its entries, of an array its numbers."""
        return [self.campaign.text(name) for name in self.ids]

    def to_html(self) -> Path:
        """Write the round as a page that needs no server, and return its path.

        Returns
        -------
        Path
            The page, in the campaign's folder.
        """
        path = self.campaign.path / HTML
        replace(
            path,
            contact_sheet(self.campaign, self.number, self.ids).encode(
                "utf-8", "replace"
            ),
        )
        return path

    def to_csv(self) -> Path:
        """Write ids with empty labels, to be filled in, and return the path.

        The classes stand in a file beside it.

        Returns
        -------
        Path
            The file, in the campaign's folder.
        """
        text = io.StringIO(newline="")
        writer = csv.writer(
            text
        )  # ends lines by both breaks: it quotes either in an id
        writer.writerow(["id", "label"])
        # Spreadsheets run cells that begin as formulas do.
        writer.writerows([_cell(name), ""] for name in self.ids)
        path = self.campaign.path / CSV
        replace(path, text.getvalue().encode())
        if classes := self.campaign.classes:
            names = "".join(f"{name}\n" for name in classes)
            replace(self.campaign.path / CLASSES, names.encode())
        return path
