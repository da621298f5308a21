"""Where Dask workers come from: this machine's GPUs or cores, a scheduler that runs, Slurm."""

from __future__ import annotations

import logging
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import dask
from distributed import Client, Nanny, Scheduler, SpecCluster

from histoscore.config import ScoreConfig
from histoscore.errors import EnvironmentStopError, UsageError
from histoscore.pipeline.executors.settings import ClusterSettings, SlurmSettings
from histoscore.pipeline.supervisor import ATTEMPTS
from histoscore.processes import usable_cores

_CORES_A_WORKER = 4
_HERE = "127.0.0.1"
_DASK = {
    "distributed.scheduler.allowed-failures": ATTEMPTS - 1,
    "distributed.scheduler.worker-saturation": 1.0,
}
"""A slide is tried twice, as locally; a worker is sent one slide at a time."""
CONNECT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Place:
    """A cluster that runs.

    Attributes:
        client: speaks to it. changes: to the configuration, for workers there.
        notes: what the user should know. refill: asks for workers in the place of lost ones, where
            Dask does not do so by itself; may be called at any time.
    """

    client: Client
    changes: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    refill: Callable[[], object] = bool


@contextmanager
def on_this_machine(config: ScoreConfig, settings: ClusterSettings) -> Iterator[Place]:
    """One worker a GPU, which sees no other; without GPUs, workers that share the cores."""
    gpus = visible_gpus() if config.device != "cpu" else ()
    workers = settings.workers or len(gpus) or max(1, usable_cores() // _CORES_A_WORKER)
    threads = config.threads or max(1, usable_cores() // workers)
    with (
        _quietly(),
        dask.config.set(_DASK),
        SpecCluster(
            workers={
                _name(gpus, place): {"cls": Nanny, "options": _worker(gpus, place)}
                for place in range(workers)
            },
            scheduler={
                "cls": Scheduler,
                "options": {"host": _HERE, "dashboard_address": f"{_HERE}:0"},
            },
            silence_logs=50,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        changes: dict[str, Any] = {"threads": threads}
        if gpus and config.device.startswith("cuda:"):
            changes["device"] = "cuda"
        yield Place(client, changes, _notes(client))


@contextmanager
def connected(address: str) -> Iterator[Place]:
    """The workers of a scheduler that runs.

    Raises:
        EnvironmentStopError: nothing answers there.
    """
    with _quietly():
        try:
            client = Client(address, timeout=CONNECT_SECONDS, set_as_default=False)
        except OSError as error:
            raise EnvironmentStopError(
                f"no Dask scheduler answers at {address} ({error}); start one with "
                "`dask scheduler`, and workers with `dask worker`"
            ) from error
        with client:
            yield Place(client, notes=_notes(client) + _crowded(client))


@contextmanager
def on_slurm(settings: ClusterSettings) -> Iterator[Place]:
    """Jobs of Slurm, each one worker; a job that ends is replaced."""
    if shutil.which("sbatch") is None:
        raise UsageError(
            "--executor slurm: there is no sbatch here; run this on a machine that submits jobs, "
            "or use --shard in a job array"
        )
    with _quietly(), dask.config.set(_DASK), slurm_cluster(settings.slurm) as cluster:
        ask = partial(cluster.scale, settings.workers or 1)
        ask()
        with Client(cluster, set_as_default=False) as client:
            yield Place(client, notes=_notes(client), refill=ask)


def slurm_cluster(settings: SlurmSettings) -> Any:
    """dask-jobqueue's cluster with these settings; no job is submitted yet."""
    from dask_jobqueue import SLURMCluster

    loads = [f"module load {name}" for name in settings.modules]
    gres = [f"--gres={settings.gres}"] if settings.gres else []
    scheduler = {"dashboard_address": ":0"}
    if settings.scheduler_interface:
        scheduler["interface"] = settings.scheduler_interface
    return SLURMCluster(
        queue=settings.partition,
        account=settings.account,
        walltime=settings.walltime,
        cores=1,
        processes=1,
        job_cpu=settings.cores,
        memory=f"{settings.memory_gib} GiB",
        job_extra_directives=[*gres, *settings.directives],
        job_script_prologue=[*loads, *settings.prologue],
        worker_extra_args=["--memory-limit", "0"],
        python=settings.python,
        interface=settings.interface,
        scheduler_options=scheduler,
        log_directory=settings.log_folder,
        job_name="histoscore",
        silence_logs=50,
    )


def visible_gpus() -> tuple[str, ...]:
    """Names of the GPUs that may be used, as CUDA_VISIBLE_DEVICES takes them; found without
    PyTorch, which is heavy."""
    named = os.environ.get("CUDA_VISIBLE_DEVICES")
    if named is not None:
        return tuple(name.strip() for name in named.split(",") if name.strip() not in ("", "-1"))
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, "--query-gpu=index", "--format=csv,noheader"]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    return tuple(found.stdout.split()) if found.returncode == 0 else ()


@contextmanager
def _quietly() -> Iterator[None]:
    """What Dask would print about workers and connections that are lost is told in our words."""
    loggers = [logging.getLogger(name) for name in ("distributed", "distributed.client")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


def _name(gpus: Sequence[str], place: int) -> str:
    """`cpu-1`; `gpu-0`, and `gpu-0-2` where a GPU has more than one worker."""
    if not gpus:
        return f"cpu-{place + 1}"
    again = place // len(gpus)
    return f"gpu-{gpus[place % len(gpus)]}" + (f"-{again + 1}" if again else "")


def _worker(gpus: Sequence[str], place: int) -> dict[str, Any]:
    seen = {"CUDA_VISIBLE_DEVICES": gpus[place % len(gpus)]} if gpus else {}
    return {"nthreads": 1, "memory_limit": 0, "host": _HERE, "env": seen, "silence_logs": 50}


def _notes(client: Client) -> tuple[str, ...]:
    return (f"Dask dashboard: {client.dashboard_link}",) if client.dashboard_link else ()


def _crowded(client: Client) -> tuple[str, ...]:
    """A worker scores one slide at a time, however many threads it was started with."""
    many = sorted(address for address, threads in client.nthreads().items() if threads > 1)
    if not many:
        return ()
    return (
        f"{len(many)} worker(s) have more than one thread ({many[0]}), of which one is used: start "
        "them with --nthreads 1, and as many as there are GPUs",
    )
