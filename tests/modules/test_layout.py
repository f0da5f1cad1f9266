"""Images by channels_last: the same answers, in the usual order where needed."""

import numpy as np
import pytest
import torch
from support import make_net
from torch import nn

from skal_deep.classifier import DeepClassifier
from skal_deep.modules import coupled_dropout
from skal_deep.modules._layout import ChannelsLast
from skal_deep.modules._prefix import SharedPrefix
from skal_deep.modules._thinned import ThinnedDraws, draw_passes

IMAGES = torch.rand(6, 3, 5, 5, generator=torch.Generator().manual_seed(0))


def is_channels_last(x):
    return x.stride(1) == 1


@pytest.mark.parametrize("n_channels", [1, 3])
def test_the_numbers_stay_the_same(n_channels):
    images = IMAGES[:, :n_channels].contiguous()
    seen = ChannelsLast(lambda x: x)(images)
    assert is_channels_last(seen)
    assert not is_channels_last(images)
    assert torch.equal(seen, images)


def test_what_is_no_image_stays_as_it_is():
    rows = IMAGES[:, :, 0]
    assert ChannelsLast(lambda x: x)(rows) is rows


def test_what_wants_the_usual_order_is_asked_once():
    seen = []

    def flat(x):
        seen.append(is_channels_last(x))
        return x.view(len(x), -1)

    run = ChannelsLast(flat)
    for _ in range(2):
        assert torch.equal(run(IMAGES), IMAGES.flatten(1))
    assert seen == [True, False, False]


def test_writing_through_a_view_is_not_lost():
    def shifted(x):
        x = x + 0
        x.view(len(x), -1).add_(1)
        return x

    assert torch.equal(ChannelsLast(shifted)(IMAGES), IMAGES + 1)


def test_other_errors_are_raised():
    with pytest.raises(RuntimeError, match="invalid for input of size"):
        ChannelsLast(lambda x: x.view(7, 7))(IMAGES)


class Net(nn.Module):
    """Flattens by a method that asks for the usual order in memory, or does not."""

    def __init__(self, views=False, n_classes=2):
        super().__init__()
        self.conv, self.drop = nn.Conv2d(3, 40, 3), nn.Dropout(0.5)
        self.views, self.last = views, nn.Linear(360, n_classes)

    def forward(self, x):
        x = self.conv(x)
        x = x.view(x.size(0), -1) if self.views else x.flatten(1)
        return self.last(self.drop(x))


@pytest.mark.parametrize("views", [False, True])
def test_predictions_of_both_kinds_of_nets(views):
    clf = DeepClassifier(
        make_net(Net, module__views=views, max_epochs=1),
        classes=[0, 1],
        random_state=0,
    ).fit(IMAGES.numpy(), np.arange(6) % 2)
    module, seen = clf.nets_[0].module_.eval(), []
    with torch.no_grad():
        expected = module(IMAGES).softmax(-1)
    module.register_forward_pre_hook(lambda _, x: seen.append(is_channels_last(x[0])))
    np.testing.assert_allclose(clf.predict_proba(IMAGES.numpy()), expected, rtol=1e-5)
    assert seen == ([True, False] if views else [True])


def test_mini_batches_share_masks_also_after_a_run_that_failed():
    class Late(Net):
        def forward(self, x):
            return self.last(self.drop(self.conv(x)).view(x.size(0), -1))

    torch.manual_seed(0)
    module = Late().eval()
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        passes = SharedPrefix(module)
        parts = [torch.stack([*passes.draws(x, masks, 3)]) for x in IMAGES.split(2)]
        for draw in range(3):
            masks.use(draw)
            torch.testing.assert_close(torch.cat(parts, 1)[draw], module(IMAGES))


@pytest.mark.parametrize("views", [False, True])
def test_draws_of_both_kinds_of_nets(monkeypatch, views):
    monkeypatch.setattr("skal_deep.modules._thinned._MIN_WEIGHTS", 0)
    torch.manual_seed(0)
    module = Net(views).eval()
    with torch.no_grad(), coupled_dropout(module, 0) as masks:
        passes = draw_passes(module)
        assert isinstance(passes, ThinnedDraws)
        found = torch.stack(list(passes.draws(IMAGES, masks, 3)))
        for draw in range(3):
            masks.use(draw)
            torch.testing.assert_close(found[draw], module(IMAGES))
