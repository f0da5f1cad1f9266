"""What measurements share: fresh processes, CPU time, peak memory."""

import multiprocessing
import os
import platform
import resource
import signal
import statistics
import time
from datetime import date
from pathlib import Path

_MIB = 2**20
# Calls shorter than that many seconds are made three times.
_SHORT = 1.0


def cost(call):
    """Return CPU seconds of a call and the MiB that it needs beside what is there.

    Time is that of the process, so that a busy machine does not count; the median of
    three where it is short. Memory is the peak of the first call, as Linux counts it.
    """
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    before = _status("VmRSS")
    started = time.process_time()
    call()
    seconds = [time.process_time() - started]
    peak = _status("VmHWM")
    while seconds[0] < _SHORT and len(seconds) < 3:
        started = time.process_time()
        call()
        seconds.append(time.process_time() - started)
    return statistics.median(seconds), max(0, peak - before) / _MIB


def _status(name):
    """Return a number of bytes that the kernel knows of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) * 1024


def in_fresh_process(function, *args, cpu_seconds, max_bytes):
    """Return what a function returns in a process of its own, or in words why not.

    The process has one thread, and is ended when it has used up its CPU seconds.
    """
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["benchmarks._preload"])
    here, there = context.Pipe(duplex=False)
    process = context.Process(
        target=_serve, args=(there, cpu_seconds, max_bytes, function, *args)
    )
    process.start()
    there.close()
    try:
        answer = here.recv()
    except EOFError:  # it died
        answer = None
    process.join()
    if answer is None:
        return "time" if process.exitcode == -signal.SIGXCPU else "error"
    return answer


def _serve(connection, cpu_seconds, max_bytes, function, *args):
    """Call a function within limits and send what it returns."""
    seconds = int(time.process_time() + cpu_seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 5))
    n_bytes = _status("VmSize") + max_bytes
    resource.setrlimit(resource.RLIMIT_AS, (n_bytes, n_bytes))
    try:
        answer = function(*args)
    except (MemoryError, RuntimeError) as error:
        if "memory" not in str(error) and not isinstance(error, MemoryError):
            raise
        answer = "memory"
    connection.send(answer)


def provenance(command):
    """Return with which command, when and where something was measured."""
    return (
        f"`{command}`, {date.today()}, {platform.machine()} with {os.cpu_count()} "
        f"shared cores, one thread, Python {platform.python_version()}"
    )
