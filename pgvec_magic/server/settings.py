"""The server's settings, sized to the machine and to the container around it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_MB = 1024 * 1024
_CGROUPS = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Machine:
    """What the server may use: bytes of memory, processors, bytes free in /dev/shm (None where it is no mount)."""

    memory: int
    cpus: int
    shm: int | None = None


def sized(machine: Machine) -> dict[str, str]:
    """Return memory and parallelism for a server that shares the machine with the notebook's own process.

    maintenance_work_mem holds an HNSW graph while it is built: 1 GB is some 500,000 rows of 384 dimensions. A parallel
    build takes it whole as one shared memory segment; Docker's /dev/shm has 64 MB (pgvector issue 453), System V
    segments do not count against that mount.
    """
    share = machine.memory // 8
    maintenance = min(max(share, 64 * _MB), 1024 * _MB)
    settings = {
        "shared_buffers": _mb(min(max(share, 32 * _MB), 2048 * _MB)),
        "effective_cache_size": _mb(max(machine.memory // 2, 64 * _MB)),
        "work_mem": _mb(min(max(machine.memory // 512, 4 * _MB), 32 * _MB)),
        "maintenance_work_mem": _mb(maintenance),
        "autovacuum_work_mem": _mb(64 * _MB),  # each of three workers would take maintenance_work_mem
        "max_parallel_maintenance_workers": str(min(max(machine.cpus - 1, 0), 7)),  # the leader works too
    }
    if machine.shm is not None and machine.shm < maintenance + 64 * _MB:
        settings["dynamic_shared_memory_type"] = "sysv"
    return settings


def this_machine() -> Machine:
    """Return what this process may use, after the limits of its cgroups."""
    import psutil

    membership = Path("/proc/self/cgroup")
    text = membership.read_text() if membership.exists() else ""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    memory = [psutil.virtual_memory().total, *memory_limits(text, _CGROUPS)]
    return Machine(min(memory), max(int(min([float(cpus), *cpu_limits(text, _CGROUPS)])), 1), _free_shm())


def memory_limits(membership: str, root: Path) -> list[int]:
    """Return the memory limits in bytes that /proc/self/cgroup's text leads to under ``root``, cgroup v1 and v2."""
    texts = [*_read(membership, root, "", "memory.max"), *_read(membership, root, "memory", "memory.limit_in_bytes")]
    return [int(text) for text in texts if text.isdigit()]  # "max" is no limit


def cpu_limits(membership: str, root: Path) -> list[float]:
    """Return the processor limits, in processors, that /proc/self/cgroup's text leads to under ``root``."""
    quotas = [text.split() for text in _read(membership, root, "", "cpu.max")]
    v1 = zip(
        _read(membership, root, "cpu", "cpu.cfs_quota_us"),
        _read(membership, root, "cpu", "cpu.cfs_period_us"),
        strict=False,
    )
    return [int(quota) / int(period) for quota, period in (*quotas, *v1) if quota.isdigit()]


def _read(membership: str, root: Path, controller: str, name: str) -> Iterator[str]:
    """Yield the contents of a limit file from this process's cgroup up to the root; ``""`` is the v2 hierarchy."""
    for line in membership.splitlines():
        _, controllers, path = line.split(":", 2)
        if controller not in controllers.split(","):
            continue
        top = root / controllers
        here = top / path.lstrip("/")
        # Inside a container the path is often the host's and does not exist here: the root is then the container's own.
        for folder in (here, *here.parents):
            if folder.is_relative_to(top) and (folder / name).is_file():
                yield (folder / name).read_text().strip()


def _free_shm() -> int | None:
    if not os.path.ismount("/dev/shm"):
        return None
    shm = os.statvfs("/dev/shm")
    return shm.f_bavail * shm.f_frsize


def conf(settings: Mapping[str, str], postgresql_conf: Path) -> str:
    """Return a configuration file: the data directory's own first, so that ours wins, and ALTER SYSTEM over both."""
    lines = [f"include {_quoted(str(postgresql_conf))}"]
    lines += [f"{name} = {_quoted(value)}" for name, value in settings.items()]
    return "\n".join(["# written anew at every start of the embedded server", *lines, ""])


def _quoted(value: str) -> str:
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _mb(size: int) -> str:
    return f"{size // _MB}MB"
