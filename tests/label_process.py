"""The labelling page in a process of its own, to be killed."""

from contextlib import contextmanager
from multiprocessing import get_context

from skal_deep.campaign import Campaign
from skal_deep.campaign._label_server import LabelServer
from skal_deep.campaign._sitting import Sitting


def _serve(path, pipe):
    server = LabelServer(Sitting(Campaign(path), "anna"))
    pipe.send(server.url)
    server.run()


@contextmanager
def label_process(path):
    """Yield a process that serves the page, and the address; kill it at the end."""
    ours, theirs = get_context("fork").Pipe()
    process = get_context("fork").Process(target=_serve, args=(path, theirs))
    process.start()
    try:
        yield process, ours.recv()
    finally:
        process.kill()
        process.join()
