"""The command line, from arguments to exit code."""

from collections.abc import Sequence

from skal_deep.cli._job import compare, write
from skal_deep.cli._parser import build_parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Parameters
    ----------
    argv : sequence of str, default=None
        Arguments; ``None`` takes those of the process.

    Returns
    -------
    code : int
        0 on success.
    """
    args = (parser := build_parser()).parse_args(argv)
    try:
        comparison, data = compare(args)
    except (ValueError, OSError) as error:
        parser.exit(2, f"{parser.prog}: error: {error}\n")
    except KeyboardInterrupt:
        parser.exit(130, "\nInterrupted. The same command goes on from here.\n")
    write(comparison, data, args.out)
    print(comparison.summary())
    print(f"\nReport: {args.out / 'report.html'}")
    return 0
