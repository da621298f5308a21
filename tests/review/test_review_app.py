"""What the page may ask, and what it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from helpers.review_page import Page, open_page
from helpers.reviewable_run import (
    ANIMALS,
    BANDS,
    CORNERS,
    GROUPS,
    MARK,
    MARK_COLOR,
    SECRETS,
    make_reviewable,
)
from PIL import Image

from histoscore.errors import DamagedSlideError, EnvironmentStopError
from histoscore.files import sha256_of
from histoscore.review import app as app_module
from histoscore.review import shelf
from histoscore.review.app import threads_for_tiles
from histoscore.review.pyramid import TILE
from histoscore.runs.audit import AuditTrail
from histoscore.runs.verify import verify
from histoscore.vocabulary import Compartment

OKAPI, TAPIR = CORNERS


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    opened = open_page(make_reviewable(tmp_path))
    yield opened
    opened.desk.shelf.close()


def tile(page: Page, code: str, level: int, column: int = 0, row: int = 0) -> Image.Image:
    answer = page.client.get(f"/tiles/{code}/{level}/{column}_{row}.jpg")
    assert answer.status_code == 200
    return Image.open(BytesIO(answer.content))


def whole(page: Page, code: str) -> np.ndarray:
    """The picture at full resolution, put together from its tiles."""
    pyramid = page.desk.subjects[code].pyramid
    width, height = pyramid.box.width, pyramid.box.height
    canvas = np.zeros((height, width, 3), np.uint8)
    for row in range(-(-height // TILE)):
        for column in range(-(-width // TILE)):
            part = np.asarray(tile(page, code, pyramid.top, column, row))
            y, x = row * TILE, column * TILE
            canvas[y : y + part.shape[0], x : x + part.shape[1]] = part
    return canvas


def test_the_queue_has_every_section_once_in_an_order_of_its_own(page: Page) -> None:
    orders = {}
    for number in range(8):
        name = page.join(f"scorer {number}")
        orders[name] = tuple(page.codes(name))
        assert sorted(orders[name]) == sorted(page.desk.subjects)
        assert page.codes(name) == list(orders[name])
    assert len(set(orders.values())) > 2


def test_code_names_tell_nothing_and_stay(page: Page, tmp_path: Path) -> None:
    codes = set(page.desk.subjects)
    assert len(codes) == 3
    assert all(len(code) == 4 and code.isalnum() and code.isupper() for code in codes)
    again = open_page(tmp_path / "run")
    assert set(again.desk.subjects) == codes


def test_full_resolution_is_the_slides_pixels_around_the_section(page: Page) -> None:
    code = page.code_of(TAPIR, 2)
    box = page.desk.subjects[code].pyramid.box
    x, y = CORNERS[TAPIR][1]
    mark_x, mark_y, side, _ = MARK
    left, top = x + mark_x - box.x, y + mark_y - box.y
    found = whole(page, code)[top : top + side, left : left + side].reshape(-1, 3)
    assert np.abs(found.astype(int) - MARK_COLOR).mean() < 6
    around = whole(page, code)[top - 8 : top - 4, left : left + side]
    assert np.abs(around.astype(int) - MARK_COLOR).mean() > 40


def test_every_level_down_to_one_pixel_shows_the_same_picture(page: Page) -> None:
    code = page.code_of(OKAPI)
    pyramid = page.desk.subjects[code].pyramid
    assert tile(page, code, 0).size == (1, 1)
    middle = whole(page, code).reshape(-1, 3).mean(axis=0)
    for level in range(6, pyramid.top - 1):  # one tile each, and not much more than the picture
        found = tile(page, code, level)
        assert found.size == pyramid.size(level)
        assert np.asarray(found).reshape(-1, 3).mean(axis=0) == pytest.approx(middle, abs=9)


@pytest.mark.fault(54)
@pytest.mark.parametrize(
    "place",
    [
        "99/0_0.jpg", "-1/0_0.jpg", "11/9_0.jpg", "11/0_9.jpg", "11/-1_0.jpg", "11/0_0", "11/0.jpg",
        "11/0_0.jpg.jpg", "11/999999999999_0.jpg", "11/1e3_0.jpg", "11/²_0.jpg", "11/0_0.png",
    ],
)  # fmt: skip
def test_a_tile_that_is_not_there_is_not_found(page: Page, place: str) -> None:
    code = page.codes(page.join())[0]
    answer = page.client.get(f"/tiles/{code}/{place}")
    assert answer.status_code == (200 if place == "11/0_0" else 404), place


@pytest.mark.fault(54)
@pytest.mark.parametrize(
    "path",
    [
        "/static/../desk.py", "/static/%2e%2e/desk.py", "/static/..%2f..%2fdesk.py",
        "/static//etc/passwd", "/static/%2fetc%2fpasswd", "/static/vendor/../../app.py",
        "/references/../page.js", "/references/..%2fpage.js", "/tiles/../11/0_0.jpg",
        "/static/__init__.py", "/static/", "/static/none.js", "/run.json", "/api/none",
    ],
)  # fmt: skip
def test_no_address_leads_out_of_the_page(page: Page, path: str) -> None:
    assert page.client.get(path).status_code == 404


@pytest.mark.fault(54)
def test_ranges_are_not_served_piece_by_piece(page: Page) -> None:
    ranges = ",".join(f"{i}-{i + 1}" for i in range(0, 4000, 2))
    answer = page.client.get("/static/page.js", headers={"range": f"bytes={ranges}"})
    assert answer.status_code == 200
    assert "content-range" not in answer.headers


@pytest.mark.fault(54)
def test_too_many_tiles_at_once_are_refused_and_the_rest_are_served(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests beyond what waits are told so; what waits is bounded, and so is memory."""
    monkeypatch.setattr(app_module, "MOST_WAITING", 3)
    code = page.codes(page.join())[0]
    go_on, drawing = threading.Event(), threading.Semaphore(0)

    def slow(*place: object) -> bytes:
        drawing.release()
        go_on.wait(90)
        return b"tile"

    monkeypatch.setattr(page.desk.tiles, "picture", slow)
    statuses: list[int] = []

    def ask() -> None:
        statuses.append(page.client.get(f"/tiles/{code}/11/0_0.jpg").status_code)

    with page.client:  # one event loop for all of them
        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        drawing.acquire()
        deadline = time.monotonic() + 60
        while len(statuses) < 24 - 3 - threads_for_tiles() and time.monotonic() < deadline:
            time.sleep(0.01)
        told_at_once = set(statuses)
        go_on.set()  # whatever was told: requests in flight keep the client from closing
        for thread in threads:
            thread.join()
    assert told_at_once == {429}
    assert statuses.count(200) == 3 + threads_for_tiles()


@pytest.mark.fault(56)
def test_nothing_that_is_sent_while_blinded_tells_whose_it_is(
    page: Page, capfd: pytest.CaptureFixture[str]
) -> None:
    """Every address, every answer with its headers, every picture's bytes, and the terminal."""
    ann, bob = page.join("ann", "independent"), page.join("bob", "assist")
    told: list[bytes] = []

    def ask(path: str, **query: str) -> None:
        answer = page.client.get(path, params=query)
        told.append(str(answer.url).encode() + str(answer.headers).encode() + answer.content)

    for path in ("/", "/api/review", "/static/page.js", "/api/nothing", "/tiles/XXXX/3/0_0.jpg"):
        ask(path)
    for name in (ann, bob):
        for path in ("/api/queue", "/api/differences"):
            ask(path, scorer=name)
    for code, subject in page.desk.subjects.items():
        for compartment in Compartment:
            body = {"scorer": ann, "code": code, "compartment": compartment.value, "grade": 2}
            answer = page.client.post("/api/decisions", json={**body, "seen": 0})
            told.append(answer.content)
            stale = page.client.post("/api/decisions", json={**body, "seen": 0})
            assert stale.status_code == 409
            told.append(stale.content)
        for name in (ann, bob):
            ask(f"/api/sections/{code}", scorer=name)
            ask(f"/api/sections/{code}/overlay", scorer=name)
            ask(f"/labels/{code}/{subject.pyramid.top}/0_0.png", scorer=name)
        for level in range(subject.pyramid.top + 1):
            ask(f"/tiles/{code}/{level}/0_0.jpg")
    told.append(page.client.post("/api/undo", json={"scorer": ann}).content)
    told.append(page.client.post("/api/sign", json={"scorer": ann, "counting": "model"}).content)
    told.append(page.client.post("/api/tables", json={}).content)
    out, err = capfd.readouterr()
    told += [out.encode(), err.encode()]
    everything = b"\n".join(told).lower()
    assert len(told) > 60
    assert b"mfc" in everything
    for word in (*SECRETS, "study.csv", *(str(page.desk.run.folder.path).lower(),)):
        assert word.encode() not in everything, word


@pytest.mark.fault(56)
def test_pictures_carry_no_metadata(page: Page) -> None:
    code = page.codes(page.join())[0]
    answer = page.client.get(f"/tiles/{code}/11/0_0.jpg")
    picture = Image.open(BytesIO(answer.content))
    assert not picture.getexif()
    assert set(picture.info) <= {"jfif", "jfif_version", "jfif_unit", "jfif_density"}


@pytest.mark.fault(56)
def test_unblinding_waits_for_everybody_is_an_event_and_then_tells(page: Page) -> None:
    page.join("ann"), page.join("bob")
    code = page.code_of(OKAPI)
    assert page.get(f"/api/sections/{code}", scorer="ann")["slide"] is None
    page.post("/api/sign", scorer="ann", counting="person")
    assert "bob must sign off" in page.post("/api/unblind", 409, scorer="ann")["error"]
    page.post("/api/sign", scorer="bob", counting="person")
    told = page.post("/api/unblind", scorer="ann")
    assert (told["blinded"], told["closed"]) == (False, True)
    animal = ANIMALS[OKAPI]
    assert page.get(f"/api/sections/{code}", scorer="ann")["slide"] == {
        "slide": OKAPI, "section": 1, "animal": animal, "group": GROUPS[animal],
    }  # fmt: skip
    events = [event.what for event in page.desk.run.folder.trail.events()]
    assert events.count("review: unblinded") == 1
    assert "unblinded" in page.decide(code, "MFC", 3, expected=409)["error"]


def test_in_independent_mode_the_model_is_hidden_until_the_section_is_graded(page: Page) -> None:
    page.join("ann", "independent")
    code = page.code_of(OKAPI)
    top = page.desk.subjects[code].pyramid.top
    for number, compartment in enumerate(Compartment):
        section = page.get(f"/api/sections/{code}", scorer="ann")
        assert [part["model"] for part in section["compartments"].values()] == [None] * 4
        overlay = page.get(f"/api/sections/{code}/overlay", scorer="ann")
        assert (overlay["compartments"], overlay["labels"]) == ({}, False)
        hidden = page.client.get(f"/labels/{code}/{top}/0_0.png", params={"scorer": "ann"})
        assert hidden.status_code == 404
        answer = page.decide(code, compartment.value, number)
        assert answer["queue"]["decided"] == number + 1
    assert answer["compartments"]["MFC"]["model"]["grade"] == 3
    assert answer["compartments"]["LTP"]["model"]["reason"] == "cartilage not found"
    overlay = page.get(f"/api/sections/{code}/overlay", scorer="ann")
    assert set(overlay["compartments"]) == set(Compartment)
    needed = page.decide(code, "MFC", 5, expected=422)
    assert needed["needs"] == "reason"


def test_in_assist_mode_the_model_stands_beside_the_picture(page: Page) -> None:
    page.join("ann", "assist")
    part = page.get(f"/api/sections/{page.code_of(OKAPI)}", scorer="ann")["compartments"]["MFC"]
    assert (part["model"]["grade"], part["model"]["lesion_extent"]) == (3, 0.2)
    assert len(part["model"]["probabilities"]) == 8


def test_one_scorer_is_told_nothing_of_anothers_grades(page: Page) -> None:
    page.join("ann"), page.join("bob")
    code = page.code_of(OKAPI)
    page.decide(code, "LTP", 6)
    part = page.get(f"/api/sections/{code}", scorer="bob")["compartments"]["LTP"]
    assert (part["mine"], part["seen"]) == (None, 0)
    assert page.get("/api/differences", scorer="bob")["items"] == []


def test_outlines_lie_where_they_are_in_the_picture(page: Page) -> None:
    page.join()
    for (slide, section), (x, y) in {
        (OKAPI, 1): CORNERS[OKAPI][0], (TAPIR, 2): CORNERS[TAPIR][1],
    }.items():  # fmt: skip
        code = page.code_of(slide, section)
        box = page.desk.subjects[code].pyramid.box
        overlay = page.get(f"/api/sections/{code}/overlay", scorer="ann")
        for compartment, (left, top, width, height) in BANDS.items():
            parts = overlay["compartments"][compartment.value]
            ring = np.asarray(parts["hyaline"][0])
            corner = (x + left - box.x, y + top - box.y)
            assert ring.min(axis=0) == pytest.approx(corner)
            assert ring.max(axis=0) == pytest.approx((corner[0] + width, corner[1] + height))
            joint = corner[1] + (height if compartment.is_femoral else 0)
            assert np.asarray(parts["surface"])[:, 1] == pytest.approx(joint)
        assert [len(one["lesions"]) for one in overlay["compartments"].values()] == [1, 0, 0, 0]


def test_label_tiles_have_the_tissues_colours_where_the_tissue_is(page: Page) -> None:
    page.join()
    code = page.code_of(OKAPI)
    box, top = (page.desk.subjects[code].pyramid.box, page.desk.subjects[code].pyramid.top)
    x, y = CORNERS[OKAPI][0]
    left, upper, width, height = BANDS[Compartment.MFC]
    place = (x + left - box.x + width // 2, y + upper - box.y + height // 2)
    answer = page.client.get(
        f"/labels/{code}/{top}/{place[0] // TILE}_{place[1] // TILE}.png", params={"scorer": "ann"}
    )
    colors = np.asarray(Image.open(BytesIO(answer.content)).convert("RGBA"))
    assert tuple(colors[place[1] % TILE, place[0] % TILE]) == (213, 94, 0, 255)
    assert colors[2, 2, 3] == 0


@pytest.mark.fault(55)
def test_two_tabs_the_second_is_told_and_shown_what_stands_there(page: Page) -> None:
    page.join()
    code = page.code_of(OKAPI)
    page.decide(code, "LTP", 4, seen=0)
    stale = page.decide(code, "LTP", 5, seen=0, expected=409)
    assert "another tab" in stale["error"]
    assert stale["compartment"]["mine"]["grade"] == 4
    page.decide(code, "LTP", 5, seen=stale["compartment"]["seen"], reason="second look")


@pytest.mark.fault(55)
def test_many_requests_at_once_lose_and_double_nothing(page: Page) -> None:
    page.join("ann"), page.join("bob")
    codes = sorted(page.desk.subjects)
    places = [(n, c, p) for n in ("ann", "bob") for c in codes for p in ("LTP", "LFC")]

    def ask(name: str, code: str, compartment: str) -> None:
        for seen in (0, 0):
            body = {"scorer": name, "code": code, "compartment": compartment, "grade": 0}
            page.client.post("/api/decisions", json={**body, "seen": seen})

    threads = [threading.Thread(target=ask, args=place) for place in places]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trail = page.desk.run.folder.trail
    assert trail.problems() == []
    decided = [event for event in trail.events() if event.what == "review: decided"]
    assert len(decided) == len(places)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"grade": 2.5}, 409),
        ({"grade": "2"}, 400),
        ({"grade": True}, 400),
        ({"grade": float("inf")}, 400),
        ({"grade": 2, "gradable": False}, 409),
        ({"compartment": "MFX"}, 400),
        ({"code": "../../etc"}, 404),
        ({"seen": -1}, 400),
        ({"comment": "x" * 2001}, 400),
        ({"more": 1}, 400),
        ({"scorer": "nobody"}, 409),
    ],
)
def test_what_makes_no_sense_is_refused_and_decides_nothing(
    page: Page, body: dict[str, object], status: int
) -> None:
    page.join()
    usual = {
        "scorer": "ann", "code": page.code_of(OKAPI), "compartment": "MFC", "grade": 3, "seen": 0,
    }  # fmt: skip
    import json

    answer = page.client.post(
        "/api/decisions",
        content=json.dumps(usual | body),
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]
    assert page.desk.log.scorer("ann").newest == {}


def test_a_body_without_end_is_cut_off(page: Page) -> None:
    answer = page.client.post(
        "/api/decisions",
        content=b" " * 1_000_000,
        headers={"content-type": "application/json"},
    )
    assert answer.status_code == 413


@pytest.mark.parametrize("name", ["", "  ", "model", "Reference", "consensus", "a\x07b", "x" * 61])
def test_names_that_nobody_can_have(page: Page, name: str) -> None:
    answer = page.client.post("/api/scorers", json={"name": name, "mode": "assist"})
    assert answer.status_code in (400, 409)
    assert page.desk.log.scorers == {}


def test_a_name_that_looks_like_anothers_is_refused(page: Page) -> None:
    page.join("Ann Lee")
    refused = page.post("/api/scorers", 409, name="ann  LEE", mode="assist")
    assert "there is Ann Lee already" in refused["error"]


def test_the_mode_of_the_review_is_everybodys(tmp_path: Path) -> None:
    page = open_page(make_reviewable(tmp_path), fixed="independent")
    refused = page.post("/api/scorers", 409, name="ann", mode="assist")
    assert "independent mode" in refused["error"]
    page.join("ann", "independent")


@pytest.mark.fault(3)
def test_a_slide_that_changed_since_it_was_scored_is_not_graded(page: Page) -> None:
    page.join()
    code = page.code_of(OKAPI)
    path = page.desk.shelf.volumes[OKAPI].path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    refused = page.decide(code, "LTP", 3, seen=0, expected=409)
    assert "not the one that was scored" in refused["error"]
    section = page.get(f"/api/sections/{code}", scorer="ann")
    assert section["image"] is None
    assert sha256_of(path)[:12] in section["image_problem"]
    assert page.client.get(f"/tiles/{code}/5/0_0.jpg").status_code == 410
    page.decide(page.code_of(TAPIR), "LTP", 3)


@pytest.mark.fault(39)
def test_a_slide_that_is_gone_is_told_and_can_come_back(page: Page) -> None:
    page.join()
    code = page.code_of(OKAPI)
    path = page.desk.shelf.volumes[OKAPI].path
    away = path.rename(path.with_name("away"))
    problem = page.get(f"/api/sections/{code}", scorer="ann")["image_problem"]
    assert "not where it was" in problem
    assert "okapi" not in problem
    away.rename(path)
    assert page.get(f"/api/sections/{code}", scorer="ann")["image"]
    page.decide(code, "LTP", 2)


@pytest.mark.fault(56)
def test_a_slide_that_cannot_be_read_is_told_without_its_name(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    def named(*place: object, **more: object) -> None:
        raise DamagedSlideError("companion files missing: okapi.svs")

    page.join()
    code = page.code_of(OKAPI)
    with page.desk.shelf.reading(OKAPI) as slide:
        monkeypatch.setattr(slide, "read_at", named)
    answer = page.client.get(f"/tiles/{code}/11/0_0.jpg")
    assert (answer.status_code, "okapi" in answer.text) == (410, False)
    page.desk.shelf.close_all()
    monkeypatch.setattr(shelf, "open_slide", named)
    problem = page.get(f"/api/sections/{code}", scorer="ann")["image_problem"]
    assert "cannot be opened any more" in problem
    assert "okapi" not in problem


@pytest.mark.fault(33)
def test_a_full_disk_saves_nothing_and_says_so(
    page: Page, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page.join()
    code = page.code_of(OKAPI)

    def full(trail: AuditTrail, what: str, **details: object) -> None:
        raise EnvironmentStopError("events.jsonl: cannot be written (No space left on device)")

    monkeypatch.setattr(AuditTrail, "append", full)
    refused = page.decide(code, "LTP", 2, seen=0, expected=507)
    assert "not saved" in refused["error"]
    assert "events.jsonl" in capsys.readouterr().err
    assert page.get(f"/api/sections/{code}", scorer="ann")["compartments"]["LTP"]["mine"] is None


def test_flag_and_comment_belong_to_the_decision(page: Page) -> None:
    page.join()
    code = page.code_of(OKAPI)
    words = "<img src=x onerror=alert(1)>  torn   here"
    answer = page.decide(code, "LTP", None, flagged=True, comment=words)
    assert answer["queue"] == {"code": code, "decided": 0, "expected": 4, "flagged": True}
    mine = answer["compartment"]["mine"]
    assert mine["comment"] == "<img src=x onerror=alert(1)> torn here"
    assert mine["grade"] is None
    answer = page.decide(code, "LTP", None, gradable=False, comment="torn")
    assert answer["queue"]["decided"] == 1


def test_undo_tells_where_it_was(page: Page) -> None:
    page.join()
    assert page.post("/api/undo", 404, scorer="ann")["error"] == "there is nothing to take back"
    code = page.code_of(TAPIR, 2)
    page.decide(code, "LTP", 2)
    answer = page.post("/api/undo", scorer="ann")
    assert (answer["code"], answer["name"]) == (code, "LTP")
    assert answer["compartment"]["mine"]["grade"] is None


def test_scorers_settle_what_they_differ_in(page: Page) -> None:
    page.join("ann"), page.join("bob")
    code = page.code_of(TAPIR, 1)
    page.decide(code, "LTP", 2, "ann"), page.decide(code, "LTP", 4, "bob")
    page.decide(code, "MTP", 2, "ann"), page.decide(code, "MTP", 1, "bob", reason="no cleft")
    why = page.get("/api/differences", scorer="ann")["why"]
    assert "ann, bob must sign off first" in why
    for name in ("ann", "bob"):
        page.post("/api/sign", scorer=name, counting="person")
    (item,) = page.get("/api/differences", scorer="ann")["items"]
    assert (item["code"], item["name"]) == (code, "LTP")
    assert [(one["scorer"], one["grade"]) for one in item["grades"]] == [("ann", 2), ("bob", 4)]
    body = {"scorer": "ann", "code": code, "compartment": "LTP", "grade": 3, "seen": item["seen"]}
    alike = page.post("/api/consensus", 409, **body | {"compartment": "MTP"}, reason="no")
    assert "do not differ there" in alike["error"]
    assert page.post("/api/consensus", 422, **body)["needs"] == "reason"
    settled = page.post("/api/consensus", **body, reason="measured it")["item"]
    assert settled["consensus"] == {
        "grade": 3, "gradable": True, "reason": "measured it", "by": "ann",
    }  # fmt: skip


def test_tables_can_be_made_while_the_page_is_open(page: Page) -> None:
    page.join()
    page.decide(page.code_of(OKAPI), "LTP", 5)
    files = page.post("/api/tables")["files"]
    assert {"results.xlsx", "report.html", "compartments.csv", "scorers.csv"} <= set(files)
    assert verify(page.desk.run.folder.path) == []
