"""Webhooks of the running service: made over HTTP, told by its workers, whatever happens to those."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from receiver import receiving
from served import Server, start_server


@pytest.fixture(scope="module")
def telling(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """May tell receivers on this machine, tries soon again."""
    settings = {"ALLOW_PRIVATE_WEBHOOKS": "true", "WEBHOOK_RETRY_S": "[0.2, 0.2]", "WEBHOOK_TIMEOUT_S": "2", "MAX_WEBHOOKS": "2"}
    server = start_server(tmp_path_factory.mktemp("telling"), **{f"SNAP6D_{name}": value for name, value in settings.items()})
    yield server
    server.stop()


def test_a_webhook_hears_of_a_job_and_shows_its_secret_once(telling: Server) -> None:
    with receiving(500) as receiver:
        made = telling.client.post("/v1/webhooks", json={"url": receiver.url})
        assert made.status_code == 201, made.text
        hook = telling.client.get(made.headers["location"])
        assert made.json()["secret"].startswith("whsec_")
        _, job_id = telling.onboard()
        first, second = receiver.wait(2)
        told = second.verified(made.json()["secret"])
        assert (told["type"], told["data"]["id"]) == ("job.succeeded", job_id)
        assert first.id == second.id
        deadline = time.monotonic() + 10
        while (history := telling.client.get(made.headers["location"]).json()["deliveries"])[0]["status"] == "due":
            assert time.monotonic() < deadline, history
        assert [(d["id"], d["status"], d["attempts"], d["next_at"]) for d in history] == [(second.id, "delivered", 2, None)]
        listed = telling.client.get("/v1/webhooks")
        assert [row["id"] for row in listed.json()] == [made.json()["id"]]
        assert "whsec_" not in listed.text + hook.text
        assert telling.client.delete(made.headers["location"]).status_code == 204
        assert telling.client.get(made.headers["location"]).status_code == 404


def test_a_worker_killed_on_its_way_delivers_after_all(telling: Server) -> None:
    with receiving() as receiver:
        receiver.hold = 60.0
        made = telling.client.post("/v1/webhooks", json={"url": receiver.url, "events": ["job.failed"]}).json()
        telling.onboard("fail")
        (first,) = receiver.wait(1)
        telling.worker("cpu").kill()
        receiver.hold = 0.0
        second = receiver.wait(2, timeout_s=30)[1]
        assert second.id == first.id
        assert "overlap" in second.verified(made["secret"])["data"]["error"]["try_next"]
        assert telling.client.delete(f"/v1/webhooks/{made['id']}").status_code == 204


def test_there_is_a_cap_on_webhooks(telling: Server) -> None:
    made = [telling.client.post("/v1/webhooks", json={"url": "http://127.0.0.1:1/"}) for _ in range(3)]
    assert [answer.status_code for answer in made] == [201, 201, 409]
    assert "DELETE" in made[2].json()["detail"]
    for answer in made[:2]:
        telling.client.delete(answer.headers["location"])


REFUSED_URLS = (
    *("http://example.com/", "ftp://example.com/", "example", "", "https://127.0.0.1/", "https://localhost/", "https://[::1]/"),
    *(
        "https://169.254.169.254/latest",
        "https://2130706433/",
        "https://no-such-host.invalid/",
        "https://1.1.1.1:99999/",
        "https://\\ud800/",
    ),
)


@pytest.mark.parametrize(
    "asked",
    [
        *(f'{{"url": "{url}"}}' for url in REFUSED_URLS),
        '{"url": "https://1.1.1.1/", "events": []}',
        '{"url": "https://1.1.1.1/", "events": ["job.paused"]}',
        '{"url": "https://1.1.1.1/", "secret": "mine"}',
        *("{}", "https://1.1.1.1/"),
    ],
)
def test_what_is_no_public_https_url_is_refused_with_advice(embedded: Server, asked: str) -> None:
    answer = embedded.client.post("/v1/webhooks", content=asked, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["type"]) == (422, "/problems/bad-input"), answer.text
    assert ":" in answer.json()["detail"]
    assert embedded.client.get("/v1/webhooks").json() == []
