"""Run ``python -m skal_deep``."""

import sys

from skal_deep.cli import main

if __name__ == "__main__":
    sys.exit(main())
