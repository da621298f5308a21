"""`histoscore review` as a process: opened, locked, killed, closed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from helpers.evaluated_run import make_run
from helpers.review_process import served
from helpers.reviewable_run import make_reviewable

from histoscore.cli import run as histoscore
from histoscore.review import server
from histoscore.runs.audit import AuditTrail
from histoscore.runs.review_log import DECIDED, ReviewLog
from histoscore.runs.verify import verify


@contextmanager
def opened(run: Path) -> Iterator[tuple[subprocess.Popen[str], httpx2.Client]]:
    """The page of a run, and a client that has entered."""
    with served(run) as (process, link):
        home = link.partition("/enter")[0]
        with httpx2.Client(base_url=home, headers={"origin": home}, timeout=60) as client:
            assert client.get(link).status_code == 303
            yield process, client


def ended(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Closed as a person closes it; exit code and what was printed."""
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    return process.returncode, out + err


def test_it_listens_to_this_computer_alone_and_leaves_the_tables_made(tmp_path: Path) -> None:
    run = make_reviewable(tmp_path)
    with opened(run) as (process, client):
        port = client.base_url.port
        assert port
        others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None)}
        for address in {str(one) for one in others} - {"127.0.0.1", "::1", "127.0.1.1"}:
            with pytest.raises(OSError):
                socket.create_connection((address, port), timeout=2)
        client.post("/api/scorers", json={"name": "ann", "mode": "assist"})
        code = client.get("/api/queue", params={"scorer": "ann"}).json()["next"]
        body = {"scorer": "ann", "code": code, "compartment": "LTP", "grade": 4, "seen": 0}
        assert client.post("/api/decisions", json=body).status_code == 200
        code_left, told = ended(process)
    assert code_left == 0, told
    assert "making tables" in told
    assert "results.xlsx" in told
    assert (run / "scorers.csv").exists()
    assert not (run / "run.lock").exists()
    assert verify(run) == []


@pytest.mark.fault(37)
def test_a_run_is_reviewed_or_worked_on_not_both(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make_reviewable(tmp_path)
    with opened(run) as (process, _):
        assert histoscore(["report", str(run)]) == 3
        assert str(process.pid) in capsys.readouterr().err
        assert histoscore(["review", str(run), "--no-browser"]) == 3


@pytest.mark.fault(55)
@pytest.mark.parametrize("after", [0.0, 0.05, 0.15])
def test_a_server_killed_while_saving_loses_nothing_that_it_confirmed(
    tmp_path: Path, after: float
) -> None:
    """Grades are sent as fast as they are taken, until signal 9 falls in the middle."""
    run = make_reviewable(tmp_path)
    confirmed: list[int] = []
    sent = 0
    with opened(run) as (process, client):
        client.post("/api/scorers", json={"name": "ann", "mode": "assist"})
        code = client.get("/api/queue", params={"scorer": "ann"}).json()["next"]
        body = {"scorer": "ann", "code": code, "compartment": "LTP", "reason": "test"}
        killer = threading.Timer(0.25 + after, lambda: os.kill(process.pid, signal.SIGKILL))
        killer.start()
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            sent += 1
            seen = confirmed[-1] if confirmed else 0
            try:
                answer = client.post(
                    "/api/decisions", json={**body, "grade": sent % 7, "seen": seen}
                )
            except httpx2.HTTPError:
                break
            confirmed.append(answer.json()["compartment"]["seen"])
        killer.join()
    assert len(confirmed) > 3
    trail = AuditTrail(run / "events.jsonl")
    numbers = [event.number for event in trail.sound() if event.what == DECIDED]
    assert numbers[: len(confirmed)] == confirmed
    assert len(numbers) - len(confirmed) in (0, 1)  # one may be saved and not yet confirmed
    log = ReviewLog(trail)
    assert next(iter(log.scorer("ann").newest.values())).number == numbers[-1]
    assert histoscore(["report", str(run)]) == 0  # the dead server's lock is no obstacle
    assert verify(run) == []


def test_a_run_with_nothing_to_grade_or_a_damaged_trail_is_not_opened(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = make_run(tmp_path / "bare", animals=2)  # its slides have no size: nothing to show
    assert histoscore(["review", str(bare), "--no-browser"]) == 1
    assert "no section of this run can be graded" in capsys.readouterr().err
    run = make_reviewable(tmp_path)
    (run / "events.jsonl").write_text("not an event\n")
    assert histoscore(["review", str(run), "--no-browser"]) == 1
    assert "audit trail is damaged" in capsys.readouterr().err
    assert histoscore(["review", str(tmp_path / "none"), "--no-browser"]) == 1


def test_a_port_that_is_taken_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = make_reviewable(tmp_path)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert histoscore(["review", str(run), "--no-browser", "--port", str(port)]) == 4
    assert f"port {port} cannot be had" in capsys.readouterr().err


def test_a_laboratorys_own_reference_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run, folder = make_reviewable(tmp_path), tmp_path / "pictures"
    folder.mkdir()
    line = ["review", str(run), "--no-browser", "--references", str(folder)]
    assert histoscore(line) == 1
    assert "holds no picture of a grade" in capsys.readouterr().err
    (folder / "0.5.jpg").write_text("no picture")
    assert histoscore(line) == 1
    assert "cannot be read as a picture" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="how a screen is told is Linux's")
def test_no_browser_of_the_terminal_takes_the_link(monkeypatch: pytest.MonkeyPatch) -> None:
    opened_links: list[str] = []
    monkeypatch.setattr(server.webbrowser, "open", opened_links.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    told: list[str] = []
    server.announcing(told.append, browser=True)("http://127.0.0.1/enter?token=a")
    assert (len(told), opened_links) == (1, [])
    monkeypatch.setenv("DISPLAY", ":0")
    announce = server.announcing(told.append, browser=True)
    announce("http://127.0.0.1/enter?token=b"), announce("http://127.0.0.1/enter?token=c")
    assert opened_links == ["http://127.0.0.1/enter?token=b"]
    assert told[-1] == "For another browser, open http://127.0.0.1/enter?token=c"
