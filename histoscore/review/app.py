"""The routes of the page: requests in, the desk's answers out.

What reads or writes a disk runs in threads. Tiles are made by as many threads as there are cores,
and a queue that grows too long is refused: ten thousand requests cost no more memory than ten.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar

import anyio
import anyio.to_thread
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from histoscore.errors import (
    EnvironmentStopError,
    MissingReasonError,
    ReviewError,
    SlideError,
    StaleDecisionError,
    StoredResultError,
)
from histoscore.pipeline.given import Counting
from histoscore.review.assets import Asset, References
from histoscore.review.bodies import Body, Decide, Join, Nothing, Sign, Verdict, Who
from histoscore.review.desk import Desk
from histoscore.review.differences import differences, settle
from histoscore.review.subjects import Subject

MOST_BODY = 16_384
MOST_WAITING = 200
"""Tiles that are being waited for; a browser asks for some dozens at once."""

_KEEP = {"Cache-Control": "private, max-age=3600", "Vary": "Cookie"}
"""A tile may be kept by the browser for as long as the cookie lasts, which is one run's review."""

_B = TypeVar("_B", bound=Body)
_T = TypeVar("_T")


class Api:
    """The requests that the page makes; `close` says what signing off and tables do."""

    def __init__(
        self,
        desk: Desk,
        page: Mapping[str, Asset],
        shown: References,
        choose: Callable[[Counting], None],
        tables: Callable[[], list[str]],
    ) -> None:
        """
        Args:
            page: the page's own files. shown: reference pictures.
            choose: told whose grades count. tables: makes tables anew, and names the files.
        """
        self._desk, self._page, self._references = desk, page, shown
        self._choose, self._tables = choose, tables
        self._limit, self._asked = anyio.CapacityLimiter(threads_for_tiles()), 0

    def application(self) -> Starlette:
        gets = {
            "/": self.index,
            "/static/{name:path}": self.static,
            "/references/{name}": self.reference,
            "/tiles/{code}/{level:int}/{place}": self.tile,
            "/labels/{code}/{level:int}/{place}": self.label,
            "/api/review": self.review,
            "/api/queue": self.queue,
            "/api/sections/{code}": self.section,
            "/api/sections/{code}/overlay": self.overlay,
            "/api/differences": self.differences,
        }
        posts = {
            "/api/scorers": self.join,
            "/api/decisions": self.decide,
            "/api/undo": self.undo,
            "/api/consensus": self.settle,
            "/api/sign": self.sign,
            "/api/unblind": self.unblind,
            "/api/tables": self.tables,
        }
        return Starlette(
            routes=[
                *(Route(path, _told(answer), methods=["GET"]) for path, answer in gets.items()),
                *(Route(path, _told(answer), methods=["POST"]) for path, answer in posts.items()),
            ],
            exception_handlers={HTTPException: _plainly},
        )

    async def index(self, request: Request) -> Response:
        return _sent(self._page["index.html"])

    async def static(self, request: Request) -> Response:
        return _sent(self._page[request.path_params["name"]])

    async def reference(self, request: Request) -> Response:
        return _sent(self._references.pictures[request.path_params["name"]])

    async def tile(self, request: Request) -> Response:
        subject, level, column, row = self._place(request, ".jpg")
        content = await self._drawn(self._desk.tiles.picture, subject, level, column, row)
        return Response(content, headers=_KEEP, media_type="image/jpeg")

    async def label(self, request: Request) -> Response:
        subject, level, column, row = self._place(request, ".png")
        if not self._desk.sees_model(subject, _scorer(request)):
            raise LookupError("hidden until the section is graded")
        content = await self._drawn(self._desk.tiles.labels, subject, level, column, row)
        return Response(content, media_type="image/png")

    async def review(self, request: Request) -> Response:
        return JSONResponse(self._overview())

    async def queue(self, request: Request) -> Response:
        return JSONResponse(await _in_thread(self._desk.queue, _scorer(request)))

    async def section(self, request: Request) -> Response:
        subject = self._subject(request)
        return JSONResponse(await _in_thread(self._desk.section, subject, _scorer(request)))

    async def overlay(self, request: Request) -> Response:
        subject = self._subject(request)
        return JSONResponse(await _in_thread(self._desk.overlay, subject, _scorer(request)))

    async def differences(self, request: Request) -> Response:
        return JSONResponse(await _in_thread(differences, self._desk))

    async def join(self, request: Request) -> Response:
        return JSONResponse(await _in_thread(self._desk.join, await _body(request, Join)))

    async def decide(self, request: Request) -> Response:
        body = await _body(request, Decide)
        try:
            return JSONResponse(await _in_thread(self._desk.decide, body))
        except StaleDecisionError as error:
            return JSONResponse({"error": str(error), **self._desk.now(body)}, 409)

    async def undo(self, request: Request) -> Response:
        body = await _body(request, Who)
        try:
            return JSONResponse(await _in_thread(self._desk.undo, body.scorer))
        except ReviewError as error:
            return JSONResponse({"error": str(error)}, 404)

    async def settle(self, request: Request) -> Response:
        body = await _body(request, Verdict)
        return JSONResponse({"item": await _in_thread(settle, self._desk, body)})

    async def sign(self, request: Request) -> Response:
        body = await _body(request, Sign)
        await _in_thread(self._desk.log.sign, body.scorer)
        await _in_thread(self._choose, body.counting)
        return JSONResponse({"scorers": self._desk.scorers(), "closed": False})

    async def unblind(self, request: Request) -> Response:
        body = await _body(request, Who)
        await _in_thread(self._desk.log.unblind, body.scorer)
        return JSONResponse(self._overview())

    async def tables(self, request: Request) -> Response:
        await _body(request, Nothing)
        return JSONResponse({"files": await _in_thread(self._tables)})

    def _overview(self) -> dict[str, Any]:
        shown = self._references
        return self._desk.overview() | {
            "references": shown.told(self._desk.run.ladder),
            "references_note": shown.note,
        }

    def _subject(self, request: Request) -> Subject:
        return self._desk.subjects[request.path_params["code"]]

    def _place(self, request: Request, ending: str) -> tuple[Subject, int, int, int]:
        """Section, level, column and row of a tile's address. Raises LookupError."""
        column, _, row = request.path_params["place"].removesuffix(ending).partition("_")
        if not (column.isascii() and column.isdigit() and row.isascii() and row.isdigit()):
            raise LookupError("no such tile")
        if len(column) > 6 or len(row) > 6:
            raise LookupError("no such tile")
        return self._subject(request), request.path_params["level"], int(column), int(row)

    async def _drawn(self, draw: Callable[..., bytes], *place: Any) -> bytes:
        if self._asked >= MOST_WAITING + threads_for_tiles():
            raise HTTPException(429, "too many tiles at once; wait a moment")
        self._asked += 1  # counted here: a thread is asked for only at the loop's next turn
        try:
            return await anyio.to_thread.run_sync(draw, *place, limiter=self._limit)
        finally:
            self._asked -= 1


def threads_for_tiles() -> int:
    """Tiles that are made at the same time."""
    return max(2, os.cpu_count() or 2)


def _told(
    answer: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """What goes wrong, in a sentence and with the status that says whose fault it is."""

    async def told(request: Request) -> Response:
        try:
            return await answer(request)
        except MissingReasonError as error:
            return JSONResponse({"error": str(error), "needs": "reason"}, 422)
        except ReviewError as error:
            return JSONResponse({"error": str(error)}, 409)
        except LookupError:
            return JSONResponse({"error": "there is no such thing here"}, 404)
        except (SlideError, StoredResultError) as error:
            return JSONResponse({"error": str(error)}, 410)
        except EnvironmentStopError as error:
            print(f"histoscore: {error}", file=sys.stderr)  # noqa: T201 (the terminal may know)
            sentence = "not saved: the disk refuses; the terminal says where and why"
            return JSONResponse({"error": sentence}, 507)

    return told


async def _plainly(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return JSONResponse({"error": error.detail}, error.status_code, headers=error.headers)


async def _body(request: Request, model: type[_B]) -> _B:
    """What was sent, checked. Raises HTTPException: 413, 415, 400."""
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise HTTPException(415, "send JSON")
    content = b""
    async for piece in request.stream():
        content += piece
        if len(content) > MOST_BODY:
            raise HTTPException(413, f"more than {MOST_BODY} bytes")
    try:
        return model.model_validate_json(content)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, first["loc"])) or "the request"
        raise HTTPException(400, f"{place}: {first['msg']}") from None


async def _in_thread(work: Callable[..., _T], *arguments: Any) -> _T:
    return await anyio.to_thread.run_sync(work, *arguments)


def _scorer(request: Request) -> str:
    return request.query_params.get("scorer", "")


def _sent(asset: Asset) -> Response:
    return Response(asset.content, media_type=asset.type)
