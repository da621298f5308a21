"""Who is let in: one browser of this computer, by a link that works once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.review_page import HOME, PORT, Page, open_page
from helpers.reviewable_run import make_reviewable


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_reviewable(tmp_path_factory.mktemp("gate"))


@pytest.fixture
def page(run: Path) -> Iterator[Page]:
    opened = open_page(run)
    yield opened
    opened.desk.shelf.close()


PATHS = ("/", "/static/page.js", "/api/review", "/tiles/AAAA/3/0_0.jpg", "/nothing")


@pytest.mark.fault(53)
@pytest.mark.parametrize("path", PATHS)
def test_without_the_cookie_nothing_is_told(run: Path, path: str) -> None:
    answer = open_page(run, enter=False).client.get(path)
    assert answer.status_code == 403
    assert "link that histoscore printed" in answer.text


@pytest.mark.fault(53)
@pytest.mark.parametrize(
    "host",
    ["evil.test", f"evil.test:{PORT}", "127.0.0.1", f"127.0.0.1:{PORT + 1}", "", "[::1]:8123"],
)
def test_another_host_is_refused_whatever_the_cookie(page: Page, host: str) -> None:
    """DNS rebinding: the browser believes that the page is another site's."""
    assert page.client.get("/api/review", headers={"host": host}).status_code == 400
    assert page.client.get(page.links[-1], headers={"host": host}).status_code == 400


@pytest.mark.fault(53)
def test_localhost_is_this_computer_too(page: Page) -> None:
    answer = page.client.get("/api/review", headers={"host": f"localhost:{PORT}"})
    assert answer.status_code == 200


@pytest.mark.fault(53)
@pytest.mark.parametrize("origin", ["http://evil.test", "null", f"http://127.0.0.1:{PORT + 1}", ""])
def test_a_post_from_another_origin_is_refused(page: Page, origin: str) -> None:
    body = {"name": "eve", "mode": "assist"}
    answer = page.client.post("/api/scorers", json=body, headers={"origin": origin})
    assert answer.status_code == 403
    assert "eve" not in page.desk.log.scorers


@pytest.mark.fault(53)
def test_a_post_that_names_no_origin_is_refused(page: Page) -> None:
    del page.client.headers["origin"]
    assert page.client.post("/api/scorers", json={"name": "e", "mode": "assist"}).status_code == 403


@pytest.mark.fault(53)
@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_what_another_site_embeds_is_refused(page: Page, site: str) -> None:
    answer = page.client.get("/api/review", headers={"sec-fetch-site": site})
    assert answer.status_code == 403


@pytest.mark.fault(53)
def test_a_form_cannot_post(page: Page) -> None:
    answer = page.client.post("/api/scorers", data={"name": "eve", "mode": "assist"})
    assert answer.status_code == 415


@pytest.mark.fault(53)
def test_the_link_works_once_and_a_new_one_is_told(run: Path) -> None:
    page = open_page(run, enter=False)
    first = page.links[-1]
    assert page.client.get(first).status_code == 303
    again = page.client.get(first)
    assert again.status_code == 403
    assert "used before" in again.text
    assert len(page.links) == 2
    assert page.links[-1] != first
    assert page.client.get(page.links[-1]).status_code == 303


@pytest.mark.fault(53)
def test_a_guessed_token_spends_no_link(run: Path) -> None:
    page = open_page(run, enter=False)
    for token in ("", "x", "é", page.links[-1][-32:-1]):
        assert page.client.get("/enter", params={"token": token}).status_code == 403
    assert page.client.get(page.links[-1]).status_code == 303


@pytest.mark.fault(53)
def test_the_cookie_is_kept_from_scripts_and_other_sites(run: Path) -> None:
    page = open_page(run, enter=False)
    answer = page.client.get(page.links[-1])
    cookie = answer.headers["set-cookie"].lower()
    assert {"httponly", "samesite=strict", "path=/"} <= set(cookie.split("; "))
    assert answer.headers["location"] == "/"


@pytest.mark.fault(53)
def test_another_servers_cookie_opens_nothing(page: Page, run: Path) -> None:
    other = open_page(run, enter=False)
    other.client.cookies = page.client.cookies
    assert other.client.get("/api/review").status_code == 403


@pytest.mark.fault(53)
@pytest.mark.parametrize("path", [*PATHS, "/enter?token=x", "/api/sections/none?scorer=x"])
def test_every_answer_carries_the_headers(page: Page, path: str) -> None:
    headers = page.client.get(path).headers
    policy = dict(part.split(" ", 1) for part in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "access-control-allow-origin" not in headers
    assert "cache-control" in headers


@pytest.mark.fault(53)
def test_no_other_site_is_allowed_in_by_cors(page: Page) -> None:
    answer = page.client.options(
        "/api/decisions",
        headers={"origin": "http://evil.test", "access-control-request-method": "POST"},
    )
    assert answer.status_code == 403
    assert not [name for name in answer.headers if name.startswith("access-control")]


@pytest.mark.fault(53)
def test_the_page_links_nowhere(page: Page) -> None:
    """Nothing that it loads lies outside, so nothing of it can leak there."""
    text = page.client.get("/").text
    assert "http://" not in text.replace("http://www.w3.org", "")
    assert "https://" not in text
    assert HOME not in text
