"""What is imported once, so that a fresh process has it at once."""

import skactiveml.pool  # noqa: F401
import torch

import skal_deep.pool  # noqa: F401

torch.set_num_threads(1)
