"""What strategies and models see of the items of a campaign."""

from collections.abc import Callable

from skal_deep.campaign._asking import features_of
from skal_deep.campaign._campaign_files import CampaignFiles
from skal_deep.campaign._embed import Embedded, embed_items, lock_features
from skal_deep.campaign.models._extractors import feature_name, make_extractor
from skal_deep.campaign.models._features import FeatureFile
from skal_deep.campaign.store._errors import NoFeaturesError
from skal_deep.campaign.store._files import lock
from skal_deep.campaign.store._images import MAX_PIXELS


class CampaignFeatures(CampaignFiles):
    """Features that come with the items, or are computed."""

    @property
    def has_features(self) -> bool:
        """Whether there is something that strategies and models see."""
        try:
            features_of(self, self.items)
        except NoFeaturesError:
            return False
        return True

    def embed(
        self,
        features: str = "pixels",
        *,
        batch_size: int = 64,
        device: str = "cpu",
        download: bool = False,
        max_pixels: float = MAX_PIXELS,
        report: Callable[[int, int], None] | None = None,
    ) -> Embedded:
        """Compute features of all items, which strategies and models see.

        Items that have them are left out, so that a call that was interrupted goes on.

        Parameters
        ----------
        features : str, default="pixels"
            "pixels", "tfidf", "torchvision:NAME", "timm:NAME", "transformers:NAME", or
            ``module:function``: a function that takes a list of paths, texts or rows
            and returns an array with a row for each.
        batch_size : int, default=64
            Items a pass.
        device : str, default="cpu"
            Where to compute.
        download : bool, default=False
            Whether weights may be fetched from the internet.
        max_pixels : float, default=1e8
            Larger images count as broken.
        report : callable, default=None
            Is told how many of how many items are done.

        Returns
        -------
        Embedded
            What was done.
        """
        if self.kind in ("table", "embeddings") and ":" not in features:
            raise ValueError(
                f"Items of the kind {self.kind} have their features with them: go on "
                f"with python -m skal_deep next {self.path}."
            )
        file = FeatureFile(self.path, feature_name(features))
        extractor = make_extractor(
            features,
            self.kind,
            batch_size=batch_size,
            device=device,
            download=download,
        )
        self.rescan()
        with lock_features(file):
            embedded = embed_items(
                self,
                extractor,
                file,
                features,
                batch_size,
                max_pixels,
                report,
            )
        with lock(self.path):
            if self.settings.features != file.name:
                self.settings.changed(features=file.name).write(self.path)
        return embedded
