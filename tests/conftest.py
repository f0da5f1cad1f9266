"""What every test shares: one torch thread, Ctrl-C, markers, repeatable hypothesis."""

import gc
import os
import signal
import sys
import threading

import matplotlib as mpl
import pytest
import torch
from hypothesis import settings

# Workers, and the hundred processes that tests start, import the same files: where the
# environment forbids to keep them compiled, each would compile them anew.
sys.dont_write_bytecode = False
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

mpl.use("Agg")
torch.set_num_threads(1)  # tiny nets: a second thread costs more than it gives

# In place of a card. The first process compiles it before it starts others.
if os.environ.get("SKAL_DEEP_TEST_DEVICE", "").startswith("second"):
    sys.path.insert(0, os.path.join(os.path.dirname(__file__), "device"))
    import second_device

    second_device.register()
    if os.environ.get("TRITON_INTERPRET") == "1":
        import card_paths

        card_paths.take()

# A shell that starts the tests in the background lets them ignore Ctrl-C.
if threading.current_thread() is threading.main_thread() and (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=50
)
settings.load_profile("repeatable")


# Thousands of tests are a million objects that live to the end. The collector need not
# look at them while they are made, nor each time it runs for a test's own.
gc.disable()


def pytest_collection_finish():
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(tryfirst=True)  # before pytest selects by markers
def pytest_collection_modifyitems(items):
    """Mark what runs nightly as slow, too, so that ``-m "not slow"`` leaves it out."""
    for item in items:
        if item.get_closest_marker("nightly"):
            item.add_marker("slow")
