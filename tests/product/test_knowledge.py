"""PX-66: Salesforce Knowledge articles are searched and viewed, against a real (demo) org over HTTP."""

from datetime import timedelta

import pytest
from django.core.cache import cache
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import AuditEntry, SalesforceOrg
from integrations.orgs import posture
from integrations.orgs.connect import client_for
from integrations.product.knowledge import reading, sources
from integrations.product.knowledge.reading import Unavailable, read_one, search_articles
from integrations.product.models import KnowledgeBase
from integrations.salesforce import rest
from integrations.salesforce.errors import NotFound
from tests.product.test_knowledge_html import needs_nh3

pytestmark = pytest.mark.django_db
Channel = KnowledgeBase.Channel


@pytest.fixture(autouse=True)
def _fresh_cache() -> None:
    cache.clear()


@pytest.fixture
def find(connected_org, now):
    def run(text: str, **more) -> list[str]:
        return [each.title for each in search_articles(connected_org, text, now=more.pop("now", now), **more).hits]

    return run


@pytest.fixture
def show(connected_org, now):
    def run(article_id: str, **more):
        return read_one(connected_org, article_id, now=more.pop("now", now), **more)

    return run


@pytest.fixture
def write(connected_org):
    """An author publishes an article; gives the id of its version."""

    def run(**values) -> str:
        with client_for(connected_org, domain="test") as client:
            return rest.create_record(client, "Knowledge__kav", {"PublishStatus": "Online", "Language": "en_US", "IsVisibleInPkb": True,
                                                                 "IsVisibleInApp": True, **values}).id  # fmt: skip

    return run


def choose(org: SalesforceOrg, **changes) -> None:
    sources.save_base(org, {"enabled": True, "channel": Channel.PUBLIC, **changes}, user=None, now=timezone.now())


def test_px_66_articles_are_found_by_their_words(find):
    assert find("spam folder") == ["Reset your password"]
    assert find("how do I RESET my password?")[0] == "Reset your password"
    assert find("passw") == find("password"), "the last word may be the beginning of one"
    assert find("firewall")
    assert "Use the connector for data warehouses" in find("warehouse zzzz"), "any word, where no article holds all"
    assert find("zzzzz") == []


@needs_nh3
def test_px_66_an_article_is_shown_with_its_text(find, show, connected_org, now):
    hit = search_articles(connected_org, "password", now=now).hits[0]
    assert (hit.id[:3], len(hit.id), hit.number, hit.url_name) == ("kA0", 18, "000000002", "Reset-your-password")
    assert hit.published_at.endswith("Z")
    article = show(hit.id).article
    assert article.title == "Reset your password"
    assert "<strong>Forgot password?</strong>" in article.html
    assert "<li>" in article.html
    assert (article.id, article.version_id[:3], article.language) == (hit.id, "ka0", "en_US")
    assert show(hit.id[:15]).article == article, "15 characters mean the same"
    assert show(article.version_id).article == article


def test_without_words_the_newest_come_first_and_only_so_many(connected_org, now):
    hits = search_articles(connected_org, " ", limit=5, now=now).hits
    assert len(hits) == 5
    assert [each.published_at for each in hits] == sorted((each.published_at for each in hits), reverse=True)
    assert search_articles(connected_org, "? !", now=now).hits == [], "nothing that could be searched"


@needs_nh3
@pytest.mark.parametrize(("change", "seen"), [
    ({}, True), ({"PublishStatus": "Draft"}, False), ({"PublishStatus": "Archived"}, False), ({"IsVisibleInPkb": False}, False),
    ({"Language": "de"}, False),
])  # fmt: skip
def test_only_what_is_published_for_the_channel_and_language_is_found_and_shown(find, show, write, change, seen):
    version = write(Title="Quokka", UrlName="quokka", Answer__c="<p>Marsupial</p>", **change)
    assert find("quokka") == (["Quokka"] if seen else [])
    if seen:
        assert show(version).article.html == "<p>Marsupial</p>"
    else:
        with pytest.raises(NotFound):
            show(version)


@pytest.mark.parametrize("sign", "?&|!{}[]()^~*:\\\"'+-")
def test_s_030_reserved_characters_are_searched_literally(find, sign):
    assert "Reset your password" not in find(f"zz{sign}zz")
    find(f"x{sign}}} RETURNING User(Id) {sign}")
    find(f"password' OR Title LIKE '%{sign}")


def test_translations_are_searched_and_shown_with_the_usual_language_behind_them(find, show, connected_org, now):
    assert find("Passwort", language="de") == ["Passwort zurücksetzen"]
    assert find("passe", language="fr-FR") == ["Réinitialiser votre mot de passe"]
    hit = search_articles(connected_org, "password", now=now).hits[0]
    assert show(hit.id, language="de").article.title == "Passwort zurücksetzen"
    plain = search_articles(connected_org, "dashboard drag", now=now).hits[0]
    assert show(plain.id, language="de").article.language == "en_US"
    with pytest.raises(Refusal) as refused:
        find("x1", language="tlh")
    assert refused.value.code == "language"
    assert "known: en_US, de" in refused.value.message


def test_the_channel_decides_and_visitors_never_see_what_is_for_staff(find, connected_org):
    assert find("Subscription seats") == []
    choose(connected_org, channel=Channel.STAFF)
    assert find("Subscription seats") == ["Support: how to check a customer's plan (internal)"]
    with pytest.raises(Refusal) as refused:
        find("Subscription seats", visitor=True)
    assert refused.value.code == "channel"
    choose(connected_org, channel=Channel.CUSTOMERS)
    assert find("one-off strike", visitor=True) == ["Exclude one-off events from history"]


def test_answers_are_kept_for_minutes(find, show, connected_org, demo_org, now):
    find("password")
    demo_org.forget_calls()
    find("password")
    assert demo_org.calls("/search") == []
    find("password", now=now + reading.FRESH)
    assert len(demo_org.calls("/search")) == 1


def test_i_21_when_salesforce_is_away_the_last_answer_stays_with_its_age(connected_org, demo_org, now):
    first = search_articles(connected_org, "password", now=now)
    article = read_one(connected_org, first.hits[0].id, now=now).article
    demo_org.fault(path="/services/data/", times=50, status=503, body=[])
    later = now + timedelta(hours=2)
    found = search_articles(connected_org, "password", now=later)
    assert (found.hits, found.stale_since) == (first.hits, now)
    read = read_one(connected_org, article.id, now=later)
    assert (read.article, read.stale_since) == (article, now)
    with pytest.raises(Unavailable) as refused:
        search_articles(connected_org, "dashboard", now=later)
    assert refused.value.status == 503


def test_an_org_without_knowledge_says_so_and_is_not_asked_each_time(find, connected_org, demo_org):
    demo_org.settings(hidden_objects=["Knowledge__kav", "KnowledgeArticleVersion"])
    with pytest.raises(Refusal) as refused:
        find("password")
    assert refused.value.code == "no_knowledge"
    assert "Turn on Knowledge in Setup" in refused.value.message
    demo_org.forget_calls()
    with pytest.raises(Refusal):
        find("password")
    assert demo_org.calls("/services/data/") == []
    demo_org.settings(hidden_objects=[])
    with client_for(connected_org, domain="test") as client:
        sources.open_source(client, connected_org, fresh=True)
    assert find("password")


def test_a_channel_that_the_user_cannot_see_shows_nothing(find, demo_org):
    """Field-level security hides the flag: better nothing than articles for staff."""
    demo_org.settings(hidden_fields={"Knowledge__kav": ["IsVisibleInPkb"], "KnowledgeArticleVersion": ["IsVisibleInPkb"]})
    with pytest.raises(Refusal) as refused:
        find("password")
    assert refused.value.code == "channel_hidden"


def test_orgs_with_the_older_knowledge_are_read_through_the_common_object(find, show, connected_org, demo_org, now):
    """Before Lightning Knowledge each kind of article is an object of its own, named by ArticleType."""
    demo_org.fault(path="/sobjects/Knowledge__kav/describe", times=1, status=404, body=[
        {"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"},
    ])  # fmt: skip
    demo_org.forget_calls()
    hit = search_articles(connected_org, "password", now=now).hits[0]
    assert len(demo_org.calls("/search")) == 1
    assert hit.title == "Reset your password"
    demo_org.fault(path="/sobjects/Knowledge__kav/describe", times=1, status=404, body=[
        {"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"},
    ])  # fmt: skip
    with client_for(connected_org, domain="test") as client:
        source = sources.open_source(client, connected_org)
        assert source.search == "KnowledgeArticleVersion"
        demo_org.no_faults()
        assert "Forgot password?" in reading._read(client, source, hit.id).html


@pytest.mark.parametrize(
    "article_id", ["", "1", "001000000000001AAA", "kA0", "kA0000000000001!!!", "../../x", "kA0ffffffffffff"]
)
def test_ids_that_are_none_are_not_asked_for(show, demo_org, article_id):
    demo_org.forget_calls()
    with pytest.raises(NotFound):
        show(article_id)
    assert all("kA0ffffffffffff" in article_id for _ in demo_org.calls("/query"))


def test_visitors_cannot_use_up_the_allowance(find, monkeypatch, now):
    monkeypatch.setattr(reading, "VISITORS_AN_HOUR", 2)
    find("password", visitor=True)
    find("password", visitor=True)
    find("dashboard", visitor=True)
    with pytest.raises(Unavailable) as refused:
        find("forecast", visitor=True)
    assert refused.value.code == "busy"
    assert find("password", visitor=True), "what is kept costs nothing"
    assert find("forecast"), "our own people may go on"
    assert find("forecast", visitor=True, now=now + timedelta(hours=1))


def test_the_connection_that_somebody_chose_comes_first(connected_org, now):
    other = SalesforceOrg.objects.create(name="Aaa", state="connected", login_url="https://login.salesforce.com")
    assert sources.choose_org() == other
    choose(connected_org)
    assert sources.choose_org() == connected_org
    sources.save_base(connected_org, {"enabled": False}, user=None, now=now)
    assert sources.choose_org() == other
    with pytest.raises(Refusal):
        sources.choose_org(connected_org.pk)
    other.delete()
    with pytest.raises(Refusal) as refused:
        sources.choose_org()
    assert refused.value.code == "no_source"


def test_choices_are_checked_and_in_the_audit(connected_org, cast, now):
    with pytest.raises(Refusal):
        sources.save_base(connected_org, {"channel": "Everybody"}, user=cast.olga, now=now)
    with pytest.raises(Refusal):
        sources.save_base(connected_org, {"language": "<b>"}, user=cast.olga, now=now)
    sources.save_base(connected_org, {"enabled": True, "language": "de"}, user=cast.olga, now=now)
    entry = AuditEntry.objects.get(action="knowledge.changed")
    assert (entry.actor, entry.after["language"]) == (cast.olga, "de")
    sources.save_base(connected_org, {"enabled": True, "language": "de"}, user=cast.olga, now=now)
    assert AuditEntry.objects.filter(action="knowledge.changed").count() == 1


def test_the_access_check_looks_for_articles_where_somebody_wants_them(connected_org, demo_org, now):
    def labels() -> dict[str, bool | None]:
        return {each.label: each.ok for each in posture.check_access(connected_org, now=now)}

    assert "Read Knowledge__kav" not in labels()
    choose(connected_org)
    assert labels()["Read Knowledge__kav"] is True
    demo_org.settings(hidden_objects=["Knowledge__kav"])
    assert labels()["Read Knowledge__kav"] is False
