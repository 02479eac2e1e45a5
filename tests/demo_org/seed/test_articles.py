"""The seeded help articles: believable, translated in part, and shaped and searched as Salesforce Knowledge."""

import pytest

from integrations.demo_org.seed.articles import read_texts, slug_of, to_html
from integrations.demo_org.soql.search import parse_search, run_search
from tests.demo_org.seed.conftest import NOW

ONLINE = "WHERE PublishStatus='Online' AND Language='en_US'"


@pytest.fixture
def find(org):
    def run(text: str) -> list[dict]:
        return run_search(org.store, parse_search(text), schema=org.schema_for(None), now=NOW, time_zone="UTC")

    return run


def test_there_are_enough_articles_in_every_state(rows) -> None:
    states = dict(rows("SELECT PublishStatus, COUNT(*) FROM Knowledge__kav WHERE Language = 'en_US' GROUP BY 1"))
    assert states == {"Online": 25, "Draft": 1, "Archived": 1}
    assert dict(rows("SELECT Language, COUNT(*) FROM Knowledge__kav GROUP BY 1"))["de"] == 5
    hidden = rows(
        "SELECT Title FROM Knowledge__kav WHERE PublishStatus = 'Online' AND IsVisibleInPkb = 0 AND IsVisibleInCsp = 0"
    )
    assert [title for (title,) in hidden] == ["Support: how to check a customer's plan (internal)"]


def test_ids_names_and_versions_are_those_of_salesforce(rows) -> None:
    for own, master, number, url in rows("SELECT Id, KnowledgeArticleId, ArticleNumber, UrlName FROM Knowledge__kav"):
        assert (own[:3], master[:3], len(number)) == ("ka0", "kA0", 9)
        assert url == url.strip("-")
        assert rows("SELECT Title FROM KnowledgeArticleVersion WHERE Id = ?", own) == rows(
            "SELECT Title FROM Knowledge__kav WHERE Id = ?", own
        )
        assert rows("SELECT COUNT(*) FROM KnowledgeArticle WHERE Id = ?", master) == [(1,)]
    assert not rows("SELECT UrlName FROM Knowledge__kav GROUP BY UrlName, Language HAVING COUNT(*) > 1")
    assert not rows("SELECT 1 FROM Knowledge__kav WHERE PublishStatus = 'Draft' AND FirstPublishedDate IS NOT NULL")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"FIND {{forgot}} IN ALL FIELDS RETURNING KnowledgeArticleVersion(Title {ONLINE} ORDER BY Title)",
         ["Reset your password"]),
        (f"FIND {{spam folder}} IN ALL FIELDS RETURNING KnowledgeArticleVersion(Title {ONLINE})", ["Reset your password"]),
        (f"FIND {{spam folder}} IN ALL FIELDS RETURNING Knowledge__kav(Title {ONLINE})", ["Reset your password"]),
        (f"FIND {{spam folder}} IN NAME FIELDS RETURNING Knowledge__kav(Title {ONLINE})", []),
        (f"FIND {{spam}} RETURNING Knowledge__kav(Title {ONLINE}) WITH SPELL_CORRECTION = false LIMIT 3 UPDATE VIEWSTAT",
         ["Reset your password"]),
        (f"FIND {{spam}} RETURNING Knowledge__kav(Title {ONLINE}) UPDATE TRACKING, VIEWSTAT", ["Reset your password"]),
        (f"FIND {{X\\-Signature}} RETURNING Knowledge__kav(Title {ONLINE})", ["Webhooks: retries and signatures"]),
        ("FIND {preview} RETURNING Knowledge__kav(Title WHERE PublishStatus='Draft')", ["Forecast by scenario (preview)"]),
        (f"FIND {{preview*}} IN NAME FIELDS RETURNING Knowledge__kav(Title {ONLINE})", []),
        ("FIND {Passwort} RETURNING Knowledge__kav(Title WHERE PublishStatus='Online' AND Language='de')",
         ["Passwort zurücksetzen"]),
        (f"FIND {{customer AND subscription}} RETURNING Knowledge__kav(Title {ONLINE} AND IsVisibleInPkb = true)", []),
    ],
)  # fmt: skip
def test_articles_are_found_by_words_of_title_summary_and_text(find, text, expected) -> None:
    assert [each["Title"] for each in find(text)] == expected


def test_lines_become_the_html_of_the_editor() -> None:
    assert to_html("Read **this**.\n1. `a < b`\n1. two\n# Then\n- x") == (
        "<p>Read <strong>this</strong>.</p><ol><li><code>a &lt; b</code></li><li>two</li></ol><h2>Then</h2><ul><li>x</li></ul>"
    )
    assert to_html("5 ** 2 is 25") == "<p>5 ** 2 is 25</p>"


def test_texts_are_read_by_language() -> None:
    found = read_texts("\n[en_US] A [b]\nSum\nBody\nmore\n\n[de] C\nS2\nB2")
    assert [(each.language, each.title, each.summary, each.body) for each in found] == [
        ("en_US", "A [b]", "Sum", "Body\nmore"), ("de", "C", "S2", "B2"),
    ]  # fmt: skip
    assert slug_of("Why did my forecast change?") == "Why-did-my-forecast-change"
