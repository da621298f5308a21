"""How quick the review page is, what it holds in memory, and a run graded by keyboard.

    python -m benchmarks.review RUN --out bench/review

Works on a copy of a finished run, with the system's Chromium: how long until the first section is
whole on the screen; how long a tile takes that was not asked for before, over the sections of the
run and all levels; ten thousand requests, 32 at a time, half of them for what is not there, and the
server's memory before and after; then every compartment graded with the keys of the keyboard, how
long that took, and whether the trail has each of them once.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2
from playwright.sync_api import sync_playwright

from histoscore.processes import private_gib
from histoscore.runs.audit import AuditTrail
from histoscore.runs.review_log import DECIDED

REQUESTS, AT_ONCE, TILES = 10_000, 32, 400
SHOWN = (
    "() => document.body.dataset.saved === 'saved'"
    " && document.body.dataset.shown === document.body.dataset.code"
    " && window.histoscore?.viewer?.world.getItemCount() > 0"
    " && window.histoscore.viewer.world.getItemAt(0).getFullyLoaded()"
)
"""The section is whole on the screen, and everything is saved."""
PLACE = "() => document.body.dataset.code + document.body.dataset.left"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pictures", type=Path, help="folder for screenshots of the page")
    asked = parser.parse_args()
    run = asked.out / "run"
    shutil.rmtree(run, ignore_errors=True)
    shutil.copytree(asked.run, run)
    line = [sys.executable, "-m", "histoscore", "review", str(run), "--no-browser"]
    with subprocess.Popen(line, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr
        link = re.search(r"http\S+", server.stderr.readline())
        server.stderr.readline()
        assert link
        with sync_playwright() as playwright:
            window = playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
            )
            page = window.new_page(viewport={"width": 1366, "height": 768})
            page.set_default_timeout(120_000)
            page.goto(link[0])
            print(f"first view       {first_view(page):.2f} s from Begin to a whole picture")
            if asked.pictures:
                take_pictures(page, asked.pictures)
            home, cookies = page.url, page.context.cookies()
            ask = {"base_url": home, "cookies": {c["name"]: c["value"] for c in cookies}}
            tell_tiles(ask)
            before = private_gib(server.pid)
            with ThreadPoolExecutor(1) as beside:  # the browser's own loop runs in this thread
                statuses, seconds = beside.submit(asyncio.run, flood(ask)).result()
            after = private_gib(server.pid)
            told = ", ".join(f"{number} × {status}" for status, number in sorted(statuses.items()))
            print(f"{REQUESTS} requests   {told} in {seconds:.0f} s")
            print(f"memory           {before:.2f} GiB before, {after:.2f} GiB after")
            tell_grading(page, run)
            window.close()
        server.terminate()
        server.communicate()


def first_view(page) -> float:
    page.locator("dialog[open] input[type=text]").wait_for()
    page.keyboard.type("Benchmark")
    page.locator("dialog[open] input[value=assist]").focus()
    page.keyboard.press("Space")
    begun = time.perf_counter()
    page.keyboard.press("Enter")
    page.wait_for_function(SHOWN)
    return time.perf_counter() - begun


def take_pictures(page, folder: Path) -> None:
    """The desk in light and dark, and with reference pictures beside the section."""
    keys = {"review-desk": "b", "review-references": "rPageDown", "review-dark": ""}
    folder.mkdir(parents=True, exist_ok=True)
    for name, pressed in keys.items():
        for key in re.findall(r"[A-Z]\w+|.", pressed):
            page.keyboard.press(key)
        page.emulate_media(color_scheme="dark" if name.endswith("dark") else "light")
        page.wait_for_timeout(2500)
        page.wait_for_function(SHOWN)
        page.screenshot(path=folder / f"{name}.jpg", type="jpeg", quality=72)
        if name == "review-references":
            page.keyboard.press("r")
    page.emulate_media(color_scheme="light")


def sections(ask: dict) -> list[dict]:
    with httpx2.Client(**ask) as client:
        who = {"scorer": "Benchmark"}
        order = client.get("/api/queue", params=who).json()["order"]
        return [client.get(f"/api/sections/{one['code']}", params=who).json() for one in order]


def all_tiles(section: dict) -> list[str]:
    image, paths = section["image"], []
    for level in range(image["levels"]):
        side = image["tile"] << (image["levels"] - 1 - level)
        columns, rows = -(-image["width"] // side), -(-image["height"] // side)
        paths += [
            f"/tiles/{section['code']}/{level}/{column}_{row}.jpg"
            for column in range(columns)
            for row in range(rows)
        ]
    return paths


def tell_tiles(ask: dict) -> None:
    """One after the other, in random order, none that the browser had before."""
    shown, *others = sections(ask)
    paths = [path for section in others or [shown] for path in all_tiles(section)]
    random.Random(1).shuffle(paths)
    took = []
    with httpx2.Client(**ask) as client:
        for path in paths[:TILES]:
            begun = time.perf_counter()
            client.get(path).raise_for_status()
            took.append(1000 * (time.perf_counter() - begun))
    took.sort()
    median, high = statistics.median(took), took[int(0.95 * len(took))]
    print(f"a tile           {median:.0f} ms in the median, 95 % within {high:.0f} ms")


async def flood(ask: dict) -> tuple[Counter[int], float]:
    paths = [path for section in sections(ask) for path in all_tiles(section)]
    absurd = ["/tiles/XXXX/5/0_0.jpg", "/tiles/%2e%2e/99/0_0.jpg", "/static/..%2fapp.py", "/api/x"]
    chance = random.Random(2)
    asked = [chance.choice(chance.choice((paths, absurd))) for _ in range(REQUESTS)]
    found: Counter[int] = Counter()
    waiting = asyncio.Semaphore(AT_ONCE)
    begun = time.perf_counter()
    async with httpx2.AsyncClient(**ask, timeout=120) as client:

        async def get(path: str) -> None:
            async with waiting:
                found[(await client.get(path)).status_code] += 1

        await asyncio.gather(*map(get, asked))
    return found, time.perf_counter() - begun


def tell_grading(page, run: Path) -> None:
    """Enter accepts what the model says, and then goes on to the next section until there is none;
    2 is the grade of what it withheld."""
    begun, presses, key = time.perf_counter(), 0, "Enter"
    while not page.locator("dialog[open]").count():
        page.wait_for_function(SHOWN)
        before = page.evaluate(PLACE)
        page.keyboard.press(key)
        presses += 1
        deadline = time.monotonic() + 5
        while page.evaluate(PLACE) == before and time.monotonic() < deadline:
            page.wait_for_timeout(10)
        key = "2" if page.evaluate(PLACE) == before else "Enter"
    seconds = time.perf_counter() - begun
    events = [e for e in AuditTrail(run / "events.jsonl").events() if e.what == DECIDED]
    places = {(e.details["slide"], e.details["section"], e.details["compartment"]) for e in events}
    faults = AuditTrail(run / "events.jsonl").problems()
    print(f"graded           {len(places)} compartments with {presses} keys in {seconds:.0f} s")
    print(f"the trail        {len(events)} decisions, {len(faults)} faults")


if __name__ == "__main__":
    main()
