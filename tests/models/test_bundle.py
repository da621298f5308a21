"""Model bundles: found, checked, refused; and nothing in them is ever unpickled."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from histoscore.errors import ModelError
from histoscore.models import bundle as bundles
from histoscore.models.bundle import find_bundle, list_bundles
from histoscore.models.card import TrainingFacts, write_bundle
from histoscore.models.networks import build_network
from histoscore.models.passes import Network
from histoscore.models.specs import GraderSpec, NetworkName, NetworkSpec, SegmentationSpec
from histoscore.scoring.calibration import Calibration
from histoscore.vocabulary import OARSI_MOUSE

SPECS: dict[NetworkName, NetworkSpec] = {
    "coarse": SegmentationSpec(depth=3, mpp=3.0, tile_px=64),
    "fine": SegmentationSpec(depth=3, context=3, mpp=1.2, tile_px=64),
    "grader": GraderSpec(depth=3, mpp=1.2, tile_px=160),
}
TRAINING = TrainingFacts("phantoms drawn by histoscore, no tissue", 2, 2, 0, 2, 2, 0, 0, "", {})


@pytest.fixture(scope="module")
def networks() -> dict[NetworkName, Network]:
    torch.manual_seed(11)
    return {name: Network(spec, build_network(spec)) for name, spec in SPECS.items()}


@pytest.fixture
def folder(tmp_path: Path, networks: dict[str, Any]) -> Path:
    (tmp_path / "tiny").mkdir()
    limits = {"pink_purple_share": (0.0, 0.7)}
    return write_bundle(tmp_path / "tiny", "tiny", networks, OARSI_MOUSE, limits, None, TRAINING)


def changed_card(folder: Path, change: Any) -> None:
    card = json.loads((folder / "model.json").read_text())
    change(card)
    (folder / "model.json").write_text(json.dumps(card))


def test_a_folder_is_a_bundle(folder: Path) -> None:
    found = find_bundle(str(folder))
    assert found.name == "tiny"
    assert found.ladder.name == "oarsi_mouse_2010"
    assert set(found.details.networks) == {"coarse", "fine", "grader"}
    assert found.details.appearance == {"pink_purple_share": (0.0, 0.7)}


def test_bundles_of_the_package_are_found_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundles, "BUILT_IN", folder.parent)
    assert [b.name for b in list_bundles()] == ["tiny"]
    assert find_bundle("tiny").folder == folder


def test_an_unknown_name_lists_those_at_hand(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "BUILT_IN", folder.parent)
    with pytest.raises(ModelError, match=r"no model bundle 'tyni'.*\(tiny\)"):
        find_bundle("tyni")


def test_a_name_cannot_leave_the_packages_folder(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "inside").mkdir()
    monkeypatch.setattr(bundles, "BUILT_IN", tmp_path / "inside")
    monkeypatch.chdir(tmp_path / "inside")
    with pytest.raises(ModelError, match="no model bundle"):
        find_bundle("tiny")
    assert find_bundle("../tiny").folder == Path("../tiny")


@pytest.mark.parametrize("network", ["coarse", "fine", "grader"])
def test_networks_load_as_they_were_stored(
    folder: Path, networks: dict[NetworkName, Network], network: NetworkName
) -> None:
    stored = find_bundle(str(folder)).load(network).state_dict()
    for name, tensor in networks[network].module.state_dict().items():
        assert torch.allclose(stored[name].float(), tensor.float(), rtol=1e-3, atol=1e-6)


class TestRefusals:
    """What is wrong with a bundle is said before anything is scored."""

    @pytest.mark.fault(48)
    def test_changed_weights(self, folder: Path) -> None:
        file = folder / "fine.safetensors"
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
        with pytest.raises(ModelError, match=r"fine\.safetensors: .*SHA-256 differs"):
            find_bundle(str(folder))

    def test_missing_weights(self, folder: Path) -> None:
        (folder / "grader.safetensors").unlink()
        with pytest.raises(ModelError, match="weights of the grader network are missing"):
            find_bundle(str(folder))

    def test_a_card_without_a_network(self, folder: Path) -> None:
        changed_card(folder, lambda card: card["networks"].pop("fine"))
        with pytest.raises(ModelError, match=r"model\.json: the card lists no fine network"):
            find_bundle(str(folder))

    @pytest.mark.parametrize(
        ("change", "place"),
        [
            (lambda card: card.pop("species"), "species"),
            (lambda card: card.update(secret=1), "secret"),
            (lambda card: card.update(format=2), "format"),
            (lambda card: card["networks"]["fine"].update(file="../fine.safetensors"), "file"),
            (lambda card: card["networks"]["fine"].update(file="fine.pt"), "file"),
            (lambda card: card["networks"]["fine"].update(sha256="none"), "sha256"),
            (lambda card: card["networks"]["fine"]["spec"].update(mpp=0), "mpp"),
            (lambda card: card["networks"]["fine"]["spec"].update(tile_px=100), "tile_px"),
            (lambda card: card["networks"]["fine"]["spec"].update(kind="poet"), "spec"),
            (lambda card: card["networks"]["fine"]["spec"].update(pooling=["max"]), "pooling"),
            (lambda card: card["networks"]["grader"]["spec"].update(decoder="fpn"), "decoder"),
            (lambda card: card.update(calibration={"temperature": 0}), "calibration"),
        ],
        ids=lambda value: value if isinstance(value, str) else "",
    )
    @pytest.mark.fault(48)
    def test_a_card_that_is_not_one(self, folder: Path, change: Any, place: str) -> None:
        changed_card(folder, change)
        with pytest.raises(ModelError, match=rf"model\.json: not a model card \(.*{place}"):
            find_bundle(str(folder))

    @pytest.mark.parametrize("text", ["", "[]", "{", "\x00"])
    def test_a_card_that_is_no_json_object(self, folder: Path, text: str) -> None:
        (folder / "model.json").write_text(text)
        with pytest.raises(ModelError, match="not a model card"):
            find_bundle(str(folder))

    def test_an_unknown_ladder(self, folder: Path) -> None:
        changed_card(folder, lambda card: card.update(ladder="mankin"))
        with pytest.raises(ModelError, match="unknown ladder 'mankin'; known: oarsi_mouse_2010"):
            find_bundle(str(folder))

    def test_other_classes_of_tissue(self, folder: Path) -> None:
        changed_card(folder, lambda card: card["tissues"].reverse())
        with pytest.raises(ModelError, match="asks for background, hyaline cartilage"):
            find_bundle(str(folder))

    def test_a_grader_in_the_place_of_a_segmentation_network(self, folder: Path) -> None:
        def swap(card: dict[str, Any]) -> None:
            networks = card["networks"]
            networks["coarse"], networks["grader"] = networks["grader"], networks["coarse"]

        changed_card(folder, swap)
        with pytest.raises(ModelError, match="the coarse network is a grader"):
            find_bundle(str(folder))

    def test_a_fine_network_that_sees_less_than_the_coarse_one(self, folder: Path) -> None:
        changed_card(folder, lambda card: card["networks"]["fine"]["spec"].update(mpp=7.5))
        with pytest.raises(ModelError, match=r"fine network \(7\.5 µm/px\) sees less"):
            find_bundle(str(folder))

    def test_no_card_for_people(self, folder: Path) -> None:
        (folder / "MODEL_CARD.md").unlink()
        with pytest.raises(ModelError, match=r"MODEL_CARD\.md: cannot be read"):
            _ = find_bundle(str(folder)).card

    def test_a_folder_without_a_card(self, tmp_path: Path) -> None:
        with pytest.raises(ModelError, match=r"neither a folder with a model\.json"):
            find_bundle(str(tmp_path))


class TestCalibration:
    """What makes the grader's probabilities ones that may be believed."""

    def test_a_bundle_without_one_has_none(self, folder: Path) -> None:
        assert find_bundle(str(folder)).calibration is None

    @pytest.mark.parametrize("threshold", [0.0, 0.62, float("inf")])
    def test_it_comes_back_as_it_was_fitted(
        self, tmp_path: Path, networks: dict[NetworkName, Network], threshold: float
    ) -> None:
        fitted = Calibration(1.37, threshold, 0.9, 12, 41)
        write_bundle(tmp_path, "tiny", networks, OARSI_MOUSE, {}, fitted, TRAINING)
        assert find_bundle(str(tmp_path)).calibration == fitted

    def test_another_calibration_is_another_model(
        self, tmp_path: Path, networks: dict[NetworkName, Network]
    ) -> None:
        hashes = set()
        for threshold in (0.5, 0.6):
            fitted = Calibration(1.0, threshold, 0.9, 12, 41)
            write_bundle(tmp_path, "tiny", networks, OARSI_MOUSE, {}, fitted, TRAINING)
            hashes.add(find_bundle(str(tmp_path)).weights_hash)
        assert len(hashes) == 2


class TestBanner:
    """A model that is not validated on real tissue says so wherever its numbers appear."""

    def test_a_demonstration_model_has_one(self, folder: Path) -> None:
        banner = find_bundle(str(folder)).banner
        assert banner is not None
        assert "tiny" in banner
        assert "not validated on real tissue" in banner

    def test_a_validated_model_has_none(self, folder: Path) -> None:
        changed_card(folder, lambda card: card.update(validated_on_real_tissue=True))
        assert find_bundle(str(folder)).banner is None

    def test_the_card_for_people_says_it_first(self, folder: Path) -> None:
        card = " ".join(find_bundle(str(folder)).card.split())
        assert card.index("demonstration model") < card.index("| network |")
        assert "not validated on real tissue" in card
        assert "0, 0.5, 1, 2, 3, 4, 5, 6" in card
        assert "none: the tables leave `grade_low` and `grade_high` empty" in card


def test_the_hash_covers_weights_and_how_they_are_used(folder: Path) -> None:
    before = find_bundle(str(folder)).weights_hash
    changed_card(folder, lambda card: card["networks"]["fine"]["spec"].update(mpp=1.25))
    assert find_bundle(str(folder)).weights_hash != before


class _Canary:
    """Unpickling it leaves a file behind."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("name", ["coarse.pt", "coarse.safetensors.pt", "model.pkl", "weights.bin"])
@pytest.mark.fault(48)
def test_a_pickle_in_the_folder_is_never_opened(folder: Path, name: str, tmp_path: Path) -> None:
    (folder / name).write_bytes(pickle.dumps(_Canary(tmp_path / "trace")))
    found = find_bundle(str(folder))
    for network in found.details.networks:
        found.load(network)
    assert found.card
    assert not (tmp_path / "trace").exists()


@pytest.mark.fault(48)
def test_a_pickle_in_the_place_of_weights_is_never_opened(folder: Path, tmp_path: Path) -> None:
    """Even where the card was forged to match it."""
    from histoscore.files import sha256_of

    file = folder / "coarse.safetensors"
    file.write_bytes(pickle.dumps(_Canary(tmp_path / "trace")))
    changed_card(folder, lambda card: card["networks"]["coarse"].update(sha256=sha256_of(file)))
    found = find_bundle(str(folder))
    with pytest.raises(ModelError, match=r"coarse\.safetensors"):
        found.load("coarse")
    assert not (tmp_path / "trace").exists()
    pickle.loads(file.read_bytes())
    assert (tmp_path / "trace").exists(), "the canary would have sung"


def test_reading_cards_takes_no_torch(folder: Path) -> None:
    program = (
        "import sys; from histoscore.models.bundle import find_bundle; "
        f"assert find_bundle({str(folder)!r}).banner; "
        "loaded = {'torch', 'timm', 'cv2', 'pandas'} & set(sys.modules); "
        "sys.exit(f'loaded: {loaded}' if loaded else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
