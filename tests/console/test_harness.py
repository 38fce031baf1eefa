"""What the other tests rely on: a fault is noticed."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from served import Server
from visits import Look, Visit

OPEN = Callable[..., Visit]

DEEDS = {
    "an error on the console": ("console.error('oh')", "console: oh"),
    "an uncaught exception": ("setTimeout(() => { throw new Error('oh'); })", "uncaught: .*oh"),
    "a style in a string": ("document.body.innerHTML += '<b style=\"color: red\">x</b>'", "policy: style-src"),
    "an outside picture": ("(new Image()).src = 'https://example.com/a.png'", "policy: img-src"),
    "an outside address": ("setTimeout(() => { location.href = 'http://example.com/' })", "request to somewhere else: http://example.com/"),
    "a missing file": ("fetch('v1/objects/obj_none').then(() => 0)", "console: Failed to load resource.*404"),
}


@pytest.mark.parametrize("deed", DEEDS)
def test_a_fault_is_noticed(visit: OPEN, service: Server, deed: str) -> None:
    script, said = DEEDS[deed]
    seen = visit(service)
    seen.open()
    seen.page.get_by_role("link", name="New object").first.wait_for()
    assert seen.judged() == []
    seen.page.evaluate(script)
    seen.page.wait_for_timeout(500)
    assert [fault for fault in seen.faults if re.search(said, fault)], seen.faults
    seen.faults.clear()


def test_software_draws_in_three_dimensions(visit: OPEN, service: Server) -> None:
    seen = visit(service, Look("dark", "narrow"))
    seen.open()
    assert seen.page.evaluate("!!document.createElement('canvas').getContext('webgl2')")
    assert seen.page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches && innerWidth") == 390
