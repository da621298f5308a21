"""Who is let in: one browser of this computer, and nobody who borrows it.

The page holds unpublished data and takes decisions, so a website that the person has open beside
it, another user of the computer, or a name that was pointed at this address must get nothing. The
door is opened by a link that works once; behind it a cookie that other sites cannot make the
browser send.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

ENTRANCE = "/enter"

HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}
"""On every answer."""

_SAFE = ("GET", "HEAD")


class Gate:
    """ASGI middleware: the wrapped application sees only requests that may be answered.

    400: another host than this address. 403: another site's request, or no valid cookie.
    """

    def __init__(self, app: ASGIApp, port: int, announce: Callable[[str], None]) -> None:
        """`announce` is told a link to enter by, now and each time that one was used."""
        self._app, self._announce = app, announce
        self._hosts = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
        self._home = f"http://127.0.0.1:{port}"
        self._cookie, self._secret = f"histoscore-{port}", secrets.token_urlsafe(32)
        self._token = ""
        self._renew()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            answer = self._refusal(scope) or self._app
            await answer(scope, receive, _with_headers(send))
        # nothing else is spoken here: a websocket is closed by the server

    def _refusal(self, scope: Scope) -> Response | None:
        """The answer of the gate itself, None where the application may answer."""
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in
                   reversed(scope["headers"])}  # fmt: skip
        host = headers.get("host", "")
        if host not in self._hosts:
            return PlainTextResponse("another address than this page's", 400)
        if not _same_site(scope["method"], headers, host):
            return PlainTextResponse(
                "Another site's request. If you clicked a link, copy it into the address bar.", 403
            )
        if scope["path"] == ENTRANCE:
            return self._entered(scope)
        if not self._knows(headers.get("cookie", "")):
            return PlainTextResponse(
                "Open the newest link that histoscore printed in its terminal; it works once.", 403
            )
        return None

    def _entered(self, scope: Scope) -> Response:
        given = parse_qs(scope["query_string"].decode("latin-1")).get("token", [""])[0]
        if scope["method"] != "GET" or not hmac.compare_digest(
            given.encode(), self._token.encode()
        ):
            return PlainTextResponse(
                "This link was used before. histoscore printed a new one in its terminal.", 403
            )
        self._renew()
        answer = RedirectResponse("/", 303)
        answer.set_cookie(self._cookie, self._secret, path="/", httponly=True, samesite="strict")
        return answer

    def _renew(self) -> None:
        self._token = secrets.token_urlsafe(24)
        self._announce(f"{self._home}{ENTRANCE}?token={self._token}")

    def _knows(self, header: str) -> bool:
        try:
            cookie = SimpleCookie(header).get(self._cookie)
        except CookieError:
            return False
        return cookie is not None and hmac.compare_digest(
            cookie.value.encode(), self._secret.encode()
        )


def _same_site(method: str, headers: dict[str, str], host: str) -> bool:
    """Whether a request comes from this page: what changes anything must say so."""
    if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
        return False
    return method in _SAFE or headers.get("origin") == f"http://{host}"


def _with_headers(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers[name] = value
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sent
