"""A real Slurm cluster of 8 virtual nodes on loopback: munged, slurmctld, 8 slurmd, slurmrestd.

Three nodes have 8 accelerators each, which are empty files; nothing is measured of the machine, and
no cgroups are needed.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tests.support.peers import HOST, PATIENCE, free_port

CLUSTER = "h5"
GPU_NODES, CPU_NODES = ("g1", "g2", "g3"), ("c1", "c2", "c3", "c4", "c5")
PROGRAMS = ("munged", "slurmctld", "slurmd", "slurmrestd", "scontrol", "sbatch", "setpriv")
PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
_NODE = {  # of each kind; 64 and 96 processors
    "g": "CPUs=64 Boards=1 SocketsPerBoard=2 CoresPerSocket=32 RealMemory=1024000 "
    "Gres=gpu:h100:8 Features=nvlink,ib400",
    "c": "CPUs=96 Boards=1 SocketsPerBoard=2 CoresPerSocket=48 RealMemory=384000 Features=avx512",
}
_CONFIGURATION = """\
ClusterName={cluster}
SlurmctldHost={host}({address})
SlurmctldPort={port}
SlurmUser={user}
AuthType=auth/munge
AuthInfo=socket={folder}/munge/munge.sock
AuthAltTypes=auth/jwt
AuthAltParameters=jwt_key={folder}/jwt.key
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SlurmdTimeout=6
ReturnToService=2
MpiDefault=none
SwitchType=switch/none
GresTypes=gpu
AccountingStorageType=accounting_storage/none
DebugFlags=NO_CONF_HASH
{nodes}
PartitionName=gpu Nodes=g[1-3] MaxTime=72:00:00 State=UP
PartitionName=cpu Nodes=c[1-5] Default=YES MaxTime=INFINITE State=UP
PartitionName=spare Nodes=c5 State=UP
"""


def installed() -> bool:
    """Whether this machine has all of it, and this process may become another user: slurmrestd
    refuses to be who runs slurmctld.
    """
    return os.getuid() == 0 and all(shutil.which(program, path=PATH) for program in PROGRAMS)


class Slurm:
    """A running cluster.

    Attributes:
        url: of its REST interface.
        headers: what lets a request in.
        nodes: processes of its slurmd, by name.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.headers: Mapping[str, str] = {}
        self.nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._running: list[subprocess.Popen[bytes]] = []
        self._environment = {"PATH": PATH, "SLURM_CONF": str(folder / "slurm.conf")}

    def run(self, *command: str) -> str:
        """What one of Slurm's commands prints."""
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            env=self._environment,
            cwd=self.folder,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    def submit(self, *wanted: str) -> str:
        """A job that holds what it wants until it is cancelled; its number."""
        sleeping = ("--output=/dev/null", "--parsable", "--wrap", "sleep 600")
        return self.run("sbatch", *wanted, *sleeping)

    def start(self, *command: str, **environment: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._environment | environment,
                cwd=self.folder,
            )
        self._running.append(process)
        return process

    def start_node(self, name: str) -> None:
        (self.folder / "spool" / name).mkdir(parents=True, exist_ok=True)
        self.nodes[name] = self.start("slurmd", "-D", "-N", name)

    def end(self) -> None:
        """End its jobs, then all processes that were started, the last one first."""
        with contextlib.suppress(AssertionError, subprocess.TimeoutExpired):
            self.run("scancel", "--user", _user())
            until(lambda: not self.run("squeue", "--noheader"))
        for process in reversed(self._running):
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@contextlib.contextmanager
def running() -> Iterator[Slurm]:
    """The cluster, all nodes idle; ended on the way out."""
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short, for sockets
    folder.chmod(0o755)  # slurmrestd is another user's
    cluster = Slurm(folder)
    try:
        _prepare(folder)
        _start(cluster)
        yield cluster
    finally:
        cluster.end()
        shutil.rmtree(folder, ignore_errors=True)


def until(true: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait until something holds that other processes bring about."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come about in time"
        time.sleep(0.05)


def _prepare(folder: Path) -> None:
    munge = folder / "munge"
    munge.mkdir(mode=0o700)
    for name, octets in (("munge/munge.key", 1024), ("jwt.key", 32)):
        (folder / name).touch(0o600)
        (folder / name).write_bytes(secrets.token_bytes(octets))
    munge.chmod(0o711)  # its socket is for all
    (folder / "state").mkdir()
    (folder / "dev").mkdir()
    for number in range(8):
        (folder / "dev" / f"gpu{number}").touch()
    nodes = "\n".join(
        f"NodeName={name} NodeHostname={socket.gethostname()} NodeAddr={HOST} Port={free_port()} "
        f"{_NODE[name[0]]} State=UNKNOWN"
        for name in GPU_NODES + CPU_NODES
    )
    (folder / "slurm.conf").write_text(
        _CONFIGURATION.format(
            cluster=CLUSTER,
            host=socket.gethostname(),
            address=HOST,
            port=free_port(),
            user=_user(),
            folder=folder,
            nodes=nodes,
        )
    )
    (folder / "gres.conf").write_text(
        f"NodeName=g[1-3] Name=gpu Type=h100 File={folder}/dev/gpu[0-7]\n"
    )


def _start(cluster: Slurm) -> None:
    folder = cluster.folder
    munge = folder / "munge"
    files = {"key-file": "key", "socket": "sock", "pid-file": "pid", "seed-file": "seed"}
    options = [f"--{option}={munge}/munge.{end}" for option, end in files.items()]
    cluster.start("munged", "--foreground", "--force", *options, f"--log-file={munge}/munge.log")
    until((munge / "munge.sock").exists)
    cluster.start("slurmctld", "-D")
    for name in GPU_NODES + CPU_NODES:
        cluster.start_node(name)
    idle = ["idle"] * (len(GPU_NODES) + len(CPU_NODES) + 1)  # c5 is in two partitions
    until(lambda: cluster.run("sinfo", "-h", "-N", "-o", "%t").split() == idle, 60)
    token = cluster.run("scontrol", "token", "lifespan=3600").partition("=")[2]
    cluster.headers = {"X-SLURM-USER-NAME": _user(), "X-SLURM-USER-TOKEN": token}
    port = free_port()
    other = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")
    versions = ("-s", "openapi/v0.0.37,openapi/v0.0.38")
    cluster.start(
        *other, "slurmrestd", "-a", "rest_auth/jwt", *versions, f"{HOST}:{port}", SLURM_JWT="daemon"
    )
    until(lambda: _listens(port))
    cluster.url = f"http://{HOST}:{port}"


def _listens(port: int) -> bool:
    try:
        socket.create_connection((HOST, port), 0.2).close()
    except OSError:
        return False
    return True


def _user() -> str:
    return pwd.getpwuid(os.getuid()).pw_name
