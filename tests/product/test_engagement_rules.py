"""The pure rules of engagements: text format, variables, pages, frequency and state."""

from datetime import UTC, datetime, timedelta

import pytest

from integrations.product.engagements import markup, rules, variables
from integrations.product.engagements.rules import Seen
from tests.effort import at_most

NOW = datetime(2027, 1, 2, 3, 4, tzinfo=UTC)
DAY = timedelta(days=1)
FACTS = {"user.name": "Jane [x](javascript:alert(1)) <b>", "user.email": None, "account.external_id": "a/b?c&d"}


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("Hello", [["p", "Hello"]]),
        ("a\nb\n\nc", [["p", "a", ["br"], "b"], ["p", "c"]]),
        ("**bold** and *it*", [["p", ["strong", "bold"], " and ", ["em", "it"]]]),
        ("**bold *and it***", [["p", ["strong", "bold *and it"], "*"]]),
        ("- one\n- **two**\nthree", [["ul", ["li", "one"], ["li", ["strong", "two"]]], ["p", "three"]]),
        ("[us](https://acme.example/a?b=1#c)", [["p", ["a", "https://acme.example/a?b=1#c", "us"]]]),
        ("[up](/plans) [mail](mailto:a@b.example)", [["p", ["a", "/plans", "up"], " ", ["a", "mailto:a@b.example", "mail"]]]),
        ("2 * 3 * 4", [["p", "2 * 3 * 4"]]),
        (r"\*not\* \[so\]", [["p", "*not* [so]"]]),
        ("<script>alert(1)</script>", [["p", "<script>alert(1)</script>"]]),
        ("*", [["p", "*"]]),
        ("", []),
        (" \n\n \n", []),
    ],
)
def test_px_03_the_text_format_makes_nodes(text, nodes):
    assert markup.parse(text) == nodes


@pytest.mark.parametrize(
    "address",
    ["javascript:alert(1)", "JaVaScRiPt:alert(1)", "data:text/html,x", "//evil.example", "/\\evil.example", "vbscript:x", "evil",
     "https://", "http:///x", "https://user@evil.example", " https://a.example", "https://a.example\n", "ftp://a.example", "mailto:x"],
)  # fmt: skip
def test_s_036_only_web_addresses_paths_and_mail_are_linked(address):
    assert not markup.is_address(address)
    assert not markup.links_in(markup.parse(f"[x]({address})"))


@pytest.mark.parametrize("address", ["/", "/a/b?c#d", "https://a.example", "http://a.example:80/x", "mailto:a@b.example"])
def test_s_036_usual_addresses_are_linked(address):
    assert markup.links_in(markup.parse(f"**see** [x]({address})")) == [address]


def test_s_035_html_of_the_preview_escapes_every_text():
    nodes = markup.parse('**<img src=x onerror=alert(1)>** [<b>](https://a.example/?"x=<y>)')
    html = markup.html_of(nodes)
    assert "<img" not in html
    assert "<b>" not in html
    assert "&lt;img src=x" in html
    assert markup.html_of([["script", "alert(1)"]]) == "<span>alert(1)</span>"
    assert markup.html_of([["a", "javascript:alert(1)", "x"]]) == "<span>x</span>"


def test_s_041_long_texts_and_patterns_take_no_time():
    with at_most(1):
        for text in ("*" * 50_000, "**a" * 20_000, "[" * 50_000, "[a](" * 12_000, "{{" * 25_000, "\\" * 50_000, "- " * 25_000):
            variables.names_in(text[: markup.LONGEST])
            markup.parse(text)
            markup.refused_links(text)
        assert not rules.fits("*a" * 8 + "b", "a" * 50_000)


def test_px_03_variables_are_put_into_the_finished_nodes():
    nodes = markup.parse("Hello **{{user.name}}**, see [this](https://acme.example/?id={{account.external_id}})")
    filled = markup.change_texts(nodes, lambda t: variables.fill(t, FACTS), lambda t: variables.fill_address(t, FACTS))
    assert filled == [
        ["p", "Hello ", ["strong", "Jane [x](javascript:alert(1)) <b>"], ", see ",
         ["a", "https://acme.example/?id=a%2Fb%3Fc%26d", "this"]]
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "filled"),
    [("{{user.email|you}}", "you"), ("{{ user.email | you all }}", "you all"), ("{{user.email|}}!", "!"), ("{{ user.name }}", FACTS["user.name"]),
     ("{{7*7}}", "{{7*7}}"), ("{% debug %}", "{% debug %}"), ("{0.__class__}", "{0.__class__}")],
)  # fmt: skip
def test_s_038_variables_are_looked_up_never_evaluated(text, filled):
    assert variables.fill(text, FACTS) == filled


def test_px_03_without_value_and_fallback_a_variable_is_missing():
    with pytest.raises(variables.Missing, match=r"user\.email"):
        variables.fill("Mail: {{user.email}}", FACTS)


def test_px_03_unknown_and_mistyped_variables_are_found():
    known = {"attributes": {"user": ["role"], "account": ["renewal_date"]}, "kpis": ["nps_score_30d"]}
    text = "{{user.name}} {{user.attributes.role}} {{account.attributes.renewal_date|soon}} {{account.kpi.nps_score_30d}}"
    assert variables.unknown_in([text], **known) == []
    assert variables.unknown_in(["{{user.password}} {{account.attributes.x}} {{user.password}}"], **known) == [
        "user.password",
        "account.attributes.x",
    ]
    assert variables.leftovers("{{user name}}")
    assert variables.leftovers("{{user.name}")
    assert not variables.leftovers(text)


@pytest.mark.parametrize(
    ("address", "varies"),
    [("https://{{account.website}}/x", True), ("{{account.website}}", True), ("https://a.example{{user.name}}", True), ("/{{user.name}}", True),
     ("https://a.example/{{user.name}}", False), ("https://a.example/?u={{user.name}}", False), ("/x/{{user.name}}", False), ("/x", False)],
)  # fmt: skip
def test_s_036_a_variable_never_chooses_the_host(address, varies):
    assert variables.varies_before_path(address) is varies


@pytest.mark.parametrize(
    ("value", "kind", "text"),
    [("2027-01-31T00:00:00Z", "DATE_TIME", "31 January 2027"), ("2027-01-31T14:05:00+01:00", "DATE_TIME", "31 January 2027, 13:05 UTC"),
     ("soon", "DATE_TIME", "soon"), ("1234567.50", "NUMBER", "1,234,567.5"), ("42", "NUMBER", "42"), (0, "NUMBER", "0"), (True, "BOOLEAN", "yes"),
     ("false", "BOOLEAN", "no"), ("", "STRING", None), (None, "NUMBER", None), ("Acme", "STRING", "Acme")],
)  # fmt: skip
def test_px_d10_values_are_written_for_people(value, kind, text):
    assert variables.shown(value, kind) == text


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [("", "https://a.example/x", True), ("/billing/*", "https://a.example/billing/plans?x=1", True), ("/billing/*", "https://a.example/x/billing/", False),
     ("/", "https://a.example", True), ("/", "https://a.example/x", False), ("/Billing", "https://a.example/billing", False),
     ("a.example/*", "https://A.example/x#y", True), ("A.Example/x", "http://a.example/x", True), ("https://a.example/*", "http://a.example/x", False),
     ("*.a.example/*", "https://app.a.example/x", True), ("*.a.example/*", "https://evil.example/?.a.example/", False),
     ("/x?tab=2", "https://a.example/x?tab=2", True), ("/x?tab=2", "https://a.example/x", False), ("*plans*", "https://a.example/my-plans/1", True),
     ("/a*a", "https://x.example/a", False), ("/a*a", "https://x.example/aa", True), ("/x", "", False), ("", "", True), ("/x", "http://[bad", False)],
)  # fmt: skip
def test_px_03_pages_fit_patterns(pattern, url, fits):
    assert rules.url_matches(pattern, url) is fits


def seen(days: float, **more) -> Seen:
    return Seen(shown_at=NOW - 100 * DAY, last_shown_at=NOW - days * DAY, **more)


@pytest.mark.parametrize(
    ("frequency", "past", "due"),
    [
        ("once", None, True), ("once", Seen(), True), ("once", seen(50), False),
        ("until_closed", seen(0), True), ("until_closed", seen(0, clicked_at=NOW), False), ("until_closed", seen(0, dismissed_at=NOW), False),
        ("until_closed", seen(0, answered_at=NOW), False),
        ("daily", seen(0.99), False), ("daily", seen(1), True), ("daily", seen(2, dismissed_at=NOW), True), ("daily", seen(2, clicked_at=NOW), False),
        ("weekly", seen(6.99), False), ("weekly", seen(7), True), ("weekly", seen(8, answered_at=NOW), False),
        ("quarterly", seen(89), False), ("quarterly", seen(90, answered_at=NOW), True), ("quarterly", seen(90, dismissed_at=NOW), True),
    ],
)  # fmt: skip
def test_px_03_how_often_somebody_sees_it(frequency, past, due):
    assert rules.is_due(frequency, past, now=NOW) is due


@pytest.mark.parametrize(
    ("state", "starts", "ends", "shown"),
    [("draft", None, None, "draft"), ("live", None, None, "live"), ("live", NOW, None, "live"), ("live", NOW + DAY, None, "scheduled"),
     ("live", None, NOW, "ended"), ("live", None, NOW + DAY, "live"), ("paused", None, NOW, "ended"), ("paused", NOW + DAY, None, "paused"),
     ("draft", None, NOW, "draft"), ("ended", None, None, "ended")],
)  # fmt: skip
def test_px_03_state_as_people_read_it(state, starts, ends, shown):
    assert rules.state_now(state, starts, ends, now=NOW) == shown
