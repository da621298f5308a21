"""What may be asked of a cluster: the YAML of `--cluster`. None of it changes what comes out."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from histoscore.config import Settings, parse_settings, read_yaml


class SlurmSettings(Settings):
    """One job of Slurm, in which one worker scores one slide at a time."""

    partition: str | None = Field(None, description="`sbatch -p`")
    account: str | None = Field(None, description="`sbatch -A`")
    gres: str | None = Field(None, description="`sbatch --gres`, e.g. gpu:1")
    walltime: str = Field(
        "04:00:00",
        pattern=r"^(\d+-)?\d{1,2}:\d{2}:\d{2}$",
        description="[days-]hours:minutes:seconds; a job that ends is replaced by a new one",
    )
    cores: int = Field(4, ge=1, description="cores a job")
    memory_gib: int = Field(8, ge=2, description="memory a job (GiB)")
    modules: tuple[str, ...] = Field((), description="for `module load`, before the worker starts")
    prologue: tuple[str, ...] = Field((), description="lines of shell, before the worker starts")
    directives: tuple[str, ...] = Field((), description="further options, e.g. --qos=long")
    python: str | None = Field(
        None, description="interpreter on the nodes; default: the one that runs this"
    )
    interface: str | None = Field(None, description="network interface of workers, e.g. ib0")
    scheduler_interface: str | None = Field(
        None, description="network interface of this machine; default: as of workers"
    )
    log_folder: str | None = Field(None, description="where jobs write what they print")


class ClusterSettings(Settings):
    """How many workers, and how one is come by."""

    workers: int | None = Field(
        None, ge=1, description="default: one a GPU; without GPUs one for four cores"
    )
    slurm: SlurmSettings = SlurmSettings()


def load_cluster(path: Path | None, workers: int | None = None) -> ClusterSettings:
    """The settings in a YAML file (default: none), and the number of workers over them.

    Raises:
        ConfigError: unreadable file, unknown key (with a suggestion), value out of range.
    """
    data = read_yaml(path) if path else {}
    if workers is not None:
        data["workers"] = workers
    return parse_settings(ClusterSettings, data, str(path) if path else "the command line")
