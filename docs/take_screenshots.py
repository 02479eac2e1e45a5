"""Takes the pictures of the README from a running `./run`: python docs/take_screenshots.py [FOLDER] (needs Chromium)."""

import json
import os
import shutil
import sys
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}


def sign_in(page: Page, base: str, user: dict[str, str]) -> None:
    """Through the sign-in page, as a person does."""
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("Username").fill(user["username"])
    page.get_by_label("Password").fill(user["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{base}/")


def first_link(page: Page, base: str, listing: str, prefix: str) -> str:
    """The first address on a list page that begins with `prefix` and goes on with a number."""
    page.goto(base + listing)
    found = page.eval_on_selector_all("a[href]", "links => links.map(link => link.getAttribute('href'))")
    return next(link for link in found if link.startswith(prefix) and link[len(prefix) :].strip("/").isdigit())


def main(folder: Path) -> None:
    """One picture of each main page in two widths."""
    data = Path(os.environ.get("CAUSEWAY_DATA") or ROOT / "var")
    demo = json.loads((data / "demo.json").read_text())
    base = demo["base_url"]
    admin = next(user for user in demo["users"] if user["role"] == "admin")
    folder.mkdir(parents=True, exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=os.environ.get("CHROMIUM") or shutil.which("chromium"),
            args=["--no-sandbox"] if os.geteuid() == 0 else [],
        )
        page = browser.new_page(device_scale_factor=1)
        sign_in(page, base, admin)
        pages = {
            "home": "/",
            "connections": "/connections/",
            "connection": first_link(page, base, "/connections/", "/connections/"),
            "connect": "/connections/new/",
            "runs": "/runs/",
            "run": first_link(page, base, "/runs/", "/runs/"),
            "objectives": "/okr/",
            "objective": first_link(page, base, "/okr/", "/okr/objectives/"),
            "key-result": first_link(page, base, "/okr/", "/okr/key-results/"),
            "licenses": "/okr/licenses/",
            "departments": "/okr/settings/",
            "accounts": "/product/accounts/",
            "demo-product": "/product/demo/",  # its message is shown once a person: take it first
            "customer": first_link(page, base, "/customers/", "/customers/"),
            "invoice": first_link(page, base, "/billing/invoices/?status=FINALIZED", "/billing/invoices/"),
            "api": "/api/docs/",
            "back-office": "/admin/",
        }
        for name, path in pages.items():
            for label, (width, height) in SIZES.items():
                page.set_viewport_size({"width": width, "height": height})
                page.goto(base + path, wait_until="load")
                page.wait_for_timeout(800)  # charts and messages appear after the page
                page.screenshot(path=folder / f"{name}-{label}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots")
