"""The review page without a socket: asked as a browser would ask it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

pytest.importorskip("starlette", reason="the extra `review` is not installed")

from starlette.testclient import TestClient

from histoscore.pipeline.graded import read_run
from histoscore.review.assets import references
from histoscore.review.desk import Desk, Fixed
from histoscore.review.server import guarded_page
from histoscore.runs.review_log import ReviewLog
from histoscore.study import Study

PORT = 8123
HOME = f"http://127.0.0.1:{PORT}"


@dataclass
class Page:
    """An opened page and who asks it."""

    desk: Desk
    client: TestClient
    links: list[str] = field(default_factory=list)

    def get(self, path: str, **query: str) -> Any:
        """The answer as JSON; anything but 200 fails the test."""
        answer = self.client.get(path, params=query)
        assert answer.status_code == 200, (path, answer.status_code, answer.text)
        return answer.json()

    def post(self, path: str, expected: int = 200, **body: Any) -> Any:
        answer = self.client.post(path, json=body)
        assert answer.status_code == expected, (path, answer.status_code, answer.text)
        return answer.json()

    def join(self, name: str = "ann", mode: str = "assist") -> str:
        self.post("/api/scorers", name=name, mode=mode)
        return name

    def codes(self, name: str = "ann") -> list[str]:
        return [one["code"] for one in self.get("/api/queue", scorer=name)["order"]]

    def code_of(self, slide: str, section: int = 1) -> str:
        code = self.desk.code_of((slide, section))
        assert code
        return code

    def decide(
        self,
        code: str,
        compartment: str,
        grade: float | None,
        name: str = "ann",
        expected: int = 200,
        **more: Any,
    ) -> Any:
        body = {"scorer": name, "code": code, "compartment": compartment, "grade": grade}
        if "seen" not in more:
            parts = self.get(f"/api/sections/{code}", scorer=name)["compartments"]
            more["seen"] = parts[compartment]["seen"]
        return self.post("/api/decisions", expected, **body, **more)


def open_page(run: Path, fixed: Fixed = None, enter: bool = True) -> Page:
    """The page of a run; with `enter` the link was followed, so that the client has its cookie."""
    graded = read_run(run)
    study = graded.folder.read(graded.folder.study_path, Study)
    desk = Desk(graded, study, ReviewLog(graded.folder.trail), fixed)
    links: list[str] = []
    app = guarded_page(desk, references(graded.ladder, None), PORT, links.append)
    client = TestClient(app, base_url=HOME, headers={"origin": HOME}, follow_redirects=False)
    page = Page(desk, client, links)
    if enter:
        answer: httpx2.Response = client.get(links[-1])
        assert answer.status_code == 303
    return page
