"""What every test shares: one torch thread, reproducible hypothesis."""

import matplotlib as mpl
import torch
from hypothesis import settings

mpl.use("Agg")
torch.set_num_threads(1)  # tiny nets: a second thread costs more than it gives

settings.register_profile(
    "repeatable", deadline=None, derandomize=True, max_examples=50
)
settings.load_profile("repeatable")
