"""The review page as a person has it, in the system's Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

Browser, Page, expect = sync_api.Browser, sync_api.Page, sync_api.expect

SETTLED_MS = 30_000


def chromium() -> str:
    """Where the system's Chromium lies; the test is skipped where there is none."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if found := shutil.which(name):
            return found
    pytest.skip("no Chromium on this machine: the page cannot be looked at")


@contextmanager
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_api.sync_playwright() as playwright:
        opened = playwright.chromium.launch(
            executable_path=path, args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


class Person:
    """Works on the page by keyboard, and looks at its pixels."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.troubles: list[str] = []
        page.set_default_timeout(SETTLED_MS)
        page.on("pageerror", lambda error: self.troubles.append(str(error)))
        page.on(
            "console",
            lambda told: self.troubles.append(told.text) if told.type == "error" else None,
        )

    @classmethod
    def entering(cls, window: Browser, link: str, **view: object) -> Person:
        person = cls(window.new_page(viewport={"width": 1366, "height": 768}, **view))
        person.page.goto(link)
        return person

    def begin(self, name: str, mode: str) -> None:
        """The first dialog, by keyboard: a name, a mode, Enter."""
        self.page.locator("#new_name").focus()
        self.page.keyboard.type(name)
        self.page.locator(f"dialog[open] input[value={mode}]").focus()
        self.press("Space", "Enter")
        self.settled()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def settled(self) -> None:
        """The section is shown, everything is saved, and two frames have passed."""
        self.page.wait_for_function(
            "() => document.body.dataset.saved === 'saved'"
            " && document.body.dataset.shown === document.body.dataset.code"
            " && window.histoscore?.viewer?.world.getItemCount() > 0"
            " && window.histoscore.viewer.world.getItemAt(0).getFullyLoaded()"
        )
        self.page.evaluate(
            "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
        )

    @property
    def code(self) -> str:
        return str(self.page.evaluate("document.body.dataset.code"))

    @property
    def active(self) -> str:
        return str(self.page.evaluate("document.body.dataset.active"))

    def card(self, compartment: str) -> str:
        """The grade that a card of the joint shows."""
        found = self.page.locator(f"#joint [data-compartment={compartment}]")
        return found.get_attribute("data-grade") or ""

    def expect_grade(self, compartment: str, grade: str) -> None:
        card = self.page.locator(f"#joint [data-compartment={compartment}]")
        expect(card).to_have_attribute("data-grade", grade)

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        place = self.page.evaluate(f"window.histoscore.imageToScreen({x}, {y})")
        return place["x"], place["y"]

    def pixels(self) -> np.ndarray:
        """What is on the screen, (rows, columns, 3)."""
        picture = Image.open(BytesIO(self.page.screenshot(animations="allow")))
        return np.asarray(picture.convert("RGB")).astype(int)
