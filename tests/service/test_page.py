"""The console's page: what is served of it, to whom, and with which headers. What it does is tests/console's to try."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from served import ROOT, start_server

from service import page, problems

INDEX = ROOT / "service" / "console" / "src" / "index.html"


@pytest.fixture
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """As `make console` leaves it, the bundles aside."""
    (tmp_path / "index.html").write_bytes(INDEX.read_bytes())
    for name in page.FILES:
        (tmp_path / name).write_text(f"/* {name} */" * 200)
    (tmp_path / "secret.txt").write_text("not on the list")
    monkeypatch.setattr(page, "BUILT", tmp_path)
    return tmp_path


@pytest.fixture
def browser() -> Iterator[TestClient]:
    app = FastAPI()
    problems.install(app)
    app.include_router(page.router)
    with TestClient(app) as client:
        yield client


def policy(answer: httpx.Response) -> dict[str, set[str]]:
    rules = (rule.split() for rule in answer.headers["content-security-policy"].split(";"))
    return {name: set(sources) for name, *sources in rules}


@pytest.mark.parametrize("path", ["/", "/console/main.js", "/console/style.css"])
def test_nothing_from_elsewhere_is_loaded_and_nothing_inline_runs(browser: TestClient, built: Path, path: str) -> None:
    answer = browser.get(path)
    rules = policy(answer)
    assert rules["default-src"] == rules["base-uri"] == rules["form-action"] == rules["frame-ancestors"] == {"'none'"}
    assert rules["script-src"] == rules["style-src"] == {"'self'"}
    sources = set().union(*rules.values())
    assert sources <= {"'none'", "'self'", "blob:", "data:"}, "no 'unsafe-inline', no 'unsafe-eval', no host"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-cache"


def test_the_page_itself_keeps_to_its_policy() -> None:
    text = INDEX.read_text()
    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|javascript:|https?:", text)


def test_every_file_that_the_page_names_is_served(browser: TestClient, built: Path) -> None:
    named = re.findall(r'(?:href|src)="([^"]+)"', browser.get("/").text)
    assert len(named) >= 3
    kinds = {name: browser.get(f"/{name}").headers["content-type"].partition(";")[0] for name in named}
    assert kinds == {"console/mark.svg": "image/svg+xml", "console/style.css": "text/css", "console/main.js": "text/javascript"}


@pytest.mark.parametrize(
    "path", ["secret.txt", "index.html", "..%2Fsecret.txt", "%2e%2e/page.py", "..%2f..%2fpage.py", "main.js%00.txt", "main.js/", "", "."]
)
def test_nothing_else_is(browser: TestClient, built: Path, path: str) -> None:
    answer = browser.get(f"/console/{path}", follow_redirects=False)
    assert answer.status_code in (404, 307), answer.text
    if answer.status_code == 404:
        assert answer.headers["content-type"] == "application/problem+json"
    assert "not on the list" not in answer.text


def test_a_page_that_was_not_built_says_how(browser: TestClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(page, "BUILT", tmp_path / "dist")
    for path in ("/", "/console/main.js"):
        answer = browser.get(path)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found")
        assert "make console" in answer.json()["try_next"]


def test_what_a_browser_has_is_not_sent_again_and_what_is_sent_is_packed(browser: TestClient, built: Path) -> None:
    packed = browser.get("/console/main.js", headers={"Accept-Encoding": "gzip, br"})
    plain = browser.get("/console/main.js", headers={"Accept-Encoding": "identity"})
    assert packed.text == plain.text == (built / "main.js").read_text()
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 10
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    tags = [packed.headers["etag"], plain.headers["etag"]]
    assert tags[0] != tags[1]
    seen = browser.get("/console/main.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tags[0]})
    assert (seen.status_code, seen.content) == (304, b"")
    (built / "main.js").write_text("another build")
    assert browser.get("/console/main.js", headers={"Accept-Encoding": "gzip", "If-None-Match": tags[0]}).text == "another build"


@pytest.mark.parametrize("path", ["/", "/console/main.js"])
def test_head_is_get_without_the_body(browser: TestClient, built: Path, path: str) -> None:
    head, got = browser.head(path), browser.get(path)
    assert (head.status_code, head.headers["etag"]) == (200, got.headers["etag"])


@pytest.mark.skipif(not (page.BUILT / "index.html").exists(), reason="there is no build: make console")
def test_the_page_needs_no_key_and_the_api_does(tmp_path: Path) -> None:
    server = start_server(tmp_path, SNAP6D_REQUIRE_KEYS="true")
    try:
        shown = server.client.get("/")
        assert (shown.status_code, "</html>" in shown.text) == (200, True)
        assert server.client.get("/console/main.js").status_code == 200
        assert server.client.head("/").status_code == 200
        assert server.client.get("/console/../../page.py").status_code == 404
        assert server.client.get("/v1/info").status_code == server.client.get("/v1/objects").status_code == 401
        assert server.client.get("/openapi.json").json()["paths"].keys() & {"/", "/console/{name}"} == set()
    finally:
        server.stop()
