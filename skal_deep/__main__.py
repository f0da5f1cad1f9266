"""Run ``python -m skal_deep``."""

import gc
import sys

if __name__ == "__main__":
    # What is imported stays. The collector need not look at 300,000 objects while they
    # are made, nor later, each time that it looks at all there is.
    gc.disable()
    from skal_deep.cli import main

    gc.freeze()
    gc.enable()
    sys.exit(main())
