"""A second device for every machine, so that what needs a card is tried without one.

Tensors of the devices ``second:0`` and ``second:1`` are the processor's own under other
names, and torch refuses to mix them, as it does with cards. Faults of that kind are the
same as there; speed, memory and compiled loops of cards are not.
"""

import hashlib
import os
import subprocess
import types
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import nn
from torch.nn.parameter import UninitializedParameter
from torch.utils import cpp_extension

NAME = "second"
SOURCE = Path(__file__).with_suffix(".cpp")


def register():
    """Let torch know the device, once a process."""
    torch.ops.load_library(_built())
    torch.utils.rename_privateuse1_backend(NAME)
    torch._register_device_module(NAME, _module())
    torch.utils.generate_methods_for_privateuse1_backend(for_storage=True)
    nn.Module._apply = _keeps_lazy(nn.Module._apply)


def _built():
    """Return the file of the compiled device, compiled where it is not."""
    known = f"{torch.__version__} {SOURCE.read_text(encoding='utf-8')}"
    key = hashlib.sha256(known.encode()).hexdigest()[:16]
    path = SOURCE.parent / "build" / f"{key}.so"
    if path.exists():
        return path
    path.parent.mkdir(exist_ok=True)
    library = Path(torch.__file__).parent / "lib"
    made = path.with_suffix(f".{os.getpid()}")
    command = ["c++", "-std=c++20", "-O1", "-fPIC", "-shared", str(SOURCE)]
    command += [f"-isystem{folder}" for folder in cpp_extension.include_paths()]
    command += [f"-L{library}", "-lc10", "-ltorch", "-ltorch_cpu"]
    subprocess.run([*command, "-o", str(made)], check=True)
    made.replace(path)
    return path


def _module():
    """Return what torch asks of ``torch.second``: there are two, and they are idle."""
    module = types.ModuleType(NAME)
    cpu = torch.default_generator
    answers = {
        "is_available": True,
        "is_initialized": True,
        "_is_in_bad_fork": False,
        "device_count": 2,
        "synchronize": None,
        "set_rng_state": None,
        "get_amp_supported_dtype": [torch.float16, torch.bfloat16],
    }
    for name, answer in answers.items():
        setattr(module, name, lambda *_, answer=answer: answer)
    module.current_device = torch.accelerator.current_device_index
    module.get_rng_state = lambda *_: cpu.get_state()
    module.manual_seed = module.manual_seed_all = cpu.manual_seed
    module.device = module._device = _as_current
    return module


@contextmanager
def _as_current(device):
    """Make one of the two devices the current one for a while."""
    before = torch.accelerator.current_device_index()
    index = device if isinstance(device, int) else torch.device(device).index
    torch.accelerator.set_device_index(before if index in (None, -1) else index)
    try:
        yield
    finally:
        torch.accelerator.set_device_index(before)


def _keeps_lazy(apply):
    """Return ``Module._apply`` that leaves lazy weights lazy, as it does for a card."""

    def applied(self, function, *args, **kwargs):
        lazy = {
            name: weight
            for name, weight in self._parameters.items()
            if isinstance(weight, UninitializedParameter)
        }
        out = apply(self, function, *args, **kwargs)
        for name, weight in lazy.items():
            place = function(torch.empty(0, device=weight.device)).device
            self._parameters[name] = UninitializedParameter(device=place)
        return out

    return applied
