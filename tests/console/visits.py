"""A person at the console: a window of a real Chromium that remembers everything which must never happen."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, Request

ROOT = Path(__file__).parents[2]
PICTURES = ROOT / "runs" / "console"
AXE = ROOT / "service" / "console" / "node_modules" / "axe-core" / "axe.min.js"
SIZES = {"wide": (1280, 900), "narrow": (390, 844)}
LOCAL_SCHEMES = ("blob", "data")


@dataclass(frozen=True)
class Look:
    scheme: Literal["light", "dark"] = "light"
    size: Literal["wide", "narrow"] = "wide"

    def __str__(self) -> str:
        return f"{self.scheme}-{self.size}"


LOOKS = [Look(scheme, size) for scheme in ("light", "dark") for size in ("wide", "narrow")]


@dataclass
class Visit:
    """One window. `faults`: what it did that it must not; `refusals`: patterns of failed requests that this test provokes."""

    page: Page
    url: str
    look: Look
    faults: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def open(self, route: str = "") -> None:
        self.page.goto(f"{self.url}/#/{route}")

    def expect_refusals(self, *patterns: str) -> None:
        """Chromium calls every answer that is no success an error of the page; these are part of the test."""
        self.refusals += patterns

    def judged(self) -> list[str]:
        return [fault for fault in self.faults if not any(re.search(pattern, fault) for pattern in self.refusals)]

    def picture(self, name: str) -> Path:
        """A picture of all of the page."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}-{self.look}.png"
        self.page.screenshot(path=path, full_page=True, animations="disabled")
        return path

    def scrolls_sideways(self) -> bool:
        return self.page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")

    def barriers(self) -> list[str]:
        """What axe finds that keeps somebody out: violations that are serious or critical."""
        self.page.evaluate(AXE.read_text())
        found: dict[str, Any] = self.page.evaluate("axe.run({resultTypes: ['violations']})")
        return [
            f"{rule['id']} ({rule['impact']}): {node['html'][:160]}: {node['failureSummary']}"
            for rule in found["violations"]
            if rule["impact"] in ("serious", "critical")
            for node in rule["nodes"]
        ]

    def tab_to(self, target: Locator, at_most: int = 60) -> None:
        """By the Tab key alone. Whatever has the focus on the way must show it."""
        for _ in range(at_most):
            self.page.keyboard.press("Tab")
            assert self.page.evaluate(SHOWS_FOCUS), self.page.evaluate("document.activeElement.outerHTML.slice(0, 300)")
            if target.evaluate("element => element === document.activeElement"):
                return
        raise AssertionError(f"the Tab key does not lead to {target}")

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.faults.append(f"console: {message.text} ({message.location.get('url', '')})")

    def note_request(self, request: Request) -> None:
        if not request.url.startswith(f"{self.url}/") and urlsplit(request.url).scheme not in LOCAL_SCHEMES:
            self.faults.append(f"request to somewhere else: {request.url}")


def fits_and_is_read_by_everybody(seen: Visit) -> None:
    assert not seen.scrolls_sideways()
    assert not (barriers := seen.barriers()), "\n".join(barriers)


# An outline, or for a control that is hidden behind its label (a file field) one around that.
SHOWS_FOCUS = """() => {
  const outlined = (element) => {
    const style = getComputedStyle(element);
    return (style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0) || style.boxShadow !== "none";
  };
  const active = document.activeElement;
  if (!active || active === document.body) return true;
  return outlined(active) || (active.labels && [...active.labels].some(outlined)) || outlined(active.parentElement);
}"""

SAY_VIOLATIONS = """addEventListener("securitypolicyviolation",
  (event) => console.error(`policy: ${event.violatedDirective} forbids ${event.blockedURI}`))"""


@contextmanager
def visiting(browser: Browser, url: str, look: Look) -> Iterator[Visit]:
    """Everything that the window does is noted, from its first request on."""
    width, height = SIZES[look.size]
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=look.scheme, accept_downloads=True)
    context.grant_permissions(["clipboard-read", "clipboard-write"], origin=url)
    context.add_init_script(SAY_VIOLATIONS)
    page = context.new_page()
    page.set_default_timeout(30_000)
    visit = Visit(page, url.rstrip("/"), look)
    page.on("console", visit.note_console)
    page.on("pageerror", lambda error: visit.faults.append(f"uncaught: {error}"))
    context.on("request", visit.note_request)
    try:
        yield visit
    finally:
        context.close()
