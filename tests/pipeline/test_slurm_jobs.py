"""Workers that Slurm starts: the job script word for word, and a submission that runs it here."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import dask
import pytest
from helpers.fake_scorer import SCORER, fake_model, write_study
from helpers.programs import TESTS
from helpers.run_tables import tables_of

from histoscore.config import load_config
from histoscore.errors import ConfigError, UsageError
from histoscore.pipeline.executors.places import slurm_cluster, visible_gpus
from histoscore.pipeline.executors.settings import ClusterSettings, SlurmSettings, load_cluster
from histoscore.pipeline.study import ScoreOptions, score_study
from histoscore.runs.verify import verify

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="job scripts are of a Unix shell")

CLUSTER = """
workers: 2
slurm:
  partition: gpu
  account: knees
  gres: gpu:1
  walltime: "08:00:00"
  cores: 6
  memory_gib: 24
  modules: [cuda/12.4]
  prologue: [source /home/ann/histoscore/bin/activate]
  directives: ["--qos=long"]
  python: python3
  log_folder: {logs}
"""
SCRIPT = """\
#!/usr/bin/env bash

#SBATCH -J histoscore
#SBATCH -e {logs}/histoscore-%J.err
#SBATCH -o {logs}/histoscore-%J.out
#SBATCH -p gpu
#SBATCH -A knees
#SBATCH -n 1
#SBATCH --cpus-per-task=6
#SBATCH --mem=24G
#SBATCH -t 08:00:00
#SBATCH --gres=gpu:1
#SBATCH --qos=long
module load cuda/12.4
source /home/ann/histoscore/bin/activate
python3 -m distributed.cli.dask_worker {scheduler} --name dummy-name --nthreads 1 \
--memory-limit 24.00GiB --nanny --death-timeout 60 --memory-limit 0
"""
SBATCH = """\
#!/bin/sh
[ "$1" = --version ] && echo slurm 0 && exit
cp "$1" "{folder}/job-$$.sh"
setsid sh "{folder}/job-$$.sh" >"{folder}/job-$$.log" 2>&1 &
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
echo "$1" >> "{folder}/cancelled"
kill -- "-$1"
"""


def test_the_job_script_is_what_the_settings_say(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(CLUSTER.format(logs=tmp_path))
    with slurm_cluster(load_cluster(file).slurm) as cluster:
        script = cluster.job_script()
        address = cluster.scheduler_address
    assert script == SCRIPT.format(logs=tmp_path, scheduler=address)


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with an `sbatch` that runs the job here at once, and its `scancel`."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, text in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(text.format(folder=folder))
        (folder / name).chmod(0o755)
    python_path = os.pathsep.join([str(TESTS), os.environ.get("PYTHONPATH", "")])
    monkeypatch.setenv("PYTHONPATH", python_path)
    monkeypatch.setenv("PATH", str(folder), prepend=os.pathsep)
    return folder


def score(sheet: Path, name: str, executor: str, workers: int = 1) -> Path:
    here = SlurmSettings(interface="lo", prologue=(f"cd {sheet.parent}",))
    settings = ClusterSettings(workers=workers, slurm=here)
    options = ScoreOptions(scorer=SCORER, model=fake_model, executor=executor, cluster=settings)
    config = load_config(overrides=["statistics.permutations=1000"])
    return score_study(sheet, sheet.parent / name, config, options).run.path


def test_jobs_score_the_study_and_are_cancelled_at_its_end(tmp_path: Path, slurm: Path) -> None:
    sheet = write_study(tmp_path, {f"{i}.svs": f"grade {i}" for i in range(4)})
    run = score(sheet, "slurm run", "slurm")
    assert tables_of(run) == tables_of(score(sheet, "local run", "local"))
    assert verify(run) == []
    assert len(list(slurm.glob("job-*.sh"))) == 1
    assert len((slurm / "cancelled").read_text().split()) == 1


def test_a_job_that_is_gone_is_replaced(tmp_path: Path, slurm: Path) -> None:
    """A job ends as a whole, as when its walltime is over."""
    slides = {"a.svs": "grade 1", "b.svs": "crash-job-once 9", "c.svs": "grade 2"}
    sheet = write_study(tmp_path, slides)
    with dask.config.set({"distributed.deploy.lost-worker-timeout": "1s"}):
        run = score(sheet, "run", "slurm")
    assert len(list(slurm.glob("job-*.sh"))) == 2
    assert verify(run) == []


def test_without_sbatch_the_ways_out_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sheet = write_study(tmp_path, {"a.svs": "grade 1"})
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UsageError, match=r"there is no sbatch here.*--shard in a job array"):
        score(sheet, "run", "slurm")


@pytest.mark.fault(50)
@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("wokers: 2", "wokers: unknown key; did you mean workers"),
        ("slurm: {gers: 'gpu:1'}", r"slurm\.gers: unknown key; did you mean gres"),
        ("workers: 0", "workers: "),
        ("slurm: {walltime: '4h'}", r"slurm\.walltime: "),
        ("workers: 1\nworkers: 2", "stands twice"),
    ],
)
def test_odd_cluster_settings_are_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=told):
        load_cluster(file)


def test_the_command_line_says_how_many_workers(tmp_path: Path) -> None:
    file = tmp_path / "cluster.yaml"
    file.write_text("workers: 2")
    assert (load_cluster(file).workers, load_cluster(file, 5).workers) == (2, 5)


@pytest.mark.parametrize(
    ("named", "gpus"),
    [("0,2", ("0", "2")), ("", ()), ("-1", ()), ("GPU-8a, GPU-9b", ("GPU-8a", "GPU-9b"))],
)
def test_gpus_are_those_that_may_be_seen(
    named: str, gpus: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", named)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(("answer", "gpus"), [("printf '0\\n1\\n'", ("0", "1")), ("exit 9", ())])
def test_gpus_are_those_that_the_driver_tells(
    answer: str, gpus: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nvidia-smi").write_text(f"#!/bin/sh\n{answer}\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.defpath}")
    assert visible_gpus() == gpus
    monkeypatch.setenv("PATH", str(tmp_path / "nothing"))
    assert visible_gpus() == ()
