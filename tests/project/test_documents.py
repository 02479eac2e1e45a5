"""The documents tell the truth: what they name exists, and what exists is named."""

import re
import shlex
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from django.core.management import get_commands, load_command_class
from django.urls import Resolver404, resolve
from drf_spectacular.generators import SchemaGenerator

from integrations.access import ROLE_LABELS, ROLES, SCOPES
from integrations.models import SalesforceOrg
from integrations.orgs.states import TROUBLES
from integrations.salesforce.errors import AuthError
from integrations.salesforce.meaning import RULES, Reason
from okr.models import ReportLink
from project.documents.help import HELP, help_for
from project.documents.library import find_sections, library
from project.people.meaning import MEANING
from project.templatetags.ui import NAVIGATION
from project.timetable import timetable
from tests.project.documents import DOCS, FILES, ROOT, anchors, code, links, prose, read

OURS = ("project", "integrations", "integrations.product", "okr", "billing", "provisioning", "analytics")
PLACEHOLDER = re.compile(r"\{[^}]+\}|<[^>]+>")


def each_file(*leaving: str):
    return pytest.mark.parametrize("path", [path for path in FILES if path.name not in leaving], ids=lambda path: path.name)


@each_file()
def test_every_link_and_anchor_leads_somewhere(path: Path) -> None:
    wrong = []
    for target in links(read(path)):
        if target.startswith(("https://", "http://")):
            continue
        parts = urlsplit(target)
        if parts.path.startswith("/"):
            resolve(parts.path)
            continue
        file = (path.parent / parts.path).resolve() if parts.path else path
        if not file.exists() or (parts.fragment and parts.fragment not in anchors(file)):
            wrong.append(target)
    assert wrong == []


@each_file("CHANGELOG.md", "demo_org.md")
def test_every_address_of_a_page_exists(path: Path) -> None:
    """What looks like a path in code is one of ours: whole, below /api/v1, or the beginning or the end of a call of the API."""
    named = set(re.findall(r"(?<![\w.$}/:*>-])/[a-z][\w/<>{}-]*/(?=[?`\s\"',)]|$)", code(read(path)), re.MULTILINE))
    paths = [PLACEHOLDER.sub("1", call.split(" ", 1)[1]) for call in api_calls()]
    wrong = []
    for address in sorted(
        each for each in named if not each.startswith(("/services/", "/__demo__/", "/your/", "/srv/", "/static/"))
    ):
        filled = re.sub(
            r"/ID/|/acme/", "/1/", PLACEHOLDER.sub("1", address.replace("<object>", "plans").replace("{act}", "preview"))
        )
        known = leads_somewhere(filled) or leads_somewhere(f"/api/v1{filled}")
        if not known and not any(each.startswith(filled) or each.endswith(filled) for each in paths):
            wrong.append(address)
    assert wrong == []


def leads_somewhere(address: str) -> bool:
    try:
        resolve(address)
    except Resolver404:
        return False
    return True


@cache
def api_calls() -> set[str]:
    """Every call of the schema, as `GET /api/v1/...`."""
    paths = SchemaGenerator().get_schema(request=None, public=True)["paths"]
    methods = {"get", "post", "put", "patch", "delete"}
    return {f"{method.upper()} {path}" for path, operations in paths.items() for method in operations if method in methods}


def documented_calls() -> set[str]:
    """Those of the tables in docs/api.md; one object of billing stands for all eight."""
    objects = [
        "plans",
        "billable-metrics",
        "customers",
        "ingest-aliases",
        "customer-plans",
        "credit-grants",
        "invoices",
        "line-items",
    ]
    found = set(re.findall(r"`((?:GET|POST|PUT|PATCH|DELETE) /api/v1/[^`?\s]+)", read("api.md")))
    return {call.replace("<object>", name) for call in found for name in (objects if "<object>" in call else [""])}


def test_every_call_of_the_api_is_documented() -> None:
    assert api_calls() - documented_calls() == set()


def test_every_documented_call_exists() -> None:
    assert documented_calls() - api_calls() - {"POST /api/v1/provisioning/salesforce/"} == set()
    resolve("/api/v1/provisioning/salesforce/")


def test_every_scope_is_documented_and_no_other() -> None:
    assert set(re.findall(r"^\| `(\w+:(?:read|write))` \|", read("api.md"), re.MULTILINE)) == set(SCOPES)


def settings_of(text: str) -> set[str]:
    return set(re.findall(r"^\| `([A-Z_]+)` \|", text, re.MULTILINE))


def test_every_setting_is_documented_and_no_other() -> None:
    source = (ROOT / "project/settings.py").read_text()
    known = set(re.findall(r"(?:env\.\w+|_whole_number|_yes_or_no|_words)\(\s*\"([A-Z_]+)\"", source))
    example = set(re.findall(r"^#? ?([A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE))
    assert len(known) > 25
    assert settings_of(read("settings.md")) == known | example | {"DATABASE_URL"}
    assert known - example <= {"TEST_DATABASE_URL"}


def our_commands() -> set[str]:
    return {name for name, app in get_commands().items() if str(getattr(app, "name", app)) in OURS}


def test_every_command_is_documented() -> None:
    documented = {found[1] for found in re.finditer(r"^\| `\./run manage (\w+)", read("settings.md"), re.MULTILINE)}
    assert documented == our_commands()


@each_file()
def test_every_command_named_exists_with_its_options(path: Path) -> None:
    wrong = []
    for line in code(read(path)).replace("\\\n", " ").splitlines():
        for words in re.findall(r"(?:\./run manage|(?<!`)manage\.py) ([a-z_]+[^`|#;]*)", line):
            name, *rest = shlex.split(words, posix=False)
            if name not in get_commands():
                wrong.append(words)
                continue
            app = get_commands()[name]
            parser = (app if not isinstance(app, str) else load_command_class(app, name)).create_parser("manage.py", name)
            options = {option for action in parser._actions for option in action.option_strings}
            wrong += [f"{name} {word}" for word in rest if word.startswith("--") and word.split("=")[0] not in options]
    assert wrong == []


def test_options_in_the_table_of_commands_exist() -> None:
    for name, text in re.findall(r"^\| `\./run manage (\w+)[^|]*\|(.*)\|$", read("settings.md"), re.MULTILINE):
        app = get_commands()[name]
        parser = (app if not isinstance(app, str) else load_command_class(app, name)).create_parser("manage.py", name)
        options = {option for action in parser._actions for option in action.option_strings}
        assert set(re.findall(r"--[a-z-]+", text)) <= options, name


def test_every_schedule_is_documented() -> None:
    rows = set(
        re.findall(r"^\| ([a-z][\w -]*) \|", read("operations.md").split("## Schedules")[1].split("\n## ")[0], re.MULTILINE)
    )
    slots = {slot.name for slot in timetable()}
    assert slots - rows == set()
    assert rows - slots - {"schedule"} == set()


def test_every_role_is_documented_as_the_people_pages_say() -> None:
    rows = re.findall(r"^\| ([A-Z][a-z ]+) \| [^|]+ \| ([A-Z].+) \|$", read("roles.md"), re.MULTILINE)
    assert {words for _, words in rows} >= {words for _, words in MEANING}
    assert {label for label, _ in rows} >= {ROLE_LABELS[role] for role in ROLES if role != "anonymous"}


def test_every_status_of_a_link_is_explained() -> None:
    table = read("user-guide.md").split("| It says |")[1].split("\n\n")[0]
    unsaid = {"Up to date", "Not read yet", "No value", "Format not supported", "Run incomplete", "Filter refused"}
    assert set(re.findall(r"\*([^*|]+)\*", table)) == set(ReportLink.Status.labels) - unsaid


def test_what_salesforce_refuses_leads_to_the_state_that_the_guide_names() -> None:
    """Each row of the table is asked of the one table of meanings; codes and texts as Salesforce sends them."""
    rows = re.findall(
        r"^\| ((?:`|\").+?) \| (.+?) \|", read("admin-guide.md").split("## When Salesforce says no")[1], re.MULTILINE
    )
    states = {kind: SalesforceOrg.State(trouble.state).label for kind, trouble in TROUBLES.items()}
    checked = 0
    for says, state in rows:
        texts, codes = re.findall(r"\"([^\"]+)\"", says), re.findall(r"`([A-Za-z_]+)`", says)
        for label in re.findall(r"^\*([^*]+)\*$", state):
            given = [
                Reason(each, "") for each in codes if each != "invalid_grant" and not (texts and each == "INVALID_OPERATION")
            ]
            given += [Reason(code_of(codes, text), text) for text in texts if text not in ("invalid client credentials",)]
            for reason in given:
                rule = next(rule for rule in RULES if rule.fits(400, reason))
                assert issubclass(rule.error, AuthError), reason
                assert states[rule.error] == label, reason
                checked += 1
    assert checked > 15


def code_of(codes: list[str], text: str) -> str:
    """The code that Salesforce sends with a text for which the table names none."""
    if "INVALID_OPERATION" in codes:
        return "INVALID_OPERATION"
    return "invalid_request" if "code challenge" in text else "invalid_grant"


@each_file()
def test_documents_name_no_place_of_a_machine(path: Path) -> None:
    text = read(path)
    assert re.findall(r"(?<![\w.])/(?:home|root|Users|work|tmp|opt)/[\w/.-]*", text) == []
    ports = set(re.findall(r"(?:127\.0\.0\.1|localhost|host):(\d{2,5})", text))
    assert ports <= {"8000", "8001", "8600", "8601", "5432", "8123", "587"}


WRONG_WORDS = (
    "licence", "sync engine", "syncing engine", "organisation", "authorise", "colour", "behaviour", "centre", "cancelled out",
    "whitelist", "blacklist", "simply", "utilize", "leverage", "seamless",
)  # fmt: skip


@each_file()
def test_documents_use_the_words_of_the_table(path: Path) -> None:
    text = prose(read(path)).casefold()
    assert [word for word in WRONG_WORDS if word in text] == []


def test_every_word_of_the_table_is_used() -> None:
    everything = "\n".join(prose(read(path)) for path in FILES if path.name != "words.md").casefold()
    words = re.findall(r"^\| ([^|]+) \|", read("words.md"), re.MULTILINE)[2:]
    for row in words:
        for word in row.split(", "):
            assert word.strip().casefold() in everything, word


def test_the_index_leads_to_every_document() -> None:
    listed = {target.split("#")[0] for target in links(read("README.md"))}
    assert {path.name for path in DOCS.glob("*.md")} - {"README.md"} <= listed


def test_every_picture_shown_is_there_and_all_together_are_small() -> None:
    shown = {Path(target).name for path in FILES for target in links(read(path)) if target.endswith(".png")}
    kept = {path.name for path in (DOCS / "screenshots").glob("*.png")}
    assert shown <= kept
    assert sum(path.stat().st_size for path in (DOCS / "screenshots").glob("*.png")) < 4_000_000


def test_every_page_of_the_sidebar_has_help_that_is_there() -> None:
    for _, places in NAVIGATION:
        for place in places:
            assert any(place.path.startswith(row[0]) for row in HELP if row[0] != "/" or place.path == "/"), place.path
    for path, slug, anchor in HELP:
        assert slug in library(), path
        assert not anchor or anchor in anchors(DOCS / f"{slug}.md"), (path, anchor)


def test_the_longest_beginning_decides_about_help() -> None:
    assert help_for("/product/segments/4/") == "/docs/segments/"
    assert help_for("/") == "/docs/home/"
    assert help_for("/nowhere/") == "/docs/"


@pytest.mark.django_db
def test_documents_are_pages_with_links_between_them(client, cast) -> None:
    client.force_login(cast.marsha)
    for document in library().values():
        page = client.get(f"/docs/{document.slug}/").content.decode()
        assert document.title.split(":")[0] in page
        for target in re.findall(r'href="(/[^"#]*)', page):
            if target.startswith("/docs/"):
                assert resolve(target)
                assert target == "/docs/" or target.split("/")[2] in library(), target
    assert client.get("/docs/nothing/").status_code == 404
    assert client.get("/docs/..%2Fsettings/").status_code == 404


@pytest.mark.django_db
def test_documents_are_for_people_who_signed_in(client) -> None:
    assert client.get("/docs/").status_code == 302
    assert client.get("/docs/api/").status_code == 302


@pytest.mark.django_db
def test_a_document_is_found_by_the_search(client, cast) -> None:
    client.force_login(cast.marsha)
    groups = client.get("/search/?q=cool-down&format=json").json()["groups"]
    hits = next(group["hits"] for group in groups if group["key"] == "documents")
    assert hits[0]["url"] == "/docs/product/#tasks-for-customer-success-managers"


def test_headings_come_before_text_and_code_is_not_searched() -> None:
    found = find_sections("four-way audit", most=8)
    assert found[0][1].heading == "Four-way audit"
    assert find_sections("example-usage-1", most=8) == []


@pytest.mark.django_db
def test_help_is_one_click_from_every_page(client, cast) -> None:
    client.force_login(cast.marsha)
    page = client.get("/billing/").content.decode()
    assert 'href="/docs/billing/" aria-label="Help with this page"' in page


@each_file()
def test_every_named_file_of_the_code_exists(path: Path) -> None:
    folders = "project|integrations|okr|billing|provisioning|analytics|tests|benchmarks|templates"
    named = re.findall(rf"(?<![\w/.-])((?:{folders})/[\w./-]+\.\w+)", code(read(path)))
    assert [name for name in named if not (ROOT / name).exists()] == []
