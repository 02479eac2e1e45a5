"""Every page that links lead to, in a real browser as an admin: light on a desktop and dark on a phone, each pattern once.

It holds what a machine can hold: the page comes, nothing is reported in the console, it has one heading that is seen and a title,
it is not wider than the window, a finger meets its buttons, no sentence shows a bare `None` or a placeholder, and axe finds nothing
serious (each pattern in one of the two looks, in turn).
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Literal
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.core.cache import cache
from django.test import Client
from playwright.sync_api import Page, ViewportSize

from tests.journeys.leaving import leave_quietly
from tests.journeys.test_look import SERIOUS, small_targets, watch
from tests.pages.company import found_company, walk

pytestmark = pytest.mark.xdist_group("browser")
SLIPS = re.compile(r"\bNaN\b|\bundefined\b|\[object |\{%|\((?:BW|PX|MT|FZ|ST)-[A-Z]?\d+\)|-{9}|: None\b|\d:\d\d:\d\d\b")
"""Words that slipped through: no value, template code, ids of requirements, empty choices, times to the second."""
SPELLED_OUT = ("/audit/", "/docs/", "/analytics/definitions/")
"""Below these stand texts for developers, and the log in which seconds count."""
FACTS = """() => {
    const seen = [...document.querySelectorAll('h1')].filter(each => each.getClientRects().length && each.innerText.trim());
    const root = document.documentElement;
    return {headings: seen.length, title: document.title, wider: root.scrollWidth - root.clientWidth,
            text: (document.querySelector('main') || document.body).innerText};
}"""
LOOKS: dict[Literal["light", "dark"], ViewportSize] = {
    "light": {"width": 1280, "height": 844},
    "dark": {"width": 390, "height": 844},
}
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
"""Charts follow their frame when it changes, one picture later."""
RULES = {"resultTypes": ["violations"], "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


@pytest.fixture(autouse=True)
def quiet_ending(page: Page, db) -> Iterator[None]:
    yield
    leave_quietly(page)


@pytest.fixture
def addresses(cast, connected_org, live_server, settings) -> list[str]:
    """One address of each page, as an admin meets them."""
    cache.clear()
    settings.BASE_URL = live_server.url
    found_company(connected_org, cast)
    client = Client(raise_request_exception=False)
    client.force_login(cast.ada)
    return [each.address for each in walk(client, brief=True) if each.is_page]


def look_at(page: Page, address: str, *, axe: Axe, looks_closer: str) -> list[str]:
    """What is wrong with one page. It is opened once and then turned: what differs between the looks is all in its style sheet."""
    page.emulate_media(color_scheme="light")
    page.set_viewport_size(LOOKS["light"])
    answer = page.goto(address)
    status = answer.status if answer is not None else 0
    found = [] if status == 200 else [f"status {status}"]
    for scheme, size in LOOKS.items():
        page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        page.set_viewport_size(size)
        page.evaluate(SETTLED)
        facts = page.evaluate(FACTS)
        wrong = [f"{facts['wider']} px too wide"] if facts["wider"] > 0 else []
        wrong += small_targets(page) if scheme == "dark" else []
        wrong += _violations(page, axe) if scheme == looks_closer else []
        found += [f"{scheme}: {each}" for each in wrong]
        if scheme == "light":
            found += _said_wrong(address, facts)
    return found


def _said_wrong(address: str, facts: dict[str, Any]) -> list[str]:
    found = [] if facts["headings"] == 1 else [f"{facts['headings']} headings"]
    found += [] if facts["title"].strip(" ·") else ["no title"]
    if urlsplit(address).path.startswith(SPELLED_OUT):
        return found
    return found + [f"says {slip.group()!r}" for slip in SLIPS.finditer(facts["text"])]


def _violations(page: Page, axe: Axe) -> list[str]:
    violations = axe.run(page, options=RULES).response["violations"]
    return [f"{each['id']}: {each['nodes'][0]['html'][:120]}" for each in violations if each["impact"] in SERIOUS]


def test_every_page_holds_the_rules_that_a_machine_can_hold(page: Page, live_server, sign_in, addresses):
    assert len(addresses) > 90
    axe, problems = Axe(), {}
    heard = watch(page)
    sign_in("ada")
    for place, address in enumerate(addresses):
        found = look_at(page, live_server.url + address, axe=axe, looks_closer=tuple(LOOKS)[place % 2]) + heard
        if found:
            problems[address] = list(found)
        heard.clear()
    assert not problems, json.dumps(problems, indent=1)
