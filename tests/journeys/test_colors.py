"""Pages that others' code draws, in the product's colors and in the scheme of the person: back office and API reference."""

import re
from typing import Any

import pytest
from playwright.sync_api import Page

ACCENT = {"light": "#0b6672", "dark": "#62c6d2"}
GROUND = {"light": "#f6f7f7", "dark": "#0e1314"}


def computed(page: Page, selector: str, name: str) -> str:
    """A color as six hexadecimal digits, whatever way the sheet writes it."""
    script = """([selector, name]) => {
      const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d");
      pen.fillStyle = getComputedStyle(document.querySelector(selector))[name];
      pen.fillRect(0, 0, 1, 1);
      return [...pen.getImageData(0, 0, 1, 1).data].slice(0, 3);
    }"""
    return "#" + "".join(f"{each:02x}" for each in page.evaluate(script, [selector, name]))


@pytest.fixture(params=["light", "dark"])
def scheme(request, page: Page, sign_in, cast) -> str:
    """An admin's browser in each scheme of the system."""
    chosen: Any = request.param
    page.emulate_media(color_scheme=chosen)
    sign_in("ada")
    return chosen


def test_the_back_office_has_the_accent_of_the_product(page: Page, live_server, scheme: str, shot) -> None:
    page.goto(f"{live_server.url}/admin/auth/user/add/")
    page.wait_for_selector("html:not([x-cloak])")
    assert computed(page, "button[name=_save]", "backgroundColor") == ACCENT["light"]  # under white text in both schemes
    page.goto(f"{live_server.url}/admin/auth/user/")
    page.wait_for_selector("#changelist")
    assert page.evaluate("document.documentElement.classList.contains('dark')") == (scheme == "dark")
    shot(f"back-office-{scheme}")
    assert accents(page) == {ACCENT["light"], ACCENT["dark"]}


def accents(page: Page) -> set[str]:
    """The two shades that text and marks are drawn in: on light and on dark ground."""
    names = ["--color-primary-500", "--color-primary-600"]
    script = "names => names.map(each => getComputedStyle(document.documentElement).getPropertyValue(each).trim())"
    return set(page.evaluate(script, names))


def test_the_api_reference_follows_the_scheme(page: Page, live_server, scheme: str, shot) -> None:
    page.goto(f"{live_server.url}/api/docs/")
    page.wait_for_selector(".swagger-ui .opblock-tag")
    shot(f"api-docs-{scheme}")
    assert computed(page, "html", "backgroundColor") == GROUND[scheme]
    ink = computed(page, ".swagger-ui .info .title", "color")
    assert is_light(ink) == (scheme == "dark")
    other: Any = "light" if scheme == "dark" else "dark"
    page.emulate_media(color_scheme=other)  # the system changes while the page is open
    page.wait_for_function("dark => document.documentElement.classList.contains('dark-mode') === dark", arg=other == "dark")
    assert computed(page, "html", "backgroundColor") == GROUND[other]


def test_the_api_reference_is_as_the_person_chose(page: Page, live_server, sign_in, cast) -> None:
    page.emulate_media(color_scheme="light")
    sign_in("ada")
    page.context.add_cookies([{"name": "theme", "value": "dark", "url": live_server.url}])
    page.goto(f"{live_server.url}/api/docs/")
    assert computed(page, "html", "backgroundColor") == GROUND["dark"]


def is_light(color: str) -> bool:
    parts = re.findall("[0-9a-f]{2}", color)
    return sum(int(each, 16) for each in parts) > 3 * 128
