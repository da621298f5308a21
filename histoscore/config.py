"""What may be asked: the YAML configuration of a scoring run, frozen and checked.

Every block is handed whole to the stage that it steers. Unknown keys are errors with a
suggestion; there are no variables, anchors or includes, so the file is the configuration.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from histoscore.errors import ConfigError
from histoscore.vocabulary import COMPARTMENT_FLAGS, LADDERS, SECTION_FLAGS, Ladder


class Settings(BaseModel):
    """Base of all configuration blocks."""

    model_config = ConfigDict(extra="forbid", frozen=True)


_S = TypeVar("_S", bound=Settings)

_MAX_YAML_BYTES = 1_000_000


class LadderSettings(Settings):
    """A grade ladder: what a laboratory grades on, where it is not the mouse OARSI one."""

    name: str = Field(pattern=r"^[A-Za-z][\w .-]*$", description="what tables call it")
    rungs: tuple[float, ...] = Field(min_length=2, description="the grades, ascending")
    extent_rungs: tuple[tuple[float, float], ...] = Field(
        (),
        description="[least share of the surface that is gone (0–1), rung], ascending, for rungs "
        "that are defined by it",
    )

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if list(self.rungs) != sorted(set(self.rungs)) or not all(map(math.isfinite, self.rungs)):
            raise ValueError("rungs must be finite and ascend, each once")
        bounds = [bound for bound, _ in self.extent_rungs]
        if bounds != sorted(set(bounds)) or not all(0 <= b < 1 for b in bounds):
            raise ValueError("bounds of extent_rungs must ascend from 0 to below 1")
        if not {rung for _, rung in self.extent_rungs} <= set(self.rungs):
            raise ValueError("extent_rungs names a rung that is not on the ladder")
        return self

    @property
    def ladder(self) -> Ladder:
        return Ladder(self.name, self.rungs, self.extent_rungs)

    @classmethod
    def of(cls, ladder: Ladder) -> LadderSettings:
        return cls(name=ladder.name, rungs=ladder.rungs, extent_rungs=ladder.extent_rungs)


def _by_name(value: object) -> object:
    """A ladder that histoscore knows, where only its name is given."""
    if not isinstance(value, str):
        return value
    if value not in LADDERS:
        raise ValueError(f"unknown ladder {value!r}; known: {', '.join(LADDERS)}")
    return LadderSettings.of(LADDERS[value])


AnyLadder = Annotated[LadderSettings, BeforeValidator(_by_name)]
"""A ladder written out, or the name of a known one."""


def find_ladder(name_or_file: str, base: Path = Path()) -> Ladder:
    """A ladder by name, from a YAML file (relative to `base`), or as a range (`0-10`).

    Raises:
        ConfigError: there is no such ladder, or the file describes none.
    """
    if name_or_file in LADDERS:
        return LADDERS[name_or_file]
    whole = re.fullmatch(r"(\d+)-(\d+)", name_or_file)
    if whole and int(whole[1]) < int(whole[2]) <= 1000:
        rungs = range(int(whole[1]), int(whole[2]) + 1)
        return Ladder(name_or_file, tuple(map(float, rungs)))
    path = base / name_or_file
    if not path.suffix:
        raise ConfigError(
            f"unknown ladder {name_or_file}; known: {', '.join(LADDERS)}; or give a YAML file with "
            "name and rungs, or a range like 0-10"
        )
    return parse_settings(LadderSettings, read_yaml(path), str(path)).ladder


class SectionSettings(Settings):
    """How tissue becomes sections."""

    overview_mpp: float = Field(8.0, ge=2, le=32, description="µm/px of the overview picture")
    min_area_um2: float = Field(250_000, gt=0, description="smaller pieces are not sections (µm²)")
    join_gap_um: float = Field(
        250, ge=0, description="pieces closer than this belong to one section (µm)"
    )
    max_sections: int = Field(24, ge=1, description="more than this on a slide is flagged")


class TileSettings(Settings):
    """How a section is cut for the networks. Pixel sizes and tile sides are the bundle's."""

    overlap: float = Field(0.25, ge=0, le=0.5, description="share of a tile read again")
    batch: Annotated[int, Field(ge=1, le=256)] | Literal["auto"] = Field(
        "auto", description="tiles a batch; auto: as suits the device"
    )
    margin_um: float = Field(
        80, ge=20, description="the fine pass reads this far around the coarse cartilage (µm)"
    )


class QualitySettings(Settings):
    """When a section is withheld, and when it is only flagged."""

    min_focus: float = Field(0.0, ge=0, description="sections less sharp than this are flagged")
    max_light_spread: float = Field(
        0.2, ge=0, le=1, description="flag when clear glass differs by more in brightness (0–1)"
    )
    min_compartment_focus: float = Field(
        0.0, ge=0, description="compartments less sharp than this are flagged"
    )
    max_absent_fraction: float = Field(
        0.05, ge=0, le=1, description="flag when more of the tidemark has no cartilage at all"
    )
    max_obscured_fraction: float = Field(
        0.05, ge=0, le=1, description="flag when more of the cartilage is nearly black"
    )
    max_thickness_um: float = Field(
        120, gt=0, description="thicker cartilage is flagged: cut aslant? (µm)"
    )
    min_compartment_area_um2: float = Field(
        3_000, ge=0, description="a smaller cartilage area is flagged, never removed (µm²)"
    )
    max_compartment_area_um2: float = Field(
        300_000, gt=0, description="a larger cartilage area is flagged, never removed (µm²)"
    )
    max_set_rungs: int = Field(3, ge=1, description="flag when the calibrated set holds more rungs")
    extent_disagreement_rungs: int = Field(
        1, ge=0, description="flag when measured and predicted rung differ by more (rungs)"
    )
    exclude: tuple[str, ...] = Field(
        (), description="flags that take a section or compartment out, with the reason"
    )

    @field_validator("exclude")
    @classmethod
    def _are_flags(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        known = SECTION_FLAGS + COMPARTMENT_FLAGS
        for name in names:
            if name not in known:
                raise ValueError(f"unknown flag {name!r}; known: {', '.join(known)}")
        return names


class PrimaryOutcome(Settings):
    """The one outcome that the study was planned for; the rest are exploratory."""

    outcome: Literal[
        "grade_max",
        "grade_mean",
        "grade_sum",
        "grade_median",
        "hyaline_area_um2",
        "calcified_area_um2",
        "mean_thickness_um",
        "lesion_extent",
    ] = "grade_max"
    region: Literal["MFC", "MTP", "LFC", "LTP", "medial", "lateral", "joint"] = "medial"


class StatisticsSettings(Settings):
    """Comparisons of animals between groups."""

    primary: PrimaryOutcome = PrimaryOutcome()
    reference: str | None = Field(
        None, description="group the others are held against; default: the first in the sheet"
    )
    contrasts: tuple[tuple[str, str], ...] = Field(
        (), description="planned pairs (reference, group); default: all against the reference"
    )
    ordered_groups: tuple[str, ...] = Field(
        (), description="groups in the order of an expected trend, three or more; default: no trend"
    )
    min_animals: int = Field(4, ge=2, description="fewer a group: description only")
    parametric: bool = Field(
        False, description="also Welch's t and ANOVA, which take grades for measurements"
    )
    confidence: float = Field(0.95, gt=0.5, lt=1)
    permutations: int = Field(
        200_000, ge=1_000, description="drawn where groups are too large for the exact distribution"
    )
    seed: int = 20_100


class LimitSettings(Settings):
    """What one slide may cost."""

    max_pixels: int = Field(100_000_000_000, gt=0, description="width × height of level 0")
    max_picture_pixels: int = Field(
        178_956_970, gt=0, description="pixels of a picture that is not tiled (decoded whole)"
    )
    seconds_per_slide: float = Field(1_800, gt=0)
    gib_per_slide: float = Field(32, gt=0, description="memory of the worker process (Linux)")


class ScoreConfig(Settings):
    """One scoring run."""

    model: str = Field("demo", description="name of a bundle in the package, or a folder")
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$")
    engine: Literal["auto", "torch", "openvino"] = "auto"
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the segmentation networks' arithmetic"
    )
    threads: int | None = Field(
        None, ge=1, description="cores that a worker computes on; default: all that it may use"
    )
    full_section: bool = Field(False, description="run the fine pass over the whole section")
    assume_mpp: float | None = Field(
        None,
        ge=0.1,
        le=2.0,
        description="µm/px to read slides at that have no believable one; told in pixels",
    )
    chondrocytes: bool = Field(False, description="count nuclei in the hyaline cartilage")
    sections: SectionSettings = SectionSettings()
    tiles: TileSettings = TileSettings()
    quality: QualitySettings = QualitySettings()
    statistics: StatisticsSettings = StatisticsSettings()
    limits: LimitSettings = LimitSettings()


def load_config(path: Path | None = None, overrides: Sequence[str] = ()) -> ScoreConfig:
    """The configuration in a YAML file, changed by `key=value` overrides (`tiles.batch=4`).

    Raises:
        ConfigError: unreadable file, unknown key (with a suggestion), value out of range.
    """
    data = overridden(read_yaml(path) if path else {}, overrides)
    return parse_settings(ScoreConfig, data, str(path) if path else "the command line")


def parse_settings(model: type[_S], data: dict[str, Any], where: str) -> _S:
    """A settings object from plain data; raises ConfigError that names file, key and remedy."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [f"  {line}" for line in _explain(model, error)]
        raise ConfigError(f"{where}: the configuration is not valid\n" + "\n".join(lines)) from None


def read_yaml(path: Path) -> dict[str, Any]:
    """A YAML mapping; raises ConfigError for what is not one, or holds a key twice."""
    try:
        size = path.stat().st_size
        if size > _MAX_YAML_BYTES:
            raise ConfigError(f"{path}: {size:,} bytes is too large for a configuration")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not UTF-8 text") from None
    try:
        data = yaml.load(text, _UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except _NOT_YAML as error:
        raise ConfigError(f"{path}: is not valid YAML: {error}") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: must hold `key: value` lines")
    return data


_NOT_YAML = (yaml.YAMLError, ValueError, RecursionError)
"""What reading YAML raises: also for dates that are none, and for blocks a thousand deep."""


class _UniqueKeyLoader(yaml.SafeLoader):
    """SafeLoader that refuses a key given twice, and aliases (a file is what it says)."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.constructor.ConstructorError(None, None, "aliases are not used here", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(
                    None, None, "a key must be a word", key_node.start_mark
                )
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} stands twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def overridden(data: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`data` changed in place by `key=value` texts (`tiles.batch=4`); raises ConfigError."""
    for override in overrides:
        _override(data, override)
    return data


def _override(data: dict[str, Any], override: str) -> None:
    key, equals, value = override.partition("=")
    if not equals:
        raise ConfigError(f"--set {override}: write it as key=value, e.g. tiles.batch=4")
    *parents, last = key.strip().split(".")
    for parent in parents:
        data = data.setdefault(parent, {})
        if not isinstance(data, dict):
            raise ConfigError(f"--set {override}: {parent} is a value, not a block")
    try:
        data[last] = yaml.load(value, _UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
    except _NOT_YAML:
        raise ConfigError(f"--set {override}: {value!r} is not a YAML value") from None


def _explain(model: type[Settings], error: ValidationError) -> list[str]:
    lines = []
    for problem in error.errors():
        place = ".".join(str(part) for part in problem["loc"])
        if problem["type"] == "extra_forbidden":
            known = _keys_beside(model, problem["loc"])
            near = difflib.get_close_matches(str(problem["loc"][-1]), known, n=1)
            hint = f"did you mean {near[0]}?" if near else f"known keys: {', '.join(known)}"
            lines.append(f"{place}: unknown key; {hint}")
        else:
            lines.append(f"{place}: {problem['msg']} (it is {problem['input']!r})")
    return lines


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Keys of the block that a place lies in; of all that it may be, where `kind` does not say."""
    models = [model]
    for part in map(str, location[:-1]):
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        inside = [found for field in fields for found in _models_in(field.annotation)]
        models = inside or [one for one in models if _is_tagged(one, part)] or models
    return sorted({key for one in models for key in one.model_fields})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    """The blocks that a field may hold: `A`, `A | None`, `A | B` told apart by a tag."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for part in get_args(annotation) for found in _models_in(part)]


def _is_tagged(model: type[BaseModel], tag: str) -> bool:
    return any(tag in get_args(field.annotation) for field in model.model_fields.values())
