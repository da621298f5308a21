"""Where scorers differ, once all of them have signed off."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from histoscore.errors import ReviewError
from histoscore.review.bodies import Verdict
from histoscore.review.desk import Desk
from histoscore.runs.review_log import Decision, Entry
from histoscore.scoring.comparison import Item
from histoscore.vocabulary import Ladder

WITHIN = 1
"""Rungs that two scorers may lie apart without anybody talking about it."""


def differences(desk: Desk) -> dict[str, Any]:
    """For the page: whether they may be looked at, and each with what everybody says."""
    log = desk.log
    if len(log.scorers) < 2:
        return {"open": False, "why": "one scorer alone cannot differ", "items": []}
    waiting = [one.name for one in log.scorers.values() if not one.signed]
    if waiting:
        why = f"{', '.join(waiting)} must sign off first, so that nobody follows another"
        return {"open": False, "why": why, "items": []}
    return {"open": True, "why": "", "items": list(_items(desk))}


def settle(desk: Desk, body: Verdict) -> dict[str, Any]:
    """Settle a difference; how it stands then. Raises as `ReviewLog.settle`."""
    if _item(desk, body) is None:
        raise ReviewError("the scorers do not differ there, or have not all signed off")
    desk.settle(body)
    return _item(desk, body) or {}


def _item(desk: Desk, body: Verdict) -> dict[str, Any] | None:
    place = (body.code, body.compartment.value)
    items = differences(desk)["items"]
    return next((one for one in items if (one["code"], one["name"]) == place), None)


def differs(said: list[Decision], ladder: Ladder) -> bool:
    """Whether grades lie more than a rung apart, or only some say that it cannot be graded."""
    rungs = [ladder.index(one.grade) for one in said if one.grade is not None]
    if not rungs:
        return False
    return max(rungs) - min(rungs) > WITHIN or any(not one.gradable for one in said)


def _items(desk: Desk) -> Iterator[dict[str, Any]]:
    said: dict[Item, list[Decision]] = {}
    for entry in desk.log.entries():
        if entry.decision.is_decided:
            said.setdefault(entry.decision.item, []).append(entry.decision)
    for item, decisions in said.items():
        code = desk.code_of((item.slide, item.section))
        if code is not None and differs(decisions, desk.run.ladder):
            settled = desk.log.consensus.get(item)
            yield {
                "code": code,
                "name": item.compartment.value,
                "grades": [_told(one) for one in decisions],
                "consensus": _told_consensus(settled) if settled else None,
                "seen": settled.number if settled else 0,
            }


def _told(decision: Decision) -> dict[str, Any]:
    names = ("scorer", "grade", "gradable", "comment")
    return {name: getattr(decision, name) for name in names}


def _told_consensus(entry: Entry) -> dict[str, Any]:
    decision = entry.decision
    names = ("grade", "gradable", "reason")
    return {name: getattr(decision, name) for name in names} | {"by": decision.scorer}
