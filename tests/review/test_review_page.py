"""The page in a real browser: graded by keyboard, looked at pixel by pixel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from helpers.review_browser import Browser, Person, browser, expect
from helpers.review_process import served
from helpers.reviewable_run import BANDS, CORNERS, MARK, MARK_COLOR, SECRETS, make_reviewable

from histoscore.pipeline.graded import read_run
from histoscore.review.subjects import Subject, find_subjects
from histoscore.runs.audit import AuditTrail
from histoscore.runs.review_log import ReviewLog
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import Compartment


@pytest.fixture(scope="module")
def window() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return make_reviewable(tmp_path)


@pytest.fixture
def person(run: Path, window: Browser) -> Iterator[Person]:
    with served(run) as (_, link):
        someone = Person.entering(window, link)
        yield someone
        someone.page.close()
        assert someone.troubles == []


def log_of(run: Path) -> ReviewLog:
    return ReviewLog(AuditTrail(run / "events.jsonl"))


def shown(run: Path, person: Person) -> Subject:
    return find_subjects(read_run(run))[person.code]


def in_picture(subject: Subject, x: float, y: float) -> tuple[float, float]:
    """A point of the drawn section in pixels of the shown picture."""
    left, top = CORNERS[subject.slide.slide][subject.section.section - 1]
    return left + x - subject.pyramid.box.x, top + y - subject.pyramid.box.y


def test_a_whole_run_is_graded_by_keyboard_alone(run: Path, person: Person) -> None:
    person.begin("Ann", "independent")
    seen = []
    for grades in (["2", "3", ".", "0"], ["1", "1", "1", "6"], ["4", "4", "5", "0"]):
        seen.append(person.code)
        for grade, compartment in zip(grades, ("MFC", "MTP", "LFC", "LTP"), strict=True):
            assert person.active == compartment
            person.press(grade)
            person.expect_grade(compartment, "0.5" if grade == "." else grade)
            person.settled()
        person.press("Enter")
        person.page.wait_for_timeout(50)
        if len(seen) < 3:
            person.page.wait_for_function(f"() => document.body.dataset.code !== '{seen[-1]}'")
            person.settled()
    assert len(set(seen)) == 3
    newest = log_of(run).scorer("Ann").newest
    assert len(newest) == 12
    subjects = find_subjects(read_run(run))
    assert newest[subjects[seen[0]].item(Compartment.LFC)].decision.grade == 0.5
    assert newest[subjects[seen[1]].item(Compartment.LTP)].decision.grade == 6
    assert not any(entry.decision.model_shown for entry in newest.values())


def test_the_picture_is_there_and_a_known_colour_is_where_it_belongs(
    run: Path, person: Person
) -> None:
    person.begin("Ann", "assist")
    person.press("o")
    person.settled()
    subject, pixels = shown(run, person), person.pixels()
    stage = pixels[100:700, 20:900].reshape(-1, 3)
    assert len(np.unique(stage // 16, axis=0)) > 4  # not blank: tissue, cartilage, mark, glass
    x, y, side, _ = MARK
    middle = person.on_screen(*in_picture(subject, x + side / 2, y + side / 2))
    found = pixels[round(middle[1]), round(middle[0])]
    assert np.abs(found - MARK_COLOR).max() < 14


@pytest.mark.parametrize("keys", [(), ("z",), ("-", "Shift+ArrowLeft")])
def test_a_contour_lies_within_a_pixel_of_its_place(
    run: Path, person: Person, keys: tuple[str, ...]
) -> None:
    """The left edge of MFC's hyaline cartilage, however far the picture is zoomed and moved."""
    person.begin("Ann", "assist")
    person.press("b", *keys)
    person.settled()
    person.page.wait_for_timeout(1500)  # the spring of the viewer comes to rest
    subject = shown(run, person)
    left, top, _, height = BANDS[Compartment.MFC]
    x, y = person.on_screen(*in_picture(subject, left, top + height / 2))
    with_lines = person.pixels()
    person.press("o")
    person.settled()
    without = person.pixels()
    assert 30 < x < 960, "the edge is not on the screen"
    row = np.abs(with_lines - without)[round(y)].sum(axis=1)
    near = np.arange(round(x) - 12, round(x) + 13)
    drawn = near[row[near] > 60]
    assert len(drawn), "no line near the edge"
    assert abs(np.mean(drawn) + 0.5 - x) <= 1.0


def test_a_lesion_is_drawn_where_the_tidemark_lies_bare(run: Path, person: Person) -> None:
    person.begin("Ann", "assist")
    person.press("b")
    person.settled()
    person.page.wait_for_timeout(1500)
    subject = shown(run, person)
    left, top, width, _ = BANDS[Compartment.MFC]
    lesion = person.on_screen(*in_picture(subject, left + width / 10, top))
    whole = person.on_screen(*in_picture(subject, left + width / 2, top))
    pixels = person.pixels()
    red = (214, 0, 70)
    around = [pixels[round(y) - 4 : round(y) + 5, round(x)] for x, y in (lesion, whole)]
    nearest = [np.abs(one - red).sum(axis=1).min() for one in around]
    assert nearest[0] < 60 < nearest[1]


def test_assist_accepts_by_enter_and_a_change_asks_why(run: Path, person: Person) -> None:
    person.begin("Bob", "assist")
    person.press("Enter")
    person.expect_grade("MFC", "3")
    person.settled()
    assert person.active == "MTP"
    person.press("5")
    dialog = person.page.locator("dialog[open]")
    dialog.wait_for()
    person.press("Escape")
    expect(dialog).to_have_count(0)
    assert person.card("MTP") == ""
    person.press("5")
    dialog.locator("input[type=text], textarea").first.focus()
    person.page.keyboard.type("a second cleft")
    person.press("Enter")
    person.expect_grade("MTP", "5")
    person.settled()
    newest = log_of(run).scorer("Bob").newest
    place = shown(run, person).place
    changed = newest[Item(*place, Compartment.MTP)].decision
    assert (changed.grade, changed.model_grade) == (5, 2)
    assert "a second cleft" in changed.reason


def test_the_model_is_hidden_in_independent_mode_until_all_four_are_graded(
    run: Path, person: Person
) -> None:
    person.begin("Ann", "independent")
    panel = person.page.locator("#panel")
    assert "hidden" in panel.inner_text()
    for key in ("1", "1", "1"):
        person.press(key)
        person.settled()
    assert "cartilage not found" not in panel.inner_text()
    person.press("1")
    person.settled()
    expect(panel).to_contain_text("cartilage not found")


def test_the_row_of_digits_grades_on_a_french_keyboard_too(person: Person) -> None:
    person.begin("Ann", "independent")
    person.page.evaluate(
        """() => document.body.dispatchEvent(
            new KeyboardEvent('keydown', { key: 'é', code: 'Digit2', bubbles: true }))"""
    )
    person.expect_grade("MFC", "2")
    person.settled()


def test_undo_flag_comment_and_not_gradable(run: Path, person: Person) -> None:
    person.begin("Ann", "independent")
    person.press("4")
    person.expect_grade("MFC", "4")
    person.settled()
    person.press("u")
    person.expect_grade("MFC", "")
    person.settled()
    assert person.active == "MFC"
    person.press("f")
    person.settled()
    person.press("c")
    person.page.locator("dialog[open] textarea, dialog[open] input[type=text]").first.focus()
    person.page.keyboard.type('<img src=x onerror="document.title=1"> fold')
    person.press("Enter")
    expect(person.page.locator("dialog[open]")).to_have_count(0)
    person.settled()
    person.press("x")
    dialog = person.page.locator("dialog[open]")
    dialog.wait_for()
    person.press("Enter")
    expect(dialog).to_contain_text("Choose one by its number")
    person.press("1", "Enter")
    expect(dialog).to_have_count(0)
    person.settled()
    decision = (
        log_of(run).scorer("Ann").newest[Item(*shown(run, person).place, Compartment.MFC)].decision
    )
    assert (decision.gradable, decision.grade, decision.flagged) == (False, None, True)
    assert "<img src=x" in decision.comment
    assert person.page.title().endswith("histoscore review")
    assert person.page.locator("img[src=x]").count() == 0


@pytest.mark.fault(55)
def test_a_second_tab_is_told_of_the_first(run: Path, window: Browser) -> None:
    with served(run) as (_, link):
        tabs = window.new_context(viewport={"width": 1366, "height": 768})
        first, second = Person(tabs.new_page()), Person(tabs.new_page())
        first.page.goto(link)
        first.begin("Ann", "independent")
        second.page.goto(first.page.url)
        second.page.locator("dialog[open] input[type=radio]").first.focus()
        second.press("Space", "Enter")  # the name that is there
        second.settled()
        assert (second.code, second.active) == (first.code, "MFC")
        first.press("2")
        first.expect_grade("MFC", "2")
        first.settled()
        second.press("5")
        expect(second.page.locator("#failed")).to_be_visible()
        expect(second.page.locator("#failed")).to_contain_text("Changed elsewhere")
        newest = log_of(run).scorer("Ann").newest
        assert [entry.decision.grade for entry in newest.values()] == [2]
        tabs.close()


@pytest.mark.fault(55)
def test_a_server_that_is_gone_is_unmistakable(run: Path, window: Browser) -> None:
    with served(run) as (process, link):
        person = Person.entering(window, link)
        person.begin("Ann", "independent")
        person.press("2")
        person.expect_grade("MFC", "2")
        person.settled()
        process.kill()
        process.wait()
        person.press("3")
        person.page.wait_for_function("() => document.body.dataset.saved === 'failed'")
        expect(person.page.locator("#failed")).to_be_visible()
        expect(person.page.locator("#saved")).to_contain_text("not saved", ignore_case=True)
        assert person.card("MTP") != "3"
        person.page.close()
    grades = [entry.decision.grade for entry in log_of(run).scorer("Ann").newest.values()]
    assert grades == [2]


@pytest.mark.fault(56)
def test_no_blinded_word_is_on_the_wire_or_in_the_page(run: Path, window: Browser) -> None:
    """Every response that a working browser gets, bodies of pictures too."""
    with served(run) as (_, link):
        person = Person.entering(window, "about:blank")
        told: list[bytes] = []
        person.page.on(
            "response",
            lambda answer: told.append(
                answer.url.encode()
                + json.dumps(answer.all_headers()).encode()
                + (b"" if answer.status in (204, 303, 304) else answer.body())
            ),
        )
        person.page.goto(link)
        person.begin("Ann", "assist")
        for _ in range(3):
            person.press("z")
            person.settled()
            person.press("h", "ArrowRight")
            person.settled()
        told.append(person.page.content().encode())
        everything = b"\n".join(told).lower()
        person.page.close()
    assert len(told) > 30
    assert b"/tiles/" in everything
    for word in SECRETS:
        assert word.encode() not in everything, word


@pytest.mark.fault(32)
def test_the_policy_of_the_page_holds(person: Person) -> None:
    """What slipped in would not run: no inline script, nothing from elsewhere."""
    person.begin("Ann", "assist")
    ran = person.page.evaluate(
        """() => new Promise(done => {
            document.addEventListener('securitypolicyviolation', e => done(e.effectiveDirective));
            const script = document.createElement('script');
            script.textContent = 'window.ran = true';
            document.body.append(script);
            setTimeout(() => done(String(window.ran)), 2000);
        })"""
    )
    assert ran.startswith("script-src")
    person.troubles.clear()  # the browser told of what was tried


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_passes_axe(run: Path, window: Browser, scheme: str) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="no axe")
    with served(run) as (_, link):
        person = Person.entering(window, link, bypass_csp=True, color_scheme=scheme)
        checks = axe.Axe()
        places = {"start": checks.run(person.page)}
        person.begin("Ann", "assist")
        places["desk"] = checks.run(person.page)
        for name, key in {"help": "?", "references": "r", "state": "s", "list": "q"}.items():
            person.press(key)
            person.page.wait_for_timeout(300)
            places[name] = checks.run(person.page)
            person.press("Escape")
            if name == "references":
                person.press("r")
        person.page.close()
    found = {name: one.generate_report() for name, one in places.items() if one.violations_count}
    assert not found


def _grade_by_request(person: Person, name: str, codes: list[str], grade: float) -> None:
    """What the keys do, without the seconds they take."""
    for code in codes:
        for compartment in Compartment:
            body = {"scorer": name, "code": code, "compartment": compartment.value}
            body |= {"grade": grade, "reason": "as I see it", "seen": 0}
            status = person.page.evaluate(
                """body => fetch("/api/decisions", {method: "POST", body: JSON.stringify(body),
                    headers: {"content-type": "application/json"}}).then(told => told.status)""",
                body,
            )
            assert status == 200


def _sign(person: Person, name: str) -> None:
    person.press("s")
    person.page.locator("#do_sign").click()
    person.page.locator("#signature").wait_for()
    person.page.keyboard.type(name)
    person.press("Enter")
    person.page.locator("dialog[data-dialog=finish]").wait_for()


def test_two_scorers_sign_settle_unblind_and_write_tables(run: Path, window: Browser) -> None:
    codes = sorted(find_subjects(read_run(run)))
    with served(run) as (_, link):
        tabs = window.new_context(viewport={"width": 1366, "height": 768})
        ann, bob = Person(tabs.new_page()), Person(tabs.new_page())
        ann.page.goto(link)
        ann.begin("Ann", "assist")
        _grade_by_request(ann, "Ann", codes, 2)
        _sign(ann, "Ann")
        assert ann.page.locator("#do_differences").count() == 0
        bob.page.goto(ann.page.url)
        bob.begin("Bob", "independent")
        _grade_by_request(bob, "Bob", codes[1:], 2)
        _grade_by_request(bob, "Bob", codes[:1], 5)
        bob.page.reload()
        bob.settled()
        _sign(bob, "Bob")
        bob.page.locator("#do_differences").click()
        bob.page.locator("[data-difference]").first.wait_for()
        assert bob.page.locator("[data-difference]").count() == 4
        bob.settled()
        bob.press("4")
        bob.page.locator("dialog[data-dialog=consensus]").wait_for()
        bob.press("1", "Enter")
        expect(bob.page.locator("[data-difference][data-settled=true]")).to_have_count(1)
        bob.press("Escape", "s")
        assert not any(word in bob.page.content().lower() for word in SECRETS)
        bob.page.locator("#do_unblind").click()
        bob.page.locator("#unblind_now").click()
        expect(bob.page.locator("#panel")).to_contain_text("zebra/slide-")
        bob.press("s")
        bob.page.locator("#do_tables").click()
        told = bob.page.locator("dialog[data-dialog=tables]")
        expect(told).to_contain_text("results.xlsx", timeout=60_000)
        assert bob.troubles == []
        tabs.close()
    log = log_of(run)
    assert log.all_signed
    assert log.unblinded
    assert [entry.decision.grade for entry in log.consensus.values()] == [4]
    assert (run / "scorers.csv").exists()
