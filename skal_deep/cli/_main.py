"""The command line, from arguments to exit code."""

from collections.abc import Sequence

from skal_deep.classifier import CapabilityError
from skal_deep.cli._campaign import run_campaign_command
from skal_deep.cli._campaign_parser import COMMANDS
from skal_deep.cli._job import answer, compare, write
from skal_deep.cli._named_code import error_of_named_code
from skal_deep.cli._parser import build_parser
from skal_deep.evaluation.simulation._first_labels import format_counts

_EXPECTED = (CapabilityError, ValueError, OSError, MemoryError, ImportError)


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; ``None`` takes those of the process.

    Returns
    -------
    int
        0 on success, 2 for wrong use or an error of code that the user names, 3 where
        nothing is left to do, 130 if it was interrupted.

    See Also
    --------
    build_parser : All commands and options.

    Examples
    --------
    >>> from skal_deep.cli import main
    >>> main(["status", "no_such_folder"])
    2
    """
    args = (parser := build_parser()).parse_args(argv)
    if args.command in COMMANDS:
        return run_campaign_command(args, parser.prog)
    try:
        if args.command == "does-al-help":
            found, data = answer(args)
            write(found.comparison, data, args.out, found)
        else:
            comparison, data = compare(args)
            write(comparison, data, args.out)
    except (Exception, SystemExit) as error:
        text = error_of_named_code(error, [args.backbone])
        if text is None and not isinstance(error, _EXPECTED):
            raise
        parser.exit(2, f"{parser.prog}: error: {text or error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\nInterrupted. The same command goes on from here.\n")
    if args.command == "does-al-help":
        print(f"{found}\n\nReport: {args.out / 'report.html'}")
        return 0
    print(comparison.summary())
    if counts := comparison.settings["first_labels"]:
        print(f"\nFirst labels by class: {format_counts(counts)}")
    print(f"\nReport: {args.out / 'report.html'}")
    return 0
