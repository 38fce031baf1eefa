"""What docs/ and the README say, held against the service: examples are run, tables compared.

A fenced block whose first line is "```sh run" or "```python run" is run in a folder with photos/ and test.jpg. In it
http://127.0.0.1:8000 (or localhost:8000) is the test's service, https://example.com/hooks an address where nobody listens, and
obj_..., job_..., wh_... are ids made for it: of a ready object and its job, or of what the word after `run` says (OBJECTS). Blocks of
shell run by themselves, those of Python on one page one after another. A JSON block right after a shell block shows the answer: it
must have these keys, whatever their values. ~/snap6d is the service's data folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from served import ROOT, Server, start_server

from service.problems import STATUS
from service.settings import ServiceSettings
from workers.webhooks.signing import new_secret, signed_headers

PAGES = ("README.md", "docs/api.md")
FENCED = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PRELUDE = f'set -euo pipefail; snap6d() {{ {sys.executable} -m workers.command.cli "$@"; }}\n'
BY_THE_SERVER = {"bad-request": 400, "method-not-allowed": 405, "internal-error": 500}
"""Problems that are no PipelineError."""


def blocks(page: str, language: str) -> list[tuple[str, str, str]]:
    """(word after run, code, the JSON block that follows or "") of the blocks that are run."""
    found = list(FENCED.finditer((ROOT / page).read_text()))
    runs = []
    for block, following in zip(found, [*found[1:], None], strict=True):
        words = block[1].split()
        shown = following[2] if following and following[1] == "json" and following.start() - block.end() <= 2 else ""
        if words[:2] == [language, "run"]:
            runs.append(("".join(words[2:]), block[2], shown))
    return runs


def block(page: str, head: str) -> str:
    (code,) = [code for first, code in FENCED.findall((ROOT / page).read_text()) if first == head]
    return code


SHELL = [pytest.param(*block, id=f"{page}-{number}") for page in PAGES for number, block in enumerate(blocks(page, "sh"))]


@pytest.fixture(scope="module")
def documented(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Takes images as large as those of the examples, and webhooks to this machine."""
    settings = {"ALLOW_PRIVATE_WEBHOOKS": "true", "MAX_PIXELS": "3000000", "MAX_WEBHOOKS": "20"}
    server = start_server(tmp_path_factory.mktemp("documented"), **{f"SNAP6D_{name}": value for name, value in settings.items()})
    yield server
    server.stop()


@pytest.fixture(scope="module")
def ready(documented: Server) -> tuple[str, str]:
    ids = documented.onboard("mug")
    assert documented.wait(ids[1])["status"] == "succeeded"
    return ids


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    for name in ("photos/IMG_0042.jpg", "photos/IMG_0043.jpg", "photos/IMG_0044.jpg", "test.jpg"):
        Image.new("RGB", (1920, 1080), (90, 120, sum(name.encode()) % 255)).save(tmp_path / name)
    (tmp_path / ".curlrc").write_text("fail-with-body\nsilent\nshow-error\n")
    return tmp_path


def _draft(server: Server) -> tuple[str, str]:
    return server.client.post("/v1/objects", json={"name": "mug"}).json()["id"], ""


def _filled(server: Server) -> tuple[str, str]:
    object_id, _ = _draft(server)
    with Image.new("RGB", (64, 48)) as image:
        image.save(server.data / "a.png")
    sent = server.client.put(f"/v1/objects/{object_id}/images/a.png", content=(server.data / "a.png").read_bytes())
    assert sent.status_code == 201
    return object_id, ""


def _running(server: Server) -> tuple[str, str]:
    ids = server.onboard("slow")
    server.wait(ids[1], "running")
    return ids


def _canceled(server: Server) -> tuple[str, str]:
    ids = server.onboard("slow")
    server.client.post(f"/v1/jobs/{ids[1]}/cancel")
    server.wait(ids[1], "canceled")
    return ids


OBJECTS: dict[str, Callable[[Server], tuple[str, str]]] = {
    "draft": _draft,
    "filled": _filled,  # a draft with a photo
    "running": _running,
    "canceled": _canceled,
}


def filled_in(code: str, server: Server, ids: tuple[str, str]) -> str:
    code = code.replace("~/snap6d", str(server.data))
    base, nobody = str(server.client.base_url).rstrip("/"), "http://127.0.0.1:9/hooks"
    if "wh_..." in code:
        code = code.replace("wh_...", server.client.post("/v1/webhooks", json={"url": nobody}).json()["id"])
    code = code.replace("http://127.0.0.1:8000", base).replace("localhost:8000", base).replace("https://example.com/hooks", nobody)
    return code.replace("obj_...", ids[0]).replace("job_...", ids[1])


def run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(folder)}
    said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)
    assert said.returncode == 0, said.stdout + said.stderr
    return said.stdout


def missing(shown: Any, answer: Any) -> set[str]:
    """Keys of the documented answer that the real one does not have."""
    if isinstance(shown, dict) and isinstance(answer, dict):
        below = [missing(value, answer[name]) for name, value in shown.items() if name in answer]
        return {name for name in shown if name not in answer}.union(*below)
    if isinstance(shown, list) and isinstance(answer, list) and shown and answer:
        return missing(shown[0], answer[0])
    return set()


@pytest.mark.parametrize(("word", "code", "shown"), SHELL)
def test_an_example_in_shell_works(documented: Server, ready: tuple[str, str], folder: Path, word: str, code: str, shown: str) -> None:
    ids = OBJECTS[word](documented) if word else ready
    filled = filled_in(code, documented, ids)
    assert "..." not in filled
    answer = run(["bash", "-c", PRELUDE + filled], folder)
    if word and ids[1]:
        documented.client.post(f"/v1/jobs/{ids[1]}/cancel")  # others wait behind it
    if shown:
        assert missing(json.loads(shown), json.loads(answer)) == set()


@pytest.mark.parametrize("page", PAGES)
def test_the_examples_in_python_work(documented: Server, folder: Path, page: str) -> None:
    program = "".join(code for _, code, _ in blocks(page, "python"))
    assert "0.9" in run([sys.executable, "-c", filled_in(program, documented, ("", ""))], folder), "the stand-in's score"
    assert (folder / "mug.glb").read_bytes() == b"glTF"


def test_the_check_of_signatures_tells_ours_from_others() -> None:
    names: dict[str, Any] = {}
    exec(block("docs/api.md", "python signature"), names)
    secret, body, now = new_secret(), b'{"type": "job.succeeded"}', int(time.time())
    headers = signed_headers(secret, "msg_1", now, body)
    two_signatures = {**headers, "webhook-signature": f"v1,AAAA {headers['webhook-signature']}"}
    assert names["is_genuine"](secret, headers, body)
    assert names["is_genuine"](secret, two_signatures, body)
    assert not names["is_genuine"](secret, headers, body + b" ")
    assert not names["is_genuine"](new_secret(), headers, body)
    assert not names["is_genuine"](secret, {**headers, "webhook-id": "msg_2"}, body)
    assert not names["is_genuine"](secret, signed_headers(secret, "msg_1", now - 3600, body), body)


def test_every_endpoint_has_its_paragraph_and_no_other(documented: Server) -> None:
    paths = documented.client.get("/openapi.json").json()["paths"]
    served = {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations}
    assert set(re.findall(r"^### `(.+)`$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)) == served


def test_every_problem_is_in_the_table() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\d+) \|", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert {code: int(status) for code, status in rows} == STATUS | BY_THE_SERVER


@pytest.mark.skipif(not shutil.which("sqlite3"), reason="there is no sqlite3 here")
def test_what_was_backed_up_is_there_again(documented: Server, ready: tuple[str, str], folder: Path) -> None:
    run(["bash", "-c", PRELUDE + filled_in(block("docs/operations.md", "sh backup"), documented, ready)], folder)
    restored = start_server(folder / "backup")
    try:
        assert restored.client.get(f"/v1/objects/{ready[0]}").json()["state"] == "ready"
        assert restored.client.get(f"/v1/objects/{ready[0]}/artifacts/mesh.glb").content == b"glTF"
    finally:
        restored.stop()


def test_every_metric_is_in_the_table(documented: Server) -> None:
    served = set(re.findall(r"^# TYPE (\w+) (?:gauge|counter|histogram)$", documented.client.get("/metrics").text, re.MULTILINE))
    rows = re.findall(r"^\| `(snap6d_\w+)` \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert {name for name in served if not name.endswith("_created")} == set(rows)


def test_every_setting_is_in_the_table() -> None:
    rows = re.findall(r"^\| `(SNAP6D_\w+)` \| (.*?) \|", (ROOT / "docs/operations.md").read_text(), re.MULTILINE)
    assert len(rows) == len(dict(rows))
    assert {f"SNAP6D_{name.upper()}" for name in ServiceSettings.model_fields} == set(dict(rows))


def test_tests_and_files_that_pages_name_exist() -> None:
    tests = "\n".join(path.read_text() for path in (ROOT / "tests").rglob("*.py"))
    for page in ("README.md", *(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))):
        text = (ROOT / page).read_text()
        for name in re.findall(r"`(test_\w+)`", text):
            assert f"def {name}(" in tests, f"{page} names {name}"
        for path in re.findall(r"\]\((?!https?:|#)([^)#]+)", text):
            assert ((ROOT / page).parent / path).exists(), f"{page} links {path}"
