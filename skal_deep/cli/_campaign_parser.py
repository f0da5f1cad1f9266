"""The options of the commands for labelling campaigns."""

from pathlib import Path
from typing import Any

from skal_deep.campaign._export import PARTS
from skal_deep.campaign.honest._honest import METRICS
from skal_deep.cli import _arguments as types

COMMANDS = ("init", "embed", "next", "label", "add", "status", "estimate", "export")
_START = """\
examples:
  a folder of images, three classes, 500 labels to spend:
    python -m skal_deep init birds --images photos/ --classes robin,wren,other \\
        --budget 500
  a table with a text in each row:
    python -m skal_deep init reviews --texts reviews.csv --column text --id review \\
        --classes good,bad --budget 300
  embeddings that you have, and a number as label:
    python -m skal_deep init prices --embeddings clip.npy --ids names.txt --numbers \\
        --budget 200
  again, later: look for new files, add a class, allow more labels:
    python -m skal_deep init birds --classes owl --budget 700
"""
_EMBED = """\
examples:
  small copies of the images, good for a first try:
    python -m skal_deep embed birds --features pixels
  a frozen net, whose weights are on this machine (else add --download):
    python -m skal_deep embed birds --features torchvision:resnet18
  your own function, which takes a list of paths and returns an array:
    python -m skal_deep embed birds --features mine:features
"""
_NEXT = """\
examples:
  the next 20 items: typical ones at first, then uncertain ones:
    python -m skal_deep next birds
  50 items by another strategy:
    python -m skal_deep next birds --strategy badge --batch-size 50
  your own model, a function that returns an unfitted estimator:
    python -m skal_deep next birds --model mine:model --set max_iter=50
"""
_LABEL = """\
keys:
  1 to 9 the classes, s skip (it cannot be labelled), u not sure (ask again later),
  z or Backspace undo; with more than nine classes type some letters, then Enter
examples:
  label the open round in the browser of this machine:
    python -m skal_deep label birds
  on a machine without a browser, over SSH; open the printed address at home:
    ssh -L 8123:127.0.0.1:8123 server
    python -m skal_deep label birds --port 8123 --no-browser
  look again at your last answers, and at those on which people are divided:
    python -m skal_deep label birds --review
    python -m skal_deep label birds --disputed --as ben
"""
_ADD = """\
examples:
  the sheet that `next` has written, with its labels filled in:
    python -m skal_deep add birds birds/batch.csv --as anna
  what was labelled in Label Studio, exported as JSON:
    python -m skal_deep add birds project.json
  labels that existed before the campaign:
    python -m skal_deep add birds old.csv --given
"""


def add_campaign_commands(commands: Any, formatter: type) -> None:
    """Add the commands of labelling campaigns.

    Parameters
    ----------
    commands : object
        What ``argparse`` returns for commands.
    formatter : type
        How help is laid out.
    """

    def add(name: str, text: str, description: str, epilog: str = "") -> Any:
        parser = commands.add_parser(
            name,
            help=text,
            description=description,
            epilog=epilog,
            formatter_class=formatter,
        )
        parser.add_argument("dir", type=Path, metavar="DIR", help="the campaign")
        parser.add_argument(
            "--json", action="store_true", help="print one JSON object, for scripts"
        )
        return parser

    _add_init(
        add(
            "init",
            "begin to label a folder of images, texts, a table or an array",
            "Begin a labelling campaign, or look again at its files. No label is "
            "needed.",
            _START,
        )
    )
    _add_embed(
        add(
            "embed",
            "compute what strategies and models see of the items, once",
            "Compute features of all items. Stopped at any moment, the same command "
            "goes on from there.",
            _EMBED,
        )
    )
    _add_next(
        add(
            "next",
            "choose what to label next",
            "Print the items to label next: the round that is open, or a new one. Some "
            "of them are picked by chance, to tell the error; nobody can see which.",
            _NEXT,
        )
    )
    _add_label(
        add(
            "label",
            "label in the browser, by keys",
            "Open a page on this machine, where one person labels the open round. "
            "Nothing leaves the machine, and nobody else can open the page.",
            _LABEL,
        )
    )
    _add_add(
        add(
            "add",
            "take labels from a file: CSV, events, Label Studio",
            "Take the labels of a file. What stands already adds nothing; if one line "
            "is refused, nothing is added.",
            _ADD,
        )
    )
    status = add(
        "status",
        "where the campaign stands: labels, error over rounds, advice",
        "Print labels of each class, how wrong each round's model is on labels that "
        "chance picked, and whether to go on.",
    )
    what = "write a page with curves and pictures, too"
    status.add_argument("--html", type=Path, metavar="FILE", help=what)
    estimate = add(
        "estimate",
        "how wrong the model is, with an exact interval",
        "Estimate the error from the labels that chance picked. Labels that a strategy "
        "chose are the hard ones, and say nothing of all items.",
    )
    what = "what to estimate (default: error; mae for numbers)"
    estimate.add_argument("--metric", choices=METRICS, help=what)
    what = "probability that the interval covers, at least"
    estimate.add_argument(
        "--level", type=types.share, default=0.95, metavar="P", help=what
    )
    what = "say whether the error is below that"
    estimate.add_argument("--target", type=types.share, metavar="ERROR", help=what)
    what = "compare models of chosen labels with models of as many random ones, too"
    estimate.add_argument("--curve", action="store_true", help=what)
    _add_trust(estimate)
    _add_export(
        add(
            "export",
            "write labels, predictions, the model, tasks for Label Studio",
            "Write what came of the campaign, and how the labels were chosen.",
        )
    )


def _add_init(parser: Any) -> None:
    source = parser.add_argument_group("what to label, one of")
    source.add_argument("--images", type=Path, metavar="FOLDER", help="images")
    source.add_argument(
        "--texts", type=Path, metavar="FILE", help="a CSV with a text in each row"
    )
    source.add_argument(
        "--table", type=Path, metavar="FILE", help="a CSV of numbers and words"
    )
    what = "an array (n_items, n_features), written by numpy.save"
    source.add_argument("--embeddings", type=Path, metavar="FILE", help=what)
    source.add_argument("--column", metavar="NAME", help="column of the texts")
    what = "column of the ids (default: made of the content)"
    source.add_argument("--id", metavar="NAME", help=what)
    what = "file with an id a line, for an array (default: numbers)"
    source.add_argument("--ids", type=Path, metavar="FILE", help=what)
    what = "where the items are now, after they were moved"
    source.add_argument("--source", type=Path, metavar="NEW", help=what)
    labels = parser.add_argument_group("labels")
    what = "names of the classes; new ones may be added later"
    labels.add_argument("--classes", metavar="A,B,C", help=what)
    labels.add_argument("--numbers", action="store_true", help="labels are numbers")
    what = "labels to spend (default: 500)"
    labels.add_argument("--budget", type=types.count, metavar="N", help=what)
    chance = parser.add_argument_group("the error")
    what = "share of a batch that chance picks; these do not train (default: 0.2)"
    chance.add_argument(
        "--control-share", type=types.error_rate, metavar="SHARE", help=what
    )
    what = (
        "items kept for chance to pick from (default: 1.5 x share x budget, at least "
        "50, at most half of all)"
    )
    chance.add_argument("--reserve", type=types.size, metavar="SHARE|N", help=what)
    what = (
        "share of a batch that judges whether choosing helps: items on which models of "
        "chosen and of random labels disagree; 0.2 costs about a fifth of the gain "
        "(default: 0)"
    )
    chance.add_argument(
        "--referee-share", type=types.error_rate, metavar="SHARE", help=what
    )
    what = "seed of everything that is drawn but the control items (default: 0)"
    parser.add_argument("--seed", type=types.seed, metavar="N", help=what)


def _add_embed(parser: Any) -> None:
    what = (
        "pixels, tfidf, torchvision:NAME, timm:NAME, transformers:NAME or "
        "module:function (default: as before, else pixels or tfidf)"
    )
    parser.add_argument("--features", metavar="NAME", help=what)
    what = "items a pass"
    parser.add_argument("--batch", type=types.count, default=64, metavar="N", help=what)
    what = "where torch computes"
    parser.add_argument(
        "--device", type=types.device, default="cpu", metavar="NAME", help=what
    )
    what = "fetch weights from the internet; nothing is fetched without it"
    parser.add_argument("--download", action="store_true", help=what)
    what = "larger images count as broken"
    parser.add_argument(
        "--max-pixels", type=types.positive, default=100e6, metavar="N", help=what
    )


def _add_next(parser: Any) -> None:
    what = "items to ask for"
    parser.add_argument(
        "--batch-size", type=types.count, default=20, metavar="N", help=what
    )
    what = (
        "auto takes typical items until every class has two labels, then uncertain "
        "ones; random; or a strategy of this package, such as badge"
    )
    parser.add_argument("--strategy", default="auto", metavar="NAME", help=what)
    what = (
        "probe, a linear model on standardised features; bayes, one that averages "
        "draws of its weights; mlp; cnn, on pixels; or module:function (default: the "
        "campaign's, at first probe)"
    )
    parser.add_argument("--model", metavar="NAME", help=what)
    what = "set a parameter of the model, as set_params does; may be repeated"
    parser.add_argument("--set", action="append", metavar="NAME=VALUE", help=what)
    what = "close the open round; what was not labelled may be asked again"
    parser.add_argument("--skip-rest", action="store_true", help=what)
    _add_trust(parser)


def _add_label(parser: Any) -> None:
    what = "who labels (default: your user name)"
    parser.add_argument("--as", dest="annotator", metavar="NAME", help=what)
    shown = parser.add_mutually_exclusive_group()
    what = "show your last 50 answers instead, to look at them again"
    shown.add_argument("--review", action="store_true", help=what)
    what = "show the items on which annotators are divided instead"
    shown.add_argument("--disputed", action="store_true", help=what)
    what = (
        "show what the model thinks, never of items that chance picked; people follow "
        "suggestions, wrong ones too"
    )
    parser.add_argument("--suggest", action="store_true", help=what)
    what = "where to listen, on this machine only; 0 takes a free one"
    parser.add_argument("--port", type=types.port, default=0, metavar="N", help=what)
    what = "print the address, and open nothing"
    parser.add_argument("--no-browser", action="store_true", help=what)
    _add_trust(parser)


def _add_add(parser: Any) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="the labels")
    what = "who labelled, where the file does not say (default: your user name)"
    parser.add_argument("--as", dest="annotator", metavar="NAME", help=what)
    what = "take labels of items that were never asked, too"
    parser.add_argument("--given", action="store_true", help=what)
    what = "say what would happen, and write nothing"
    parser.add_argument("--dry-run", action="store_true", help=what)
    what = "take the rest where some are refused"
    parser.add_argument("--partial", action="store_true", help=what)


def _add_export(parser: Any) -> None:
    what = "folder to write to"
    parser.add_argument("--out", type=Path, required=True, metavar="OUT", help=what)
    what = f"which parts (default: {','.join(PARTS)})"
    parser.add_argument("--only", metavar="LIST", help=what)
    what = "whether control labels train the model that is written, too"
    parser.add_argument(
        "--refit", choices=("chosen", "all"), default="chosen", help=what
    )
    what = "copy files into the tree of classes instead of linking them"
    parser.add_argument("--copy", action="store_true", help=what)
    what = "write a model of another kind as a pickle, which runs code when it is read"
    parser.add_argument("--pickle", action="store_true", help=what)
    _add_trust(parser)


def _add_trust(parser: Any) -> None:
    what = "import the model that the campaign names as module:function"
    parser.add_argument("--trust", action="store_true", help=what)
