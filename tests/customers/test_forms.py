"""Normal forms: what equals what, and that SQL and Python agree on it (PX-D5, PX-D6, R-051, R-101)."""

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from integrations.lake.engine import open_engine
from integrations.salesforce.ids import checksum_of, to_18
from integrations.sync.matching import forms_in_sql
from integrations.sync.matching.domains import built_in_providers, host_of_website, read_providers, registrable_domain
from integrations.sync.matching.forms import FORMS
from integrations.sync.matching.keys import KeyColumn, key_batches

LONG = to_18("001Ab0000012345")

SAME = [
    ("id", "001Ab0000012345", LONG),
    ("id", LONG.lower(), LONG),
    ("id", f" {LONG} ", LONG),
    ("name", " ACME  Ltd.\t", "acme ltd."),
    ("name", "ＡＣＭＥ", "acme"),
    ("name", "Straße GmbH", "STRASSE gmbh"),
    ("name", "Cafe\u0301", "café"),
    ("name", "Acme\u200b\u00a0Corp", "acme corp"),
    ("email", " Jo@ACME.example ", "jo@acme.example"),
    ("email", "jo@münchen.example", "jo@xn--mnchen-3ya.example"),
    ("phone", "+1 (415) 555-0100 x12", "+14155550100"),
    ("phone", "tel:+49-30-12345;ext=9", "+49 30 12345"),
    ("phone", "030/12345 Durchwahl 7", "03012345"),
    ("phone", "(+49) 30 1", "+49301"),
    ("phone", "٠١٢٣", "0123"),
    ("text", " AbC ", "AbC"),
    ("text", "e\u0301", "é"),
    ("folded_text", "ABC", "abc"),
    ("whole", "007", "7"),
    ("whole", "7.000", "7"),
    ("whole", "7e0", "+7"),
    ("whole", "-0", "0"),
    ("website", "https://www.Acme.example:8443/a?b#c", "acme.example"),
    ("website", "http://user:secret@acme.example/", "acme.example"),
    ("website", "acme.example.", "ACME.EXAMPLE"),
    ("website", "münchen.example", "xn--mnchen-3ya.example"),
    ("website", "https://https://acme.example", "acme.example"),
    ("website", "info@acme.example", "acme.example"),
    ("website", "acme.example, acme.test", "acme.example"),
    ("registrable_website", "https://app.eu.acme.co.uk/x", "acme.co.uk"),
    ("email_domain", "Jo@WWW.Acme.example", "x@acme.example"),
    ("registrable_email_domain", "jo@mail.acme.co.uk", "x@acme.co.uk"),
]  # fmt: skip
DIFFERENT = [
    ("id", "001Ab0000012345", "001AB0000012345"),
    ("name", "Acme", "Acme Ltd"),
    ("email", "jo@acme.example", "jo@app.acme.example"),
    ("phone", "+49 30 1", "0049 30 1"),
    ("text", "AbC", "abc"),
    ("text", "007", "7"),
    ("whole", "7", "8"),
    ("website", "app.acme.example", "acme.example"),
    ("registrable_website", "one.co.uk", "two.co.uk"),
]
NOTHING = [
    *((form, value) for form in FORMS for value in (None, "", "  ", "\t\u00a0")),
    ("id", "001Ab000001234"), ("id", LONG[:-1] + ("A" if LONG[-1] != "A" else "B")), ("id", "not an id at all"),
    ("email", "nobody"), ("email", "@acme.example"), ("email", "a b@acme.example"), ("email", "jo@localhost"),
    ("phone", "n/a"), ("phone", "+"), ("whole", "7.5"), ("whole", "12abc"), ("whole", "nan"), ("whole", "1e99"),
    ("website", "n/a"), ("website", "localhost"), ("website", "10.0.0.1"), ("website", "http://[::1]/"), ("website", "a..b"),
    ("website", "javascript:alert(1)"), ("registrable_website", "co.uk"), ("email_domain", "nobody"),
]  # fmt: skip


@pytest.mark.parametrize(("form", "left", "right"), SAME)
def test_px_d5_and_d6_equal_values_have_one_form(form, left, right):
    assert FORMS[form](left) == FORMS[form](right) is not None


@pytest.mark.parametrize(("form", "left", "right"), DIFFERENT)
def test_px_d5_and_d6_different_values_stay_apart(form, left, right):
    assert FORMS[form](left) != FORMS[form](right)


@pytest.mark.parametrize(("form", "value"), NOTHING)
def test_px_d5_empty_and_unusable_values_match_nothing(form, value):
    assert FORMS[form](value) is None


def test_r_051_both_forms_of_an_id_are_one_and_15_characters_depend_on_case():
    assert FORMS["id"](LONG[:15]) == LONG
    assert FORMS["id"](LONG[:15].swapcase()) != LONG
    assert FORMS["id"](LONG.upper()) == LONG


@pytest.mark.parametrize(
    ("host", "registered"),
    [("a.b.acme.com", "acme.com"), ("acme.com", "acme.com"), ("com", None), ("acme.co.jp", "acme.co.jp"), ("co.jp", None),
     ("city.kobe.jp", "city.kobe.jp"), ("a.b.kobe.jp", "a.b.kobe.jp"), ("me.github.io", "me.github.io"), (None, None)],
)  # fmt: skip
def test_px_d6_registrable_domains_follow_the_public_suffix_list(host, registered):
    assert registrable_domain(host) == registered


def test_px_d7_the_stop_list_is_built_in_and_editable():
    assert {"gmail.com", "web.de", "qq.com", "yahoo.co.uk"} <= read_providers(None) == built_in_providers()
    assert read_providers([" @GMX.de ", "https://www.mail.example/", ""]) == {"gmx.de", "mail.example"}
    assert read_providers([]) == frozenset()


@given(st.text(max_size=40))
@example("http://\u2260/")
@settings(max_examples=300, deadline=None)
def test_r_101_forms_are_stable_and_never_fail(text):
    for name, form in FORMS.items():
        once = form(text)
        if once is not None:
            assert once.strip() == once != ""
            if "domain" not in name:  # the form of an address is a host, which is no address
                assert form(once) == once, name


PIECES = st.sampled_from(
    ["https://", "HTTP://", "www.", "WWW.", "acme", "Ünï", "İ", "ß", "-", "--", ".", "..", "@", ":", ":80", "/", "?", "#", " ",
     "  ", "\t", "\u00a0", "+", "0", "49", "007", "x12", " ext 5", "A", "z", "_", "com", "co.uk", "example", "001Ab0000012345",
     "\u212a", "’", '"', "'", "\\", "\n", "(", ")", ";", "1e3", "-5", "5.0"]
)  # fmt: skip
WEBS = st.builds(
    "{}{}{}.{}{}".format, st.sampled_from(["", "http://", "https://www.", "www."]), st.sampled_from(["", "a-b.", "App."]),
    st.sampled_from(["acme", "ACME1", "x-y"]), st.sampled_from(["com", "co.uk", "c0m"]), st.sampled_from(["", "/", ".", "/x y", ":80"]),
)  # fmt: skip
MAILS = st.builds(
    "{}@{}".format, st.sampled_from(["jo", "J.O+x", "ü", "a b"]), st.sampled_from(["acme.com", "WWW.a.de", "x", "é.fr"])
)
BODIES = st.text("abcXYZ0123456789", min_size=15, max_size=15)
IDS = st.one_of(
    BODIES, BODIES.map(lambda body: body + checksum_of(body)), BODIES.map(lambda body: (body + checksum_of(body)).lower())
)
VALUES = st.one_of(
    st.none(), st.lists(PIECES, max_size=6).map("".join), WEBS, MAILS, IDS, st.integers().map(str), st.text(max_size=12)
)


@given(st.lists(VALUES, min_size=50, max_size=150))
@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_px_d5_sql_and_python_agree(values):
    """In one engine for all examples of a run; ClickHouse's has its own test below, because it starts slowly."""
    assert_agreement(values)


def test_px_d5_clickhouse_and_python_agree(engine_name):
    texts = [value for _, left, right in [*SAME, *DIFFERENT] for value in (left, right)] + [value for _, value in NOTHING]
    assert_agreement(texts + [f"{text}x" for text in texts if text])


def assert_agreement(values):
    rows = pa.table({"place": pa.array(range(len(values)), pa.int64()), "value": pa.array(values, pa.string())})
    with open_engine() as engine:
        engine.bind("given", rows)
        columns = [KeyColumn(form, "value", form) for form in FORMS]
        for batch in key_batches(engine, "given", ["place"], columns):
            places = batch.column("place").to_pylist()
            for form in FORMS:
                for place, got in zip(places, batch.column(form).to_pylist(), strict=True):
                    assert got == FORMS[form](values[place]), (form, values[place])


@pytest.mark.parametrize(
    ("form", "value"),
    [("website", "https://www.acme-2.co.uk/x"), ("name", "Acme  Ltd"), ("email", "Jo.Doe@acme.com"), ("phone", "+1 (415) 555"),
     ("id", LONG), ("id", LONG[:15]), ("whole", "42"), ("email_domain", "jo@acme.com"), ("text", "A-1")],
)  # fmt: skip
def test_usual_values_are_normalized_by_the_engine_itself(form, value):
    with open_engine() as engine:
        engine.bind("given", pa.table({"value": pa.array([value])}))
        ready = f"SELECT value, {forms_in_sql.ready(form, 'value')} AS ready FROM given"
        pieces = f"SELECT *, {forms_in_sql.piece(form, 'ready')} AS piece FROM ({ready})"
        found = engine.rows(f"SELECT {forms_in_sql.plain(form, 'value', 'ready', 'piece')} FROM ({pieces})")
        assert found == [(FORMS[form](value),)]


def test_px_d6_ports_paths_and_users_never_reach_the_host():
    assert host_of_website("ftp://u:p@WWW.Acme.example:21/pub;type=a") == "acme.example"
    assert host_of_website("//acme.example?next=http://other.example") == "acme.example"
