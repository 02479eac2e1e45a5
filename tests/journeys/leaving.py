"""Leaving a page that holds the snippet without a request that comes after the test: its database is about to be emptied."""

from contextlib import suppress

from playwright.sync_api import Error, Page

SILENCE = "() => { navigator.sendBeacon = () => true; window.fetch = () => new Promise(() => {}); }"
ARRIVING = 2_000  # milliseconds; a page whose request was held back for good is never idle


def leave_quietly(page: Page) -> None:
    """Let what is on its way arrive, send nothing more, and go away; a page that is gone already is left alone."""
    with suppress(Error):
        page.evaluate(SILENCE)
        with suppress(Error):
            page.wait_for_load_state("networkidle", timeout=ARRIVING)
        page.goto("about:blank")
