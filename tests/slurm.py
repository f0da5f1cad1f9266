"""A Slurm on this computer, of one node or of several."""

import getpass
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

import pytest

_SECONDS = 60
_CONFIGURATION = """
ClusterName=test
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
ProctrackType=proctrack/pgid
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
KillWait=1
SchedulerParameters=batch_sched_delay=0,sched_min_interval=0
SlurmdParameters=config_overrides
PartitionName=all Nodes=ALL Default=YES
"""
_NODE = """
NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} \
CPUs={n_processors} RealMemory=8000
"""


class Slurm:
    """What is asked of the queue, by its commands."""

    def __init__(self, n_nodes):
        self.n_nodes = n_nodes

    def jobs(self, state=""):
        """Return the numbers of the jobs that are there."""
        options = ["--noheader", "--format=%A", *([f"--states={state}"] * bool(state))]
        return _output("squeue", *options).split()

    def nodes(self):
        """Return where jobs run."""
        return _output("squeue", "--noheader", "--format=%N").split()

    def submit(self, command, *options):
        """Queue a job."""
        command = ["sbatch", "--output=/dev/null", *options, "--wrap", command]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def kill(self, job):
        """End all processes of a job at once."""
        subprocess.run(["scancel", "--signal=KILL", "--full", job], check=True)

    def queue_again(self, job):
        """Stop a job that may be requeued, and let it start again at once."""
        subprocess.run(["scontrol", "requeue", job], check=True)
        wait_until(lambda: job in self.jobs("PENDING"), "a job in the queue")
        # it would wait two minutes
        update = ["scontrol", "update", f"JobId={job}", "StartTime=now"]
        subprocess.run(update, check=True)

    def wait_for(self, n_jobs, state=""):
        """Return when there are so many jobs."""
        wait_until(lambda: len(self.jobs(state)) == n_jobs, f"{n_jobs} jobs {state}")


@contextmanager
def queue(monkeypatch, n_nodes):
    """Start a Slurm with two processors, and end it and its jobs.

    They are of one node, whose jobs may take both, or of two. It has a folder, ports
    and a key of its own, and needs no rights of root.
    """
    # Debian keeps daemons where the path of users does not lead
    path = os.environ["PATH"] + os.pathsep + "/usr/sbin"
    monkeypatch.setenv("PATH", path)
    programs = {name: shutil.which(name) for name in ("munged", "slurmctld", "slurmd")}
    for name, program in programs.items():
        if program is None:
            pytest.skip(f"{name} is missing: apt-get install slurm-wlm")
    with ExitStack() as ending:
        # unix sockets have short names, which folders of pytest are too long for
        folder = Path(tempfile.mkdtemp(prefix="slurm-"))
        ending.callback(shutil.rmtree, folder, ignore_errors=True)
        (folder / "state").mkdir()
        key = folder / "munge.key"
        key.touch(0o600)
        key.write_bytes(os.urandom(64))
        configuration = folder / "slurm.conf"
        host, ports = socket.gethostname().split(".")[0], _free_ports(1 + n_nodes)
        nodes = {f"node{number}": port for number, port in enumerate(ports[1:])}
        configuration.write_text(
            _CONFIGURATION.format(
                folder=folder, host=host, user=getpass.getuser(), ports=ports
            )
            + "".join(
                _NODE.format(name=name, host=host, port=port, n_processors=2 // n_nodes)
                for name, port in nodes.items()
            )
        )
        monkeypatch.setenv("SLURM_CONF", str(configuration))
        log = ending.enter_context((folder / "log").open("w"))

        def start(name, *options):
            # it ends with this process, however that ends
            command = ["setpriv", "--pdeathsig", "TERM", programs[name], *options]
            process = subprocess.Popen(
                command,
                stdout=log,
                stderr=log,
                start_new_session=True,  # no Ctrl-C
            )
            ending.callback(_end, process)

        files = {"socket": "socket", "key-file": "key", "pid-file": "pid"}
        files |= {"seed-file": "seed"}
        options = [f"--{name}={folder}/munge.{file}" for name, file in files.items()]
        # the folder is below /tmp, where others may write
        start("munged", "--foreground", "--force", *options)
        try:
            wait_until((folder / "munge.socket").exists, "munged")
            start("slurmctld", "-D")
            for name in nodes:
                (folder / f"spool-{name}").mkdir()
                start("slurmd", "-D", "-N", name)
            wait_until(partial(_are_idle, n_nodes), "idle nodes")
        except TimeoutError as error:
            error.add_note((folder / "log").read_text())
            raise
        slurm = Slurm(n_nodes)
        # the last that is called back, so that it is the first: jobs outlive daemons
        ending.callback(_end_jobs, slurm)
        yield slurm


def _end_jobs(slurm):
    subprocess.run(["scancel", f"--user={getpass.getuser()}"])
    slurm.wait_for(0)


def _end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_ports(n_ports):
    with ExitStack() as open_sockets:
        some = [open_sockets.enter_context(socket.socket()) for _ in range(n_ports)]
        for each in some:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in some]


def _are_idle(n_nodes):
    states = _output("sinfo", "--noheader", "--Node", "--format=%T").split()
    return states == n_nodes * ["idle"]


def _output(*command):
    return subprocess.run(command, capture_output=True, text=True).stdout


def wait_until(is_reached, what):
    start = time.monotonic()
    while not is_reached():
        if time.monotonic() - start > _SECONDS:
            raise TimeoutError(f"{what}: not there after {_SECONDS} seconds")
        time.sleep(0.05)
