"""The self-test: it passes on a whole installation, and fails where one thing of it is off.

What is expected lies in `histoscore/pipeline/selftest/known`. After a change that is meant to alter
numbers, renew it and read the difference before it is committed:

    HISTOSCORE_RENEW_GOLDEN=1 python -m pytest tests/pipeline/test_selftest.py -k golden
    git diff histoscore/pipeline/selftest/known
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import ClassVar

import pytest

from histoscore.cli import run
from histoscore.config import load_config
from histoscore.errors import EnvironmentStopError
from histoscore.export.selftest import (
    Check,
    Outcome,
    Part,
    SelftestRecord,
    record_html,
    write_record,
)
from histoscore.files import sha256_of, write_json
from histoscore.geometry import Box
from histoscore.models import bundle as bundles
from histoscore.pipeline import selftest
from histoscore.pipeline.selftest import chain, known_values, reading
from histoscore.pipeline.selftest import statistics as examples
from histoscore.pipeline.selftest.chain import PROBABILITIES, ScoredKnown
from histoscore.pipeline.selftest.installation import library_checks, package_check
from histoscore.pipeline.selftest.known_values import GOLDEN, KNOWN, Golden, read_golden
from histoscore.runs.verify import verify
from histoscore.vocabulary import Status

RENEW = "HISTOSCORE_RENEW_GOLDEN"
NOT_HASHED = ("golden.json", "SOURCE.md")


@pytest.fixture(scope="module")
def scored(tmp_path_factory: pytest.TempPathFactory) -> ScoredKnown:
    """The self-test's own run: worker process, bundled model, three slides."""
    config = load_config(overrides=["device=cpu", "engine=torch", "statistics.permutations=1000"])
    return chain.score_known(tmp_path_factory.mktemp("selftest"), config)


@pytest.fixture(scope="module")
def golden() -> Golden:
    return read_golden()


def as_it_is_now(scored: ScoredKnown) -> Golden:
    return Golden(
        model=selftest.bundled("demo").weights_hash,
        files={p.name: sha256_of(p) for p in sorted(KNOWN.iterdir()) if p.name not in NOT_HASHED},
        reader=reading.read_known(),
        compartments=chain.found_compartments(scored),
        statistics=examples.found_statistics(),
    )


def test_the_golden_values_are_those_of_this_version(scored: ScoredKnown) -> None:
    """Their names and files; that values are near enough is what the self-test itself checks."""
    if os.environ.get(RENEW):
        reading.keep_pictures()
        write_json(GOLDEN, as_it_is_now(scored).model_dump(mode="json"))
        pytest.skip(f"renewed {GOLDEN.name}: read the difference before it is committed")
    known, now = read_golden(), as_it_is_now(scored)
    assert (now.model, now.files) == (known.model, known.files)
    for name in ("reader", "compartments", "statistics"):
        assert getattr(now, name).keys() == getattr(known, name).keys()
    for compartment, quantities in known.compartments.items():
        assert None not in quantities.values(), f"{compartment}: nothing to hold a value against"


def failures(checks: object) -> list[str]:
    assert isinstance(checks, tuple | list)
    return [check.name for check in checks if check.outcome is Outcome.FAILED]


@pytest.fixture
def in_place(
    scored: ScoredKnown, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Golden], None]:
    """The verb uses the run that is there, and golden values that a test hands over."""
    monkeypatch.setattr(selftest, "score_known", lambda folder, config: scored)
    monkeypatch.chdir(tmp_path)

    def use(known: Golden) -> None:
        monkeypatch.setattr(selftest, "read_golden", lambda: known)

    return use


def written(folder: Path) -> tuple[Path, Path]:
    """The only record in a folder: data and page."""
    (data,), (page,) = (list(folder.glob(f"*.{ending}")) for ending in ("json", "html"))
    return data, page


def changed(known: Golden, block: str, *keys: str, value: object) -> Golden:
    """The golden values with one of them another."""
    data = json.loads(known.model_dump_json())
    place = data[block]
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = value
    return Golden.model_validate_json(json.dumps(data))


class TestTheVerb:
    def test_a_whole_installation_passes_and_leaves_a_record(
        self, in_place: object, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert run(["selftest", "--out", "kept", "--device", "cpu"]) == 0
        said = capsys.readouterr().out
        assert "PASSED: " in said
        assert "DEMONSTRATION MODEL" in said
        data, page = written(tmp_path / "kept")
        record, text = json.loads(data.read_text("utf-8")), page.read_text("utf-8")
        assert record["passed"] is True
        assert {check["part"] for check in record["checks"]} == {part.value for part in Part}
        for label in (
            "histoscore",
            "Python",
            "system",
            "model SHA-256",
            "device",
            "engine threads",
        ):
            assert record["facts"][label]
        assert record["made"].endswith("+00:00")
        assert sha256_of(data) in text
        assert "signature" in text
        assert "nothing on how well a model reads real tissue" in text

    @pytest.mark.parametrize(
        ("block", "keys", "value", "name"),
        [
            ("compartments", ("MTP", "grade"), 5.0, "MTP: grade"),
            (
                "compartments",
                ("LFC", PROBABILITIES),
                [0.0099, 0.9048, 0.0853, 0.0001, 0, 0, 0, 0],
                f"LFC: {PROBABILITIES}",
            ),
            ("compartments", ("MFC", "hyaline area (µm²)"), 31790.0, "MFC: hyaline area (µm²)"),
            ("compartments", ("LTP", "mean thickness (µm)"), 43.06, "LTP: mean thickness (µm)"),
            ("reader", ("pixel size (µm)",), 1.2714, "pixel size (µm)"),
            ("reader", ("mean red (grey levels)",), 206.4, "mean red (grey levels)"),
            (
                "statistics",
                ("motivation, Jonckheere–Terpstra: statistic and p",),
                [79, 0.0419331],
                "motivation, Jonckheere–Terpstra: statistic and p",
            ),
        ],
    )
    def test_a_value_that_is_off_fails_and_the_record_says_so(
        self,
        in_place: Callable[[Golden], None],
        golden: Golden,
        tmp_path: Path,
        capsys: pytest.CaptureFixture[str],
        block: str,
        keys: tuple[str, ...],
        value: object,
        name: str,
    ) -> None:
        in_place(changed(golden, block, *keys, value=value))
        assert run(["selftest"]) == 2
        assert "FAILED: 1 of" in capsys.readouterr().out
        (data,), (page,) = (
            sorted((tmp_path / "selftest").glob(f"*.{e}")) for e in ("json", "html")
        )
        record = json.loads(data.read_text("utf-8"))
        assert record["passed"] is False
        assert [c["name"] for c in record["checks"] if c["outcome"] == "failed"] == [name]
        assert "What failed" in page.read_text("utf-8")

    def test_what_other_engines_and_processors_may_change_passes(
        self, in_place: Callable[[Golden], None], golden: Golden
    ) -> None:
        known = changed(golden, "compartments", "MFC", "hyaline area (µm²)", value=31770.0)
        moved = [0.0099, 0.9108, 0.0793, 0.0001, 0, 0, 0, 0]
        in_place(changed(known, "compartments", "LFC", PROBABILITIES, value=moved))
        assert selftest.run_selftest().passed

    @pytest.mark.parametrize("option", ["--engine=abacus", "--device=toaster"])
    def test_what_cannot_be_asked_for_starts_nothing(self, option: str, tmp_path: Path) -> None:
        assert run(["selftest", "--out", str(tmp_path / "record"), option]) == 1
        assert not (tmp_path / "record").exists()

    def test_without_golden_values_it_says_what_to_do(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        gone = tmp_path / "golden.json"
        monkeypatch.setattr(selftest, "read_golden", lambda: read_golden(gone))
        assert run(["selftest", "--out", str(tmp_path / "record")]) == 1
        assert "install histoscore anew" in capsys.readouterr().err

    def test_a_worker_that_cannot_start_is_told_with_its_last_words(
        self, golden: Golden, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its log lies in a folder that is gone afterwards."""

        def no_gpu(folder: Path, config: object) -> None:
            (folder / "run").mkdir()
            (folder / "run" / "worker.log").write_text("Traceback …\nno CUDA-capable device\n\n")
            raise EnvironmentStopError("the worker process cannot be started")

        monkeypatch.setattr(selftest, "score_known", no_gpu)
        record = selftest.run_selftest("cuda")
        told = [check for check in record.checks if check.outcome is Outcome.FAILED]
        assert [check.part for check in told] == [Part.GRADES, Part.RUN, Part.REFUSALS]
        assert {check.note for check in told} == {"worker.log ends: no CUDA-capable device"}


class TestFiles:
    def test_a_changed_byte_of_the_weights_fails_every_check_that_hangs_on_it(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        folder = shutil.copytree(bundles.BUILT_IN / "demo", tmp_path / "bundles" / "demo")
        weights = folder / "grader.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        monkeypatch.setattr(bundles, "BUILT_IN", folder.parent)
        record = selftest.run_selftest("cpu")
        failed = [(check.part, check.name) for check in record.checks if check.outcome == "failed"]
        assert failed == [
            (Part.FILES, "weights of the grader network (SHA-256)"),
            (Part.GRADES, "could not be finished"),
            (Part.RUN, "could not be finished"),
            (Part.REFUSALS, "could not be finished"),
        ]

    def test_weights_that_load_though_they_were_changed_fail(
        self, golden: Golden, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bundles, "_check_files", lambda bundle: None)
        checks = list(selftest.file_checks(golden, selftest.bundled("demo")))
        assert failures(checks) == ["weights with one bit turned"]

    def test_another_slide_than_the_known_one_fails(self, golden: Golden) -> None:
        other = changed(golden, "files", "knee.svs", value="0" * 64)
        checks = list(selftest.file_checks(other, selftest.bundled("demo")))
        assert failures(checks) == ["self-test's knee.svs (SHA-256)"]


class TestThePackage:
    """A package of two files, as an installer leaves it."""

    FILES: ClassVar = {"__init__.py": b"x = 1\n", "part/data.csv": b"a,b\n"}

    @pytest.fixture
    def site(self, tmp_path: Path) -> Path:
        lines = []
        for name, data in self.FILES.items():
            path = tmp_path / "histoscore" / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(data)
            digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")
            lines.append(f"histoscore/{name},sha256={digest},{len(data)}")
        info = tmp_path / "histoscore-0.1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: histoscore\nVersion: 0.1.0\n")
        (info / "RECORD").write_text("\n".join([*lines, f"{info.name}/RECORD,,", ""]))
        return tmp_path

    def check(self, site: Path, package: Path | None = None) -> Check:
        installed = metadata.Distribution.at(site / "histoscore-0.1.0.dist-info")
        return package_check(installed, package or site / "histoscore")

    def test_as_installed_it_passes(self, site: Path) -> None:
        (site / "histoscore" / "__pycache__").mkdir()
        (site / "histoscore" / "__pycache__" / "x.pyc").write_bytes(b"compiled")
        found = self.check(site)
        assert (found.outcome, found.found) == (Outcome.PASSED, "2 files, all as installed")

    def test_a_changed_a_missing_and_an_added_file_are_named(self, site: Path) -> None:
        (site / "histoscore" / "__init__.py").write_bytes(b"x = 2\n")
        (site / "histoscore" / "part" / "data.csv").rename(site / "histoscore" / "other.py")
        found = self.check(site)
        assert found.outcome is Outcome.FAILED
        assert found.found == (
            "part/data.csv is missing; other.py was added; __init__.py was changed"
        )

    def test_a_program_that_runs_from_elsewhere_fails(self, site: Path, tmp_path: Path) -> None:
        found = self.check(site, tmp_path / "elsewhere")
        assert found.outcome is Outcome.FAILED

    def test_without_a_list_nothing_is_claimed(self, site: Path) -> None:
        (site / "histoscore-0.1.0.dist-info" / "RECORD").write_text("_histoscore.pth,,\n")
        assert self.check(site).outcome is Outcome.NOT_CHECKED
        assert package_check(None, site / "histoscore").outcome is Outcome.NOT_CHECKED


class TestLibraries:
    def of(self, *requirements: str) -> list[Check]:
        return [check for check in library_checks(list(requirements)) if check.name != "Python"]

    def test_a_library_below_its_floor_fails(self) -> None:
        (check,) = self.of("numpy>=99")
        assert (check.outcome, check.expected) == (Outcome.FAILED, ">=99")
        assert check.found == metadata.version("numpy")

    def test_a_library_that_is_not_there_fails(self) -> None:
        (check,) = self.of("surely-not-installed>=1")
        assert (check.outcome, check.found) == (Outcome.FAILED, "not installed")

    def test_what_another_system_needs_is_left_out(self) -> None:
        assert self.of("surely-not-installed>=1; sys_platform == 'plan9'") == []

    def test_development_tools_are_no_part_of_an_installation(self) -> None:
        assert self.of("pytest>=99; extra == 'test'") == []


class TestReading:
    @pytest.mark.parametrize("step", [(1, 0), (0, 1)])
    def test_pixels_that_lie_one_beside_their_place_fail(
        self, golden: Golden, step: tuple[int, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        part = reading.PART
        moved = Box(part.x + step[0], part.y + step[1], part.width, part.height)
        monkeypatch.setattr(reading, "PART", moved)
        failed = failures(list(reading.reader_checks(golden)))
        assert failed == list(reading.PICTURES)

    def test_colours_in_another_order_fail(
        self, golden: Golden, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        right = reading.open_slide
        monkeypatch.setattr(reading, "open_slide", lambda *a, **k: Reversed(right(*a, **k)))
        failed = failures(list(reading.reader_checks(golden)))
        assert {"mean red (grey levels)", "mean blue (grey levels)"} <= set(failed)


class Reversed:
    """A slide whose colours come as blue, green, red; pictures that are kept come right."""

    def __init__(self, slide: object) -> None:
        self.slide = slide

    def __getattr__(self, name: str) -> object:
        return getattr(self.slide, name)

    def __enter__(self) -> Reversed:
        return self

    def __exit__(self, *_: object) -> None:
        self.slide.close()

    def read_at(self, *asked: object) -> object:
        return self.slide.read_at(*asked)[..., ::-1]


class TestTheRun:
    def test_a_run_that_verify_cannot_see_damage_in_fails(
        self, scored: ScoredKnown, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(chain, "verify", lambda run: [])
        assert failures(list(chain.run_checks(scored))) == [
            "verify, one byte of compartments.csv changed",
            "verify, one byte of events.jsonl changed",
        ]

    def test_the_run_is_whole_again_afterwards(self, scored: ScoredKnown) -> None:
        assert failures(list(chain.run_checks(scored))) == []
        assert verify(scored.run) == []

    def test_a_grade_for_glass_and_a_cut_slide_without_a_reason_fail(
        self, scored: ScoredKnown
    ) -> None:
        glass = scored.knee.model_copy(update={"status": Status.NO_TISSUE, "reason": "none"})
        cut = scored.cut.model_copy(update={"reason": ""})
        checks = list(chain.refusal_checks(replace(scored, glass=glass, cut=cut)))
        assert failures(checks) == ["blank glass", "a slide cut short"]
        assert "4 grades" in checks[0].found

    def test_a_section_that_is_gone_fails_every_check_of_it(
        self, scored: ScoredKnown, golden: Golden
    ) -> None:
        none = scored.knee.model_copy(update={"sections": (), "status": Status.NO_TISSUE})
        checks = list(chain.grade_checks(golden, replace(scored, knee=none)))
        assert failures(checks) == [check.name for check in checks]


def test_the_examples_have_the_digits_that_are_printed(golden: Golden) -> None:
    """Hollander & Wolfe and R's `wilcox.test` for the first; effsize; Hollander & Wolfe."""
    known = golden.statistics
    pair = "permeability, 12 to 26 weeks against at term, Mann–Whitney"
    statistic, p = known[f"{pair}: statistic and p"]
    assert 5 * 10 - statistic == 35
    assert p == pytest.approx(2 * 0.1272, abs=1e-4)
    assert -known[f"{pair}: Hodges–Lehmann shift and its 95 % interval"][0] == pytest.approx(0.305)
    pair = "dominance, treatment against control, Mann–Whitney"
    assert known[f"{pair}: Cliff's delta and its 95 % interval"][0] == -0.25
    assert known["motivation, Jonckheere–Terpstra: statistic and p"][0] == 79


class TestTheRecord:
    MADE = "2026-03-04T05:06:07+00:00"

    def record(self, **facts: str) -> SelftestRecord:
        check = Check(Part.FILES, "<b>", "<i>", "<img src=x onerror=alert(1)>", Outcome.FAILED)
        return SelftestRecord(self.MADE, {"histoscore": "1", "made by": "a@b", **facts}, (check,))

    def test_nothing_of_it_becomes_markup_or_is_loaded(self) -> None:
        page = record_html(self.record(system="<script>alert(2)</script>"), "x.json", "ab")
        assert "<img" not in page
        assert "<script" not in page
        assert "&lt;img src=x onerror=alert(1)&gt;" in page
        assert "default-src 'none'" in page
        assert "http" not in page.replace("http-equiv", "")

    def test_it_is_never_written_over(self, tmp_path: Path) -> None:
        page, data = write_record(self.record(), tmp_path)
        assert (page.name, data.name) == (
            "selftest-20260304T050607Z.html",
            "selftest-20260304T050607Z.json",
        )
        with pytest.raises(EnvironmentStopError, match="is there already"):
            write_record(self.record(), tmp_path)


def test_golden_values_that_are_no_number_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "golden.json"
    path.write_text(GOLDEN.read_text("utf-8").replace('"model"', '"modell"'))
    with pytest.raises(known_values.UsageError, match=r"golden\.json"):
        read_golden(path)
