"""What frozen nets and small copies see of images: upright, whole, as they expect."""

import io
import json
import struct
import sys
import zlib
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from skal_deep.campaign import Campaign, _embed
from skal_deep.campaign._contact_sheet import thumbnail
from skal_deep.campaign.models import _extractors
from skal_deep.campaign.models._extractors import make_extractor
from skal_deep.campaign.store._images import open_image

Image = pytest.importorskip("PIL.Image")
RNG = np.random.default_rng(0)


def extractor(spec, kind="image"):
    return make_extractor(spec, kind, batch_size=2, device="cpu", download=False)


def content_of(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def noise(height, width):
    pixels_HWC = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(pixels_HWC)


# Images as people see them


def test_a_photo_of_a_phone_is_upright_wherever_it_is_seen():
    photo = Image.new("RGB", (40, 20), "white")
    photo.paste("black", (0, 0, 20, 20))  # the left half
    exif = photo.getexif()
    exif[0x0112] = (
        6  # turned by 90 degrees: a browser shows it 20 wide, dark at the top
    )
    content = content_of(photo, "PNG", exif=exif)
    image = open_image(content)
    assert image.size == (20, 40)
    assert image.getpixel((10, 5)) == (0, 0, 0)
    assert image.getpixel((10, 35)) == (255, 255, 255)
    assert extractor("pixels")([image]).reshape(3, 32, 20)[0, 2, 10] == 0
    assert thumbnail(content) == thumbnail(content_of(image))


def test_shades_of_16_bits_do_not_all_become_white():
    shades_HW = np.array([[0, 300, 32768, 65535]], np.uint16)
    for kind in ("PNG", "TIFF"):
        image = open_image(content_of(Image.fromarray(shades_HW), kind))
        assert np.asarray(image).tolist() == [[0, 1, 128, 255]]
    wide = Image.fromarray(np.array([[-2.0, np.nan, 2.0]], np.float32))
    image = open_image(content_of(wide, "TIFF"))
    assert np.asarray(image).tolist() == [[0, 0, 255]]
    flat = Image.fromarray(np.full((2, 2), 7.0, np.float32))
    assert not np.asarray(open_image(content_of(flat, "TIFF"))).any()


def test_an_image_of_one_endless_row_is_broken_and_not_the_end():
    small = content_of(Image.new("RGB", (1, 1)))
    header = small[12:16] + struct.pack(">II", 90_000_000, 1) + small[24:29]
    check = struct.pack(">I", zlib.crc32(header))
    with pytest.raises(ValueError, match="90000000 x 1 pixels cannot be decoded"):
        open_image(small[:12] + header + check + small[33:])


def test_what_is_transparent_is_white():
    # Invisible pixels hold any colour.
    pixels_HWC = np.zeros((4, 4, 4), np.uint8)
    image = open_image(content_of(Image.fromarray(pixels_HWC)))
    assert (extractor("pixels")([image]) == 1).all()
    shown = thumbnail(content_of(image))
    assert shown == thumbnail(content_of(Image.new("RGB", (4, 4), "white")))


def test_a_pass_holds_few_large_images(images, monkeypatch):
    campaign = images(30).campaign
    monkeypatch.setattr(_embed, "_PIXELS", 3 * 64)
    passes = []
    own = _extractors.Pixels.__call__
    monkeypatch.setattr(
        _extractors.Pixels,
        "__call__",
        lambda self, items: passes.append(len(items)) or own(self, items),
    )
    assert campaign.embed("pixels").done == 30
    assert passes == [3] * 10
    rows_ND = campaign.data()[0]
    campaign.path.joinpath("features", "pixels.json").unlink()
    monkeypatch.setattr(_embed, "_PIXELS", 1e9)
    campaign.embed("pixels")
    assert (campaign.data()[0] == rows_ND).all()


# Nets of three libraries, which need not be installed


class Flat(nn.Module):
    """A net that shows what it was given."""

    def __init__(self, **about):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.__dict__.update(about)
        self.seen = []

    def forward(self, x):
        self.seen.append(x.clone())
        return x.mean((2, 3))


def test_a_net_of_timm_sees_what_it_was_trained_on(monkeypatch):
    about = {
        "input_size": (3, 10, 14),
        "mean": (0.5, 0.5, 0.5),
        "std": (0.25, 0.5, 0.5),
    }
    net = Flat(pretrained_cfg=about)
    monkeypatch.setattr(_extractors, "loaded", lambda spec: net)
    rows_ND = extractor("timm:any")([Image.new("RGB", (30, 20), "white")] * 3)
    assert [tuple(x.shape) for x in net.seen] == [(1, 3, 10, 14)]  # they are equal
    assert rows_ND.tolist() == [[2.0, 1.0, 1.0]] * 3
    plain = Flat()  # says nothing: ImageNet's sizes and scales
    monkeypatch.setattr(_extractors, "loaded", lambda spec: plain)
    extractor("timm:any")([Image.new("L", (30, 20))])
    assert plain.seen[0].shape == (1, 3, 224, 224)
    assert plain.seen[0][0, :, 0, 0].tolist() == pytest.approx(
        [-0.485 / 0.229, -0.456 / 0.224, -0.406 / 0.225]
    )


class Squeezed(nn.Module):
    """Like torchvision's nets, whose last layers are called in many ways."""

    def __init__(self, name, layers):
        super().__init__()
        self.name = name
        setattr(self, name, layers)

    def forward(self, x):
        x = x.mean((2, 3), keepdim=True)
        layers = getattr(self, self.name)
        is_map = isinstance(layers, nn.Sequential) and any(
            isinstance(layer, nn.Conv2d | nn.AdaptiveAvgPool2d) for layer in layers
        )
        return layers(x).flatten(1) if is_map else layers(x.flatten(1))


@pytest.mark.parametrize(
    ("name", "layers", "n_features"),
    [
        ("fc", nn.Linear(3, 1000), 3),
        (
            "classifier",
            nn.Sequential(nn.Linear(3, 7), nn.ReLU(), nn.Linear(7, 1000)),
            7,
        ),
        ("classifier", nn.Sequential(nn.Dropout(), nn.Linear(3, 1000)), 3),
        (
            "classifier",
            nn.Sequential(nn.Conv2d(3, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)),
            3,
        ),
    ],
)
def test_only_what_knows_the_classes_is_taken_off(
    monkeypatch, tmp_path, name, layers, n_features
):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "net.pth").touch()
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    about = SimpleNamespace(crop_size=[9], mean=[0.5] * 3, std=[0.5] * 3)
    weights = SimpleNamespace(
        url="https://example.org/net.pth", transforms=lambda: about
    )
    net = Squeezed(name, layers)
    models = SimpleNamespace(
        get_model_weights=lambda name: SimpleNamespace(DEFAULT=weights),
        get_model=lambda name, weights: net,
    )
    monkeypatch.setitem(sys.modules, "torchvision", SimpleNamespace(models=models))
    rows_ND = extractor("torchvision:net")([noise(5, 6), noise(7, 8)])
    assert rows_ND.shape == (2, n_features)
    (tmp_path / "checkpoints" / "net.pth").unlink()
    with pytest.raises(
        FileNotFoundError, match=r"add --download.*fetch https://example.org/net.pth"
    ):
        extractor("torchvision:net")
    models.get_model = lambda name, weights: torch.load(tmp_path / "a", mmap=False)
    for content in (b"", b"junk", b"PK\x03\x04 junk"):
        (tmp_path / "a").write_bytes(content)
        (tmp_path / "checkpoints" / "net.pth").touch()
        with pytest.raises(ValueError, match=r"net\.pth does not hold the weights"):
            extractor("torchvision:net")


def test_a_torchvision_of_another_torch_is_named(monkeypatch, tmp_path):
    (tmp_path / "torchvision.py").write_text(
        "raise RuntimeError('operator torchvision::nms does not exist')"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    with pytest.raises(ImportError, match=r"fits torch 2.*nms does not exist"):
        extractor("torchvision:resnet18")


def test_a_file_of_weights_of_torchvision(images, monkeypatch, tmp_path):
    try:
        from torchvision import models
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"torchvision cannot be loaded: {error}")
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    file = tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth"
    file.parent.mkdir(parents=True)
    net = models.resnet18()
    torch.save(net.state_dict(), file)
    campaign = images(6).campaign
    campaign.embed("torchvision:resnet18")
    rows_ND = campaign.data()[0]
    assert rows_ND.shape == (6, 512)
    assert np.ptp(rows_ND, axis=0).max() > 0
    torch.save({"fc.bias": torch.zeros(1)}, file)
    with pytest.raises(ValueError, match="does not hold the weights"):
        extractor("torchvision:resnet18")


class Maps(nn.Module):
    """Like transformers' convolutional nets: its last hidden states are maps."""

    def forward(self, pixel_values):
        return {"last_hidden_state": pixel_values, "pooler_output": None}


class Towers(nn.Module):
    """Like CLIP, which cannot be asked about images or texts alone."""

    def forward(self, **batch):
        raise ValueError("You have to specify input_ids")

    def get_image_features(self, pixel_values):
        return SimpleNamespace(
            last_hidden_state=None, pooler_output=pixel_values.mean((2, 3))
        )

    def get_text_features(self, input_ids, attention_mask):
        return (input_ids * attention_mask).float()  # so did earlier versions


@pytest.fixture
def transformers(monkeypatch):
    """Return what puts a model into a library of that name."""

    def processor(images, return_tensors):
        pixels = [np.asarray(one.resize((4, 4)), np.float32) / 255 for one in images]
        return {"pixel_values": torch.tensor(np.stack(pixels)).permute(0, 3, 1, 2)}

    def tokenizer(texts, **options):
        assert options == {"return_tensors": "pt", "padding": True, "truncation": True}
        ids = torch.tensor([[len(text), 5] for text in texts])
        return {"input_ids": ids, "attention_mask": torch.tensor([[1, 0]] * len(texts))}

    def put(model):
        makers = {
            "AutoModel": model,
            "AutoImageProcessor": processor,
            "AutoTokenizer": tokenizer,
        }
        library = {
            name: SimpleNamespace(from_pretrained=lambda _, made=made: made)
            for name, made in makers.items()
        }
        monkeypatch.setitem(sys.modules, "transformers", SimpleNamespace(**library))

    return put


def test_maps_of_a_convolutional_net_are_averaged(transformers):
    transformers(Maps())
    rows_ND = extractor("transformers:net")([Image.new("RGB", (9, 5), "red")] * 3)
    assert rows_ND.tolist() == [[1.0, 0.0, 0.0]] * 3


def test_a_model_of_images_and_texts_is_asked_about_one_of_them(transformers):
    transformers(Towers())
    rows_ND = extractor("transformers:clip")([Image.new("RGB", (9, 5), "lime")])
    assert rows_ND.tolist() == [[0.0, 1.0, 0.0]]
    rows_ND = extractor("transformers:clip", "text")(["four", "seventy"])
    assert rows_ND.tolist() == [[4.0, 0.0], [7.0, 0.0]]


# The same by the libraries themselves, with weights of a folder


def test_a_folder_with_a_net_of_timm(images):
    timm = pytest.importorskip("timm")
    safetensors = pytest.importorskip("safetensors.torch")
    played = images(12)
    folder = played.campaign.path.parent / "net"
    folder.mkdir()
    net = timm.create_model("test_efficientnet", pretrained=False)
    safetensors.save_file(net.state_dict(), folder / "model.safetensors")
    about = {"architecture": "test_efficientnet", "num_features": 256}
    about["pretrained_cfg"] = {
        "input_size": [3, 64, 64],
        "num_classes": 1000,
        "classifier": "classifier",
    }
    (folder / "config.json").write_text(json.dumps(about))
    made = played.campaign.embed(f"timm:local-dir:{folder}")
    assert (made.features, made.broken) == ("net", [])
    assert Campaign(played.campaign.path).data()[0].shape == (12, 256)


@pytest.mark.parametrize("kind", ["resnet", "clip"])
def test_a_folder_with_a_net_of_transformers(images, kind):
    library = pytest.importorskip("transformers")
    played = images(12)
    folder = played.campaign.path.parent / "net"
    small = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    small |= {"num_attention_heads": 2}
    if kind == "resnet":
        config = library.ResNetConfig(
            embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic"
        )
    else:
        config = library.CLIPConfig(
            text_config={**small, "vocab_size": 9},
            vision_config={**small, "image_size": 32, "patch_size": 16},
            projection_dim=16,
        )
    library.AutoModel.from_config(config).save_pretrained(folder)
    library.CLIPImageProcessor(
        size={"shortest_edge": 32}, crop_size=32
    ).save_pretrained(folder)
    played.campaign.embed(f"transformers:{folder}")
    assert played.campaign.data()[0].shape == (12, 16)
