"""Interrupts end a training at once, where skorch would keep a half-trained net."""

import functools
import os
import signal
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

from skorch import NeuralNet
from torch import nn

from skal_deep._put_back import put_back

P = ParamSpec("P")
R = TypeVar("R")


class _Interrupt(BaseException):
    """Ctrl-C on its way through code that swallows ``KeyboardInterrupt``."""


def run_training(net: NeuralNet, X: Any, y: Any) -> None:
    """Train an initialised net as its ``partial_fit`` does, but leave on interrupts.

    skorch's own returns normally on ``KeyboardInterrupt``, whoever raised it: the user
    at the keyboard, or a callback that ends the training, as ``EarlyStopping`` does.
    """
    if type(net).partial_fit is not NeuralNet.partial_fit:  # what it does is unknown
        loop = net.fit_loop
        with replace_methods(net, fit_loop=functools.partial(_run_loop, loop)):
            leaves_on_interrupt(net.partial_fit)(X, y)
        return
    net.notify("on_train_begin", X=X, y=y)
    try:
        net.fit_loop(X, y)
    except KeyboardInterrupt as interrupt:
        if not _stops_training(interrupt):
            raise
    net.notify("on_train_end", X=X, y=y)


def _run_loop(loop: Callable[..., Any], *args: Any, **params: Any) -> Any:
    """Run skorch's loop such that whoever calls it cannot swallow an interrupt."""
    try:
        return loop(*args, **params)
    except KeyboardInterrupt as interrupt:
        if _stops_training(interrupt):
            raise
        thread = threading.current_thread()
        guards = list(_watching.guards)
        if any(guard.thread is thread for guard in guards):
            raise _Interrupt from interrupt
        for guard in guards:  # a pool of threads need not survive what we would raise
            guard.came |= thread not in guard.strangers
        raise


def _stops_training(interrupt: KeyboardInterrupt) -> bool:
    """Return whether a callback raised it, and not something that ran in a module."""
    is_meant = False
    # The innermost frame decides: a callback means to stop, unless it was running a
    # module when Ctrl-C came.
    for frame, _ in traceback.walk_tb(interrupt.__traceback__):
        if frame.f_code is NeuralNet.notify.__code__:
            is_meant = True
        elif frame.f_code is nn.Module._call_impl.__code__:
            is_meant = False
    return is_meant


def ran_in_module(error: BaseException) -> bool:
    """Return whether an exception comes from inside a module of torch."""
    frames = traceback.walk_tb(error.__traceback__)
    return any(frame.f_code is nn.Module._call_impl.__code__ for frame, _ in frames)


def leaves_on_interrupt(function: Callable[P, R]) -> Callable[P, R]:
    """Let Ctrl-C leave a function that runs code which may swallow it.

    Meanwhile Ctrl-C raises what nobody catches, so that a net deep inside another
    estimator is left at once; what leaves the function is ``KeyboardInterrupt``. A
    ``KeyboardInterrupt`` that a callback raises on purpose is another matter, and
    stays one. An own signal handler of the user is asked first.
    """

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        before, guard = signal.getsignal(signal.SIGINT), _Guard()
        # Python lets only the main thread set handlers, and delivers Ctrl-C to it
        # alone.
        on_main = threading.current_thread() is threading.main_thread()
        came, is_inside = False, True

        def interrupt(number: int, frame: Any) -> None:
            nonlocal came
            try:
                before(number, frame)  # type: ignore[operator, misc]
            except KeyboardInterrupt:
                came = True
                if is_inside:
                    raise _Interrupt from None
                raise

        watches = on_main and callable(before)

        def restore() -> None:
            guard.end()
            # Code inside may have set a handler of its own, which is not ours to
            # remove.
            if watches and signal.getsignal(signal.SIGINT) is interrupt:
                signal.signal(signal.SIGINT, before)

        with put_back(restore):
            try:
                if watches:
                    signal.signal(signal.SIGINT, interrupt)
                guard.begin()
                result = function(*args, **kwargs)
            except BaseException as error:
                is_inside = False  # from here on Ctrl-C is Ctrl-C again
                if came or isinstance(error, _Interrupt):
                    trace = error.__traceback__
                    raise KeyboardInterrupt().with_traceback(trace) from None
                raise
            finally:
                is_inside = False
        if came or guard.came:  # and was swallowed, in a finaliser for example
            raise KeyboardInterrupt
        return result

    return call


class _Guard:
    """Watches skorch's own training while code runs that may hold a net anywhere.

    A ``KeyboardInterrupt`` that code raises, in a module for example, is no signal:
    only skorch's loop sees it, and keeps a half-trained net. A net deep inside an
    estimator of others may be one of many clones, so that its class is watched, not
    it. Nothing changes for nets of threads that have no part in this.
    """

    def __init__(self) -> None:
        self.came = False
        self.thread = threading.current_thread()
        # Threads that begin later may be of a member that is trained inside.
        self.strangers = frozenset(threading.enumerate()) - {self.thread}

    def begin(self) -> None:
        """Watch from now on."""
        with _watching.lock:
            _watching.guards.append(self)
            if _watching.watched is None:
                _watching.original = NeuralNet.partial_fit
                _watching.watched = _watched(_watching.original)
                NeuralNet.partial_fit = _watching.watched

    def end(self) -> None:
        """Watch no longer, also where the beginning was cut short."""
        with _watching.lock:
            if self in _watching.guards:
                _watching.guards.remove(self)
            if not _watching.guards and _watching.watched is not None:
                # Someone else may have put a method there, which is not ours to remove.
                if NeuralNet.partial_fit is _watching.watched:
                    NeuralNet.partial_fit = _watching.original
                _watching.watched = None


class _Watching:
    """Who watches skorch's training, and the method that does it for all of them."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.guards: list[_Guard] = []
        self.original: Any = None
        self.watched: Any = None


_watching = _Watching()


def _new_lock() -> None:
    """Replace the lock in a forked process, where no other thread can release it."""
    _watching.lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_new_lock)


def _watched(partial_fit: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``partial_fit`` of a net such that it cannot swallow an interrupt."""

    @functools.wraps(partial_fit)  # scikit-learn reads which parameters it has
    def watched(net: NeuralNet, *args: Any, **params: Any) -> Any:
        loop = functools.partial(_run_loop, net.fit_loop)
        with replace_methods(net, fit_loop=loop):
            return partial_fit(net, *args, **params)

    return watched


@contextmanager
def restore_unless_done(estimator: Any) -> Iterator[None]:
    """Leave an estimator as it was if anything is raised inside, interrupts included.

    A fit that fails halfway must not mix what it has noted with what an earlier fit
    has left.
    """
    before = dict(vars(estimator))
    try:
        yield
    except GeneratorExit:
        # Ctrl-C came when all was done, and the collector when it may have been done
        # once more.
        raise
    except BaseException:
        vars(estimator).clear()
        vars(estimator).update(before)
        raise


class _Instead:
    """Stands in for a method of an object; pickled or copied it is that method."""

    def __init__(self, owner: Any, name: str, function: Callable[..., Any]):
        self._owner, self._name, self._function = owner, name, function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)

    def __reduce__(self) -> Any:
        return getattr, (self._owner, self._name)


@contextmanager
def replace_methods(owner: Any, **functions: Callable[..., Any]) -> Iterator[None]:
    """Let an object, not its class, have other methods for a while.

    It stays the user's own type, and what is pickled meanwhile, by a checkpoint for
    example, knows nothing of it.
    """
    attributes = vars(owner)
    before = {name: attributes[name] for name in functions if name in attributes}

    def restore() -> None:
        for name in functions:
            attributes.pop(name, None)
        attributes.update(before)

    with put_back(restore):
        for name, function in functions.items():
            attributes[name] = _Instead(owner, name, function)
        yield
