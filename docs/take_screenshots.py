"""Takes the pictures of the documents from a running `./run`: python docs/take_screenshots.py [FOLDER] (needs Chromium).

Each page once, wide and light; some on a phone; home in the dark too. Pictures are kept to 256 colors, which halves their size.
"""

import json
import os
import shutil
import sys
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
SIZES = {"desktop": (1280, 860), "phone": (390, 844)}
ON_PHONE = ("home", "objectives", "key-result", "customer")
IN_DARK = ("home",)
PLAIN = {
    "demo-product": "/product/demo/",  # its message is shown once a person: take it first
    "home": "/",
    "search": "/search/?q=pro",
    "connections": "/connections/",
    "runs": "/runs/",
    "outbox": "/outbox/",
    "objectives": "/okr/",
    "licenses": "/okr/licenses/",
    "customers": "/customers/",
    "four-way": "/audit/four-way/",
    "product": "/product/",
    "accounts": "/product/accounts/",
    "billing": "/billing/",
    "provisioning": "/provisioning/",
    "analytics": "/analytics/",
    "configuration": "/configuration/",
    "security": "/security/",
    "audit": "/audit/",
    "alerts": "/alerts/",
    "budget": "/budget/",
    "people": "/people/",
    "documents": "/docs/",
}
# name: a list, and the beginning of the address of one of its rows
FIRST_OF = {
    "connection": ("/connections/", "/connections/"),
    "run": ("/runs/", "/runs/"),
    "key-result": ("/okr/", "/okr/key-results/"),
    "customer": ("/audit/four-way/?kind=used_above_granted", "/customers/"),  # somebody of whom much is known
    "invoice": ("/billing/invoices/?status=FINALIZED", "/billing/invoices/"),
    "deal": ("/provisioning/provisions/", "/provisioning/provisions/"),
}


def sign_in(page: Page, base: str, user: dict[str, str]) -> None:
    """Through the sign-in page, as a person does."""
    page.goto(f"{base}/accounts/login/")
    page.get_by_label("Username").fill(user["username"])
    page.get_by_label("Password").fill(user["password"])
    page.get_by_role("button", name="Sign in", exact=True).click()
    page.wait_for_url(f"{base}/")


def first_link(page: Page, base: str, listing: str, prefix: str) -> str:
    """The first address on a list page that begins with `prefix` and goes on with a number or id; "" without any."""
    page.goto(base + listing)
    found = page.eval_on_selector_all("main a[href]", "links => links.map(link => link.getAttribute('href'))")
    rests = ((link, link[len(prefix) :].strip("/")) for link in found if link.startswith(prefix))
    return next((link for link, rest in rests if rest and "/" not in rest and any(sign.isdigit() for sign in rest)), "")


def press_first(page: Page, base: str) -> None:
    """What a new installation does in its first night, so that there is something to see."""
    for path, button in (("/audit/", "Verify now"), ("/security/", "Check now")):
        answer = page.goto(base + path)
        if answer is not None and answer.status == 200:
            page.get_by_role("button", name=button).first.click()
            page.wait_for_load_state()


def pages_of(page: Page, base: str) -> dict[str, str]:
    """Name and address of every picture."""
    rows = {name: first_link(page, base, listing, prefix) for name, (listing, prefix) in FIRST_OF.items()}
    connection = rows["connection"].strip("/").rsplit("/", 1)[-1]
    return {**PLAIN, **rows, "mapping": f"/mappings/{connection}/customer/", "driver": "/analytics/drivers/"}


def take(page: Page, base: str, address: str, path: Path, *, width: int, height: int, theme: str) -> bool:
    """One picture; False (and none) where the page is not there."""
    page.context.add_cookies([{"name": "theme", "value": theme, "url": f"{base}/"}])
    page.set_viewport_size({"width": width, "height": height})
    answer = page.goto(base + address, wait_until="load")
    if answer is None or answer.status != 200:
        return False
    page.wait_for_timeout(800)  # charts and messages appear after the page
    page.screenshot(path=path)
    with Image.open(path) as picture:
        small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    small.save(path, optimize=True)
    return True


def main(folder: Path) -> None:
    """All pictures of a running demonstration."""
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
        page.set_default_timeout(90_000)  # a machine with other work
        sign_in(page, base, admin)
        press_first(page, base)
        for name, path in pages_of(page, base).items():
            kinds = [("desktop", "light")]
            kinds += [("phone", "light")] if name in ON_PHONE else []
            kinds += [("desktop", "dark")] if name in IN_DARK else []
            for size, theme in kinds:
                width, height = SIZES[size]
                file = folder / f"{name}-{size}{'-dark' if theme == 'dark' else ''}.png"
                if not path or not take(page, base, path, file, width=width, height=height, theme=theme):
                    print(f"{name}: no such page here")  # noqa: T201 - a script for developers
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "screenshots")
