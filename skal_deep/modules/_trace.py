"""Modules as graphs of operations, traced without a change to torch or the module.

``torch.fx.symbolic_trace`` exchanges methods of ``nn.Module`` for the whole process
meanwhile: other threads stumble over it, and an interrupt may leave it so. Here
stand-ins of the layers note their calls, and nothing else is touched.
"""

import operator
from functools import partial
from typing import Any

import torch
from torch import fx, nn
from torch.fx.node import map_arg

# Dictionaries that a module fills while it runs or is given constants.
_TABLES = ("_parameters", "_buffers")


class Trace:
    """The operations of a module in the order in which they run.

    Parameters
    ----------
    module : nn.Module
        A module of one tensor, in eval mode.
    leaves : set of str
        Names of layers that are one operation each, as torch's own layers are.

    Attributes
    ----------
    nodes : list of fx.Node
        The operations, from the input to the output.

    Raises
    ------
    ValueError
        If the module cannot be traced: its flow depends on values.
    """

    def __init__(self, module: nn.Module, leaves: set[str]):
        tracer = _Tracer(module, leaves)
        try:
            with torch.no_grad():
                tracer.note()
        except Exception as error:  # tracing runs arbitrary code on stand-ins
            raise ValueError(f"{type(module).__name__} cannot be traced.") from error
        self.nodes: list[fx.Node] = list(tracer.graph.nodes)
        self._constants: nn.Module = tracer.root
        self._layers = dict(module.named_modules())

    def run(self, node: fx.Node, values: dict[fx.Node, Any]) -> Any:
        """Return the value of an operation, given those of all before it."""
        args, kwargs = map_arg((node.args, node.kwargs), values.__getitem__)
        if node.op == "call_module":
            return self._layers[str(node.target)](*args, **kwargs)
        if node.op == "call_function":
            return node.target(*args, **kwargs)  # type: ignore[operator]
        if node.op == "call_method":
            return getattr(args[0], str(node.target))(*args[1:], **kwargs)
        if node.op == "get_attr":
            value: Any = self._constants
            for name in str(node.target).split("."):
                value = getattr(value, name)
            return value
        return args[0]  # the output


class _Value(fx.Proxy):
    """A stand-in of a value; ``x += 1`` changes the value and makes no new one."""


def _in_place(operation: Any) -> Any:
    def note(value: _Value, other: Any) -> Any:
        return value.tracer.create_proxy("call_function", operation, (value, other), {})

    return note


for _name in ("iadd", "isub", "imul", "itruediv", "ifloordiv", "imod", "ipow"):
    setattr(_Value, f"__{_name}__", _in_place(getattr(operator, _name)))


class _Tracer(fx.Tracer):
    """Runs stand-ins of a module and its parts on a stand-in of the input."""

    def __init__(self, module: nn.Module, leaves: set[str]):
        super().__init__()
        self._leaves = leaves
        self._stand_ins: dict[nn.Module, nn.Module] = {}
        self.graph = fx.Graph(tracer_cls=type(self))
        self.tensor_attrs: dict[Any, str] = {}
        self.root = self._stand_in(module, "")

    def proxy(self, node: fx.Node) -> fx.Proxy:
        """Return the stand-in of the value of an operation."""
        return _Value(node, self)

    def note(self) -> None:
        """Run the module once."""
        output = self.root.forward(self.create_proxy("placeholder", "x", (), {}))
        self.create_node("output", "output", (self.create_arg(output),), {})

    def _stand_in(self, module: nn.Module, name: str) -> nn.Module:
        """Return a copy of a module, its weights shared, whose calls are noted."""
        if module in self._stand_ins:
            return self._stand_ins[module]
        kind = type(module)
        if isinstance(module, torch.jit.ScriptModule) or (
            kind.__call__ is not nn.Module.__call__
        ):
            raise ValueError(f"{kind.__name__} {name!r} is called in its own way.")
        copied: nn.Module = object.__new__(kind)
        self._stand_ins[module] = copied
        content = dict(vars(module))
        content |= {table: dict(content[table]) for table in _TABLES}
        content["_modules"] = {
            part: child and self._stand_in(child, f"{name}.{part}".lstrip("."))
            for part, child in module._modules.items()
        }
        # torch looks here first when a module is called; the class stays as it is
        content["_compiled_call_impl"] = partial(self._called, copied, name)
        vars(copied).update(content)
        return copied

    def _called(self, module: nn.Module, name: str, *args: Any, **kwargs: Any) -> Any:
        """Note the call of a layer; look into other modules."""
        if name in self._leaves or self.is_leaf_module(module, name):
            return self.create_proxy("call_module", name, args, kwargs)
        return module._call_impl(*args, **kwargs)
