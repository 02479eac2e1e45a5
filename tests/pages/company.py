"""A modest company with something on nearly every page, and a walk over all pages that links lead to."""

import html
import re
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urljoin, urlsplit

from django.test import Client
from django.urls import Resolver404, resolve
from django.utils import timezone

from billing import demo as billing_demo
from integrations.models import SalesforceOrg
from integrations.product import demo as experience_demo
from integrations.product.engagements.demonstration import fill_engagements
from okr import licenses
from okr.models import Department, Objective, Period, Reading
from provisioning.models import Provision, ProvisionStep
from tests.analytics.analysis_world import fill as fill_analytics
from tests.cast import Cast
from tests.pages.conftest import make_key_result, make_link
from tests.pages.engine_world import fill_engine
from tests.provisioning.shelf import customer, stock, subscribe

LINK = re.compile(r'<a\b[^>]*?\bhref="([^"#][^"]*)"|\bhx-get="([^"]+)"')
ELSEWHERE = ("/admin/", "/api/", "/static/", "/product/demo/")


@dataclass(frozen=True)
class Met:
    """One address that was asked for: what it answered, and the page whose link led there."""

    address: str
    name: str
    status: int
    via: str
    is_page: bool
    lacks: tuple[str, ...] = ()


def found_company(org: SalesforceOrg, cast: Cast) -> None:
    """Customers, mappings, waiting rows, runs, billing, a catalogue with deals and subscriptions, analytics, objectives."""
    now = timezone.now()
    fill_engine(org, "Harbor & Pine", now=now)
    experience_demo.fill_definitions(org, user=cast.ada, now=now)
    fill_engagements(user=cast.ada, now=now)
    billing_demo.fill(org, now=now)
    stock()
    subscribe(customer(), now=now, ends_at=now + timedelta(days=300), org=org, account_id="001000000000001AAA")
    _make_deals(org, now)
    fill_analytics(org, as_of=now.replace(hour=0, minute=0, second=0, microsecond=0))
    _make_objectives(org, cast, now)


def _make_objectives(org: SalesforceOrg, cast: Cast, now: datetime) -> None:
    today = now.date()
    period = Period.objects.create(
        name="This quarter", starts_on=today - timedelta(days=40), ends_on=today + timedelta(days=50)
    )
    team = Department.objects.create(name="Sales")
    objective = Objective.objects.create(title="Grow EMEA", owner=cast.jane, department=team, period=period)
    licenses.grant_license(org, user=cast.jane, actor=cast.ada, now=now)
    fed = make_key_result(objective, "Pipeline EMEA", cast.marsha, current_at=now, confidence="at_risk")
    make_link(fed, org, now, linked_by=cast.jane)
    Reading.objects.create(key_result=fed, value=510_000, at=now, source="report", report_name="Pipeline by region")
    make_key_result(objective, "New partners", cast.jane, unit="custom", unit_label="partners", current=None, target=12)


def _make_deals(org: SalesforceOrg, now: datetime) -> None:
    problem = {"line": 1, "name": "Training", "code": "unmapped", "message": "It leads nowhere.", "fix": "Map it."}
    for place, state in enumerate(("blocked", "waiting", "done")):
        deal = Provision.objects.create(
            org=org, opportunity_id=f"00600000000000{place}AAA", slot="contract", kind="won", name=f"Deal {place}", source="poll",
            account_name="Harbor & Pine", account_id="001000000000001AAA", state=state, sentence="Seen.",
            problems=[problem] if state == "blocked" else [],
        )  # fmt: skip
        ProvisionStep.objects.create(
            provision=deal, name="compile", position=1, state="done", sentence="Read.", ended_at=now - timedelta(minutes=5)
        )


def walk(client: Client, *, brief: bool = False, most: int = 600) -> list[Met]:
    """Follow every link of every page from the overview on, one of each kind; what each answered. A kind is the pattern of an
    address, and whether something stands after its question mark unless the walk is `brief`. `most` bounds it."""
    seen: dict[str, Met] = {}
    kinds: set[tuple[str, bool]] = set()
    todo = deque([("/", "")])
    while todo and len(seen) < most:
        address, via = todo.popleft()
        kind = (_name_of(address), "?" in address and not brief)
        if address in seen or kind in kinds:
            continue
        kinds.add(kind)
        answer = client.get(address)
        is_html = answer.headers.get("Content-Type", "").startswith("text/html")
        content = "" if answer.streaming or not is_html else answer.content.decode()
        is_page = answer.status_code == 200 and "<main" in content
        lacks = _lacks(content) if is_page else ()
        seen[address] = Met(address, kind[0], answer.status_code, via, is_page, lacks)
        if answer.status_code in (301, 302):
            content = f'<a href="{html.escape(answer.headers["Location"])}">'
        todo.extend((each, address) for each in _links_of(content, address) if each not in seen)
    return list(seen.values())


def _lacks(content: str) -> tuple[str, ...]:
    """What a page must have: one heading, a title and a breadcrumb whose last step is this page."""
    needed = {
        f"{content.count('<h1')} headings": content.count("<h1") == 1,
        "title": re.search(r"<title>\s*[^\s·]", content) is not None,
        "breadcrumb": 'aria-label="Breadcrumb"' in content and 'aria-current="page"' in content,
    }
    return tuple(name for name, is_there in needed.items() if not is_there)


def _links_of(content: str, address: str) -> list[str]:
    """Addresses of ours in links and in what scripts fetch, without the part after #."""
    found = (html.unescape(linked or fetched) for linked, fetched in LINK.findall(content))
    joined = (urljoin(address, each).partition("#")[0] for each in found)
    return [each for each in dict.fromkeys(joined) if each.startswith("/") and not each.startswith(ELSEWHERE)]


def _name_of(address: str) -> str:
    """The name of the address in the URLconf; the path itself where there is none."""
    path = urlsplit(address).path
    try:
        return resolve(path).view_name or path
    except Resolver404:
        return path
