"""Whether something but its class decides what a module or an optimiser does."""

from torch import Tensor, nn
from torch.nn.modules import module as torch_module
from torch.optim import Optimizer
from torch.optim import optimizer as optimizers

_HOOKS = (
    "_forward_pre_hooks",
    "_forward_hooks",
    "_backward_pre_hooks",
    "_backward_hooks",
)


def is_watched(part: nn.Module) -> bool:
    """Return whether hooks or methods of its own decide what one part does."""
    return (
        any(getattr(part, name) for name in _HOOKS)
        or "forward" in vars(part)
        or part._compiled_call_impl is not None
    )


def has_watched_parts(module: nn.Module) -> bool:
    """Return whether this holds for any part of a module, or for all modules."""
    return any(map(is_watched, module.modules())) or any(
        getattr(torch_module, f"_global{name}") for name in _HOOKS
    )


def has_gradient_hooks(weight: Tensor) -> bool:
    """Return whether hooks see or change the gradient of a weight."""
    return (
        weight._backward_hooks is not None
        or weight._post_accumulate_grad_hooks is not None
    )


def is_watched_optimizer(optimizer: Optimizer) -> bool:
    """Return whether hooks or methods of its own decide what an optimiser does.

    Hooks see the gradients of the step before, and may run the loss once more.
    """
    own = vars(optimizer)
    step = own.get("step")
    return bool(
        optimizer._optimizer_step_pre_hooks
        or optimizer._optimizer_step_post_hooks
        or optimizers._global_optimizer_pre_hooks
        or optimizers._global_optimizer_post_hooks
        or "zero_grad" in own
        # a schedule of torch's only notes that a step was made, as the first one was
        or not (step is None or hasattr(step, "_wrapped_by_lr_sched"))
    )
