"""Images out again: as they are kept, and small."""

from __future__ import annotations

import hashlib
import io

import httpx
import numpy as np
import pytest
from PIL import Image
from served import Server
from uploads_made import photo

UPRIGHT_IS_TURNED = 6  # EXIF: what is stored must be turned by a quarter


def draft(server: Server) -> str:
    return str(server.client.post("/v1/objects", json={}).raise_for_status().json()["id"])


def put(server: Server, object_id: str, name: str, content: bytes, kind: str = "photos") -> None:
    server.client.put(f"/v1/objects/{object_id}/images/{name}", content=content, params={"kind": kind}).raise_for_status()


def get(server: Server, object_id: str, name: str, headers: dict[str, str] | None = None, **asked: object) -> httpx.Response:
    return server.client.get(f"/v1/objects/{object_id}/images/{name}", params=asked, headers=headers)  # type: ignore[arg-type]


def drawn(size: tuple[int, int], kind: str = "JPEG", orientation: int = 1, mode: str = "RGB") -> bytes:
    """Dark above, light below, as it is stored."""
    rows = np.linspace(0, 255, size[1]).astype(np.uint8)[:, None].repeat(size[0], 1)
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    Image.fromarray(rows).convert(mode).save(out, kind, exif=exif.tobytes())
    return out.getvalue()


def small(answer: httpx.Response) -> Image.Image:
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/jpeg"), answer.text
    return Image.open(io.BytesIO(answer.content))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_photo_is_given_small_and_as_it_is_kept(server: Server, kind: str) -> None:
    object_id = draft(server)
    put(server, object_id, f"a.{kind.lower()}", drawn((600, 400), kind))
    (listed,) = server.client.get(f"/v1/objects/{object_id}/images").json()
    kept = get(server, object_id, "a")
    assert hashlib.sha256(kept.content).hexdigest() == listed["sha256"]
    assert kept.headers["content-type"] == f"image/{kind.lower()}"
    assert kept.headers["content-disposition"].startswith("inline")
    assert get(server, object_id, f"a.{'jpg' if kind == 'JPEG' else kind.lower()}").content == kept.content
    assert small(get(server, object_id, "a", px=160)).size == (160, 107)
    assert small(get(server, object_id, "a", px=1280)).size == (600, 400), "nothing is blown up"


def test_a_small_photo_is_upright(server: Server) -> None:
    object_id = draft(server)
    put(server, object_id, "a.jpg", drawn((600, 400), orientation=UPRIGHT_IS_TURNED))
    picture = small(get(server, object_id, "a", px=320))
    assert picture.size == (213, 320)
    left, right = np.asarray(picture.convert("L"), float)[:, [5, -5]].mean(0)
    assert left > right + 200


def test_depth_and_masks_are_given_small_too(server: Server) -> None:
    object_id = draft(server)
    deep, out = Image.fromarray((1000 + np.arange(200 * 300) % 2000).astype(np.uint16).reshape(200, 300)), io.BytesIO()
    deep.save(out, "PNG")
    put(server, object_id, "a.jpg", photo(1))
    put(server, object_id, "a.png", out.getvalue(), "depth")
    put(server, object_id, "a.png", drawn((300, 200), "PNG", mode="L"), "masks")
    low, high = small(get(server, object_id, "a", px=160, kind="depth")).convert("L").getextrema()
    assert high - low > 200  # type: ignore[operator]
    assert small(get(server, object_id, "a", px=160, kind="masks")).size == (160, 107)


def test_what_a_browser_has_is_not_sent_again(server: Server) -> None:
    object_id = draft(server)
    put(server, object_id, "a.jpg", photo(1, 400, 300))
    first = get(server, object_id, "a", px=160)
    assert first.headers["cache-control"].startswith("private, max-age=")
    assert first.headers["vary"] == "Authorization"
    seen = {"If-None-Match": first.headers["etag"]}
    assert get(server, object_id, "a", seen, px=160).status_code == 304
    assert get(server, object_id, "a", seen, px=320).status_code == get(server, object_id, "a", seen).status_code == 200
    put(server, object_id, "a.jpg", photo(2, 400, 300))
    assert get(server, object_id, "a", seen, px=160).status_code == 200, "another photo of that name"


def test_what_is_not_there_or_not_asked_so_is_refused(server: Server) -> None:
    object_id = draft(server)
    put(server, object_id, "a.jpg", photo(1))
    for name, asked in (("b", {}), ("a", {"kind": "masks"}), ("..%2Fsnap6d.sqlite", {}), ("a", {"kind": "video", "px": 160})):
        answer = get(server, object_id, name, **asked)
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-found"), name
    for px in (0, 161, 100_000, "large"):
        assert get(server, object_id, "a", px=px).status_code == 422
