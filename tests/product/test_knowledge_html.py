"""Texts of articles: harmless HTML, whatever an author or an attacker wrote."""

import pytest

from integrations.product.knowledge import sanitizing
from integrations.product.knowledge.sanitizing import clean_html, text_to_html
from integrations.product.knowledge.shapes import Hit, body_fields, body_html, moment_of, rank, shorten
from integrations.salesforce.describe import FieldInfo, ObjectInfo

needs_nh3 = pytest.mark.skipif(sanitizing.nh3 is None, reason="the package nh3 is not installed here")


@pytest.mark.parametrize(
    "html",
    [
        "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "<svg onload=alert(1)><a>x</a></svg>",
        '<a href="javascript:alert(1)">x</a>', '<a href="JaVaScRiPt:alert(1)">x</a>', '<a href="data:text/html,x">x</a>',
        '<p style="background:url(//evil)" onclick="x()" class="a" id="b">x</p>', "<iframe src=//evil></iframe>",
        "<style>@import '//evil'</style>", "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        "<form action=//evil><input name=q></form>", "<base href=//evil>", "<meta http-equiv=refresh content=0>",
        "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>", "<a href='/logout'>x</a>", "<a href='//evil'>x</a>",
    ],
)  # fmt: skip
def test_s_035_nothing_in_an_article_runs_or_calls_out(html):
    clean = clean_html(html).lower()
    for bad in ("<script", "onerror=", "onload=", "onclick=", "<img", "<svg", "<iframe", "<style", "<form", "<base", "<meta",
                "href=\"javascript", "href=\"data", "style=", "class=", "id=", "href=\"/"):  # fmt: skip
        assert bad not in clean


@needs_nh3
def test_what_authors_write_stays():
    html = '<h2>How</h2><ol><li><b>One</b></li></ol><table><tr><td colspan="2">x</td></tr></table><p><a href="https://a.example/x?y=1">a</a></p>'
    clean = clean_html(html)
    for part in (
        "<h2>How</h2>",
        "<b>One</b>",
        '<td colspan="2">',
        'href="https://a.example/x?y=1"',
        'rel="noopener noreferrer nofollow"',
    ):
        assert part in clean
    assert clean_html('<a href="mailto:x@a.example">m</a>').startswith('<a href="mailto:x@a.example"')


def test_without_the_package_only_text_is_shown(monkeypatch):
    monkeypatch.setattr(sanitizing, "nh3", None)
    assert clean_html("<p>Hello <b>you</b> &lt;script&gt;</p>") == "Hello you &amp;lt;script&amp;gt;"


def test_plain_texts_become_paragraphs():
    assert text_to_html("a < b\nc\r\n\r\nd") == "<p>a &lt; b<br>c</p><p>d</p>"
    assert text_to_html("  ") == ""


def info(*fields: FieldInfo) -> ObjectInfo:
    return ObjectInfo("Knowledge__kav", "Knowledge", "ka0", False, True, True, True, True, True, True, False, fields)


BODY = FieldInfo("Answer__c", "Answer", "textarea", custom=True, html=True)
NOTE = FieldInfo("Note__c", "Note & more", "textarea", custom=True)


def test_the_body_is_what_the_org_itself_added_as_long_texts():
    others = (FieldInfo("Summary", "Summary", "textarea"), FieldInfo("Features__c", "F", "string", custom=True))
    assert body_fields(info(BODY, *others, NOTE)) == (BODY, NOTE)


@needs_nh3
def test_several_texts_carry_their_labels_and_empty_ones_are_left_out():
    record = {"Answer__c": "<p>Yes</p>", "Note__c": "two\nlines"}
    assert body_html(record, (BODY,), title="T") == "<p>Yes</p>"
    both = body_html(record, (BODY, NOTE), title="T")
    assert both == "<h3>Answer</h3><p>Yes</p><h3>Note &amp; more</h3><p>two<br>lines</p>"
    assert body_html({"Answer__c": "<p> </p>", "Note__c": None}, (BODY, NOTE), title="T") == ""
    assert body_html({"Answer__c": "<p>t</p>", "Note__c": "x"}, (BODY, NOTE), title="T") == "<p>x</p>", (
        "the title is not repeated"
    )


def test_small_things():
    assert moment_of("2026-01-31T09:00:00.000+0000") == "2026-01-31T09:00:00Z"
    assert len(shorten("word " * 200)) <= 300
    hits = [Hit("1", "", "About things", "", "", "", ""), Hit("2", "", "Reset your password", "", "", "", "")]
    assert [each.id for each in rank(hits, ["reset", "PASSWORD"])] == ["2", "1"]
