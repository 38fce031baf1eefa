"""What a page shows when things did not go well, or not yet: the API's own words, as text, in every look."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import expect
from served import Server
from visits import Look, Visit, fits_and_is_read_by_everybody

OPEN = Callable[..., Visit]
MARKUP = "<img src=x onerror=\"console.error('run')\"><b>bold</b>"


def onboarded(service: Server, name: str, state: str = "succeeded") -> str:
    """The id of an object whose first job is in that state."""
    if name not in service.known:
        service.known[name], job_id = service.onboard(name)
        service.wait(job_id, state)
    return service.known[name]


@pytest.mark.parametrize("tab", ["watch", "use"])
def test_text_that_looks_like_markup_is_text(visit: OPEN, service: Server, tab: str) -> None:
    object_id = onboarded(service, MARKUP)
    seen = visit(service)
    for route in ("", f"objects/{object_id}/{tab}"):
        seen.open(route)
        expect(seen.page.get_by_text(MARKUP).first).to_be_visible()
        assert seen.page.locator("main b", has_text="bold").count() == 0
    assert not seen.scrolls_sideways()


def test_a_failed_onboarding_says_what_to_do(visit: OPEN, service: Server, look: Look) -> None:
    object_id = onboarded(service, "fail", "failed")
    seen = visit(service, look)
    seen.open(f"objects/{object_id}/watch")
    expect(seen.page.get_by_text("12 of 98 photos registered").first).to_be_visible()
    expect(seen.page.get_by_text("add overlap or texture around the object").first).to_be_visible()
    fits_and_is_read_by_everybody(seen)


def test_every_tab_of_a_finished_object(visit: OPEN, service: Server, look: Look) -> None:
    object_id = onboarded(service, "weak")
    seen = visit(service, look)
    for tab in ("watch", "use"):
        seen.open(f"objects/{object_id}/{tab}")
        expect(seen.page.get_by_role("heading", name="weak")).to_be_visible()
        seen.page.wait_for_load_state("networkidle")
        fits_and_is_read_by_everybody(seen)
        seen.picture(f"finished_{tab}")
