"""Pages of engagements: list, editor, preview, one engagement, states, CSV, templates, the demo product."""

import json
import re

import pytest

from integrations.models import AuditEntry, EndUser
from integrations.product.engagements import demo_product, demonstration, queries
from integrations.product.ingest import write_keys
from integrations.product.models import Engagement, Segment, WriteKey
from tests.pages.test_rules import Markup
from tests.product.engagement_world import DAY, NOW, act, make_engagement, make_key, make_people, make_segment, send

pytestmark = pytest.mark.django_db
FORM = {"kind": "message", "name": "News", "title": "Hello {{user.first_name|there}}", "frequency": "once", "priority": "3"}


@pytest.fixture
def people(db) -> dict[str, EndUser]:
    return make_people()


def read(client, path: str, *, status: int = 200) -> str:
    answer = client.get(path)
    assert answer.status_code == status, answer.content[:500]
    text = answer.content.decode() if not answer.streaming else b"".join(answer.streaming_content).decode()
    if path.endswith("/"):
        assert Markup(text).inline == []
    return text


def test_px_03_an_operator_writes_starts_pauses_and_ends_one(client, cast, people):
    client.force_login(cast.olga)
    segment = make_segment()
    assert "Say something to your users" in read(client, "/product/engagements/")
    form = FORM | {"segment": segment.pk, "body": "Look **here**", "starts_at": "2027-01-31T08:00", "form_token": "t1"}
    answer = client.post("/product/engagements/new/", form)
    made = Engagement.objects.get()
    assert answer["Location"] == f"/product/engagements/{made.pk}/"
    assert (made.segment, made.priority, made.starts_at.isoformat(), made.created_by) == (
        segment, 3, "2027-01-31T08:00:00+00:00", cast.olga,
    )  # fmt: skip
    client.post("/product/engagements/new/", form)
    assert Engagement.objects.count() == 1, "a double click makes one"
    assert "Nobody yet: it is a draft." in read(client, f"/product/engagements/{made.pk}/")
    for state, shown in (("live", "Scheduled"), ("paused", "Paused"), ("live", "Scheduled"), ("ended", "Ended")):
        client.post(f"/product/engagements/{made.pk}/state/", {"state": state})
        assert shown in read(client, f"/product/engagements/{made.pk}/")
    made.refresh_from_db()
    assert made.state == "ended"
    client.post(f"/product/engagements/{made.pk}/state/", {"state": "live"})
    assert "copy it to show it again" in read(client, f"/product/engagements/{made.pk}/")
    actions = set(AuditEntry.objects.filter(actor=cast.olga).values_list("action", flat=True))
    assert {"engagement.created", "engagement.live", "engagement.paused", "engagement.ended"} <= actions


def test_px_03_the_editor_names_every_field_that_does_not_fit(client, cast, people):
    client.force_login(cast.olga)
    bad = FORM | {
        "title": "Hi {{user.password}}", "body": "[x](javascript:void)", "button_url": "https://{{account.website}}/",
        "starts_at": "2027-02-01T00:00", "ends_at": "2027-01-01T00:00", "url_match": "/a b",
    }  # fmt: skip
    answer = client.post("/product/engagements/new/", bad)
    text = answer.content.decode()
    assert answer.status_code == 400
    for sentence in (
        "There is no variable user.password", "javascript:void cannot be linked", "A button needs both a label and an address",
        "A variable may stand after the host", "Must be after the start", "Must not contain spaces",
    ):  # fmt: skip
        assert sentence in text, sentence
    assert not Engagement.objects.exists()
    make_engagement(name="News")
    assert "Another engagement has this name" in client.post("/product/engagements/new/", FORM).content.decode()


def test_px_03_editing_keeps_what_was_there_and_copies_are_drafts(client, cast, people):
    client.force_login(cast.olga)
    made = make_engagement(segment=make_segment(), body="One\n\nTwo", ends_at=NOW + DAY)
    page = read(client, f"/product/engagements/{made.pk}/edit/")
    assert f'<option value="{made.segment_id}" selected>' in page
    assert "One\n\nTwo" in page
    assert "{{account.attributes.renewal_date}}" in page, "the variables stand beside the form"
    values = FORM | {"name": made.name, "body": "Three", "segment": "", "ends_at": ""}
    client.post(f"/product/engagements/{made.pk}/edit/", values)
    made.refresh_from_db()
    assert (made.body, made.segment, made.ends_at, made.state) == ("Three", None, None, "live")
    client.post(f"/product/engagements/{made.pk}/copy/")
    copy = Engagement.objects.exclude(pk=made.pk).get()
    assert (copy.name, copy.body, copy.state) == (f"{made.name} (2)", "Three", "draft")
    client.post(f"/product/engagements/{copy.pk}/delete/")
    client.post(f"/product/engagements/{made.pk}/delete/")
    assert list(Engagement.objects.all()) == [made], "a draft can go, one that was live cannot"


def test_px_03_the_preview_follows_the_form_and_escapes(client, cast, people):
    client.force_login(cast.olga)
    sent = {
        "kind": "nps",
        "title": "<img src=x> {{account.name}}",
        "body": "**{{account.attributes.renewal_date}}**",
        "priority": "x",
    }
    text = client.post("/product/engagements/preview/", sent).content.decode()
    assert "&lt;img src=x&gt; Acme Ltd" in text
    assert "<strong>31 January 2027</strong>" in text
    assert "<span>10</span>" in text
    assert not Engagement.objects.exists()


def test_px_03_who_saw_it_is_counted_listed_filtered_and_downloaded(client, cast, people):
    key, made = make_key(), make_engagement(title="{{user.name|you}}", name="=News")
    send(client, key, act(1, made, "jane", "shown"), act(2, made, "jim", "shown"), act(3, made, "jane", "clicked"))
    client.force_login(cast.olga)
    page = read(client, f"/product/engagements/{made.pk}/")
    assert re.search(r"<dt>Shown to</dt><dd>2</dd>", page)
    assert re.search(r"<dt>Clicked</dt><dd>1 <span class=\"stat-note\">50%</span>", page)
    assert "whoever knows a user id could read this message" in page, "a key without signatures and personal text"
    assert "Jim Roe" not in read(client, f"/product/engagements/{made.pk}/?action=clicked")
    lines = read(client, f"/product/engagements/{made.pk}/people.csv?sort=person").splitlines()
    assert [line.split(",")[:3] for line in lines] == [
        ["user", "name", "customer"], ["jane", "Jane Doe", "acme"], ["jim", "Jim Roe", "acme"],
    ]  # fmt: skip
    assert "'=News,message" in read(client, "/product/engagements/export.csv"), "no cell is a formula (S-034)"
    client.force_login(cast.ana)
    assert "J. D." in read(client, f"/product/engagements/{made.pk}/")
    assert "Jane Doe" not in read(client, f"/product/engagements/{made.pk}/people.csv"), "analysts see no names (S-115)"
    assert AuditEntry.objects.filter(action="export.engagement_views", actor=cast.ana).exists()


def test_px_34_figures_by_a_salesforce_attribute_of_the_customer(client, cast, people):
    key, made = make_key(), make_engagement()
    seen = [act(number, made, user, "shown") for number, user in enumerate(("jane", "jim", "ola", "stranger"))]
    send(client, key, *seen, act(9, made, "jim", "clicked"))
    client.force_login(cast.ana)
    page = read(client, f"/product/engagements/{made.pk}/?by=industry")
    assert re.findall(r'<td class="wrap">(.*?)</td><td class="num">(\d+)</td><td class="num">(\d+)', page) == [
        ("Retail", "2", "1"), ("Energy", "1", "0"), ("–", "1", "0"),
    ]  # fmt: skip
    assert '<td class="wrap">' not in read(client, f"/product/engagements/{made.pk}/?by=no'such")
    answer = client.get(f"/api/v1/engagements/{made.pk}/slice/?by=renewal_date").json()
    assert [(each["shown"], each["clicked"]) for each in answer["results"]] == [(2, 1), (1, 0), (1, 0)]
    assert re.fullmatch(r"\d+ \w+ \d{4}", answer["results"][0]["value"])
    assert client.get(f"/api/v1/engagements/{made.pk}/slice/?by=x").status_code == 400


def test_px_03_the_list_is_filtered_by_the_state_as_it_is_now(client, cast, people):
    make_engagement(name="Now")
    make_engagement(name="Later", starts_at=NOW + DAY)
    over = make_engagement(name="Over", ends_at=NOW + DAY)
    Engagement.objects.filter(pk=over.pk).update(ends_at=NOW - DAY)
    make_engagement(name="Draft one", live=False, kind="nps")
    client.force_login(cast.ana)
    for state, name in (("live", "Now"), ("scheduled", "Later"), ("ended", "Over"), ("draft", "Draft one")):
        page = read(client, f"/product/engagements/?state={state}")
        assert [each for each in ("Now", "Later", "Over", "Draft one") if f">{each}</a>" in page] == [name]
    assert ">Draft one</a>" in read(client, "/product/engagements/?kind=nps&q=draft&sort=-shown")
    assert "No engagement matches" in read(client, "/product/engagements/?q=nothing")
    assert "Begin with a template" not in read(client, "/product/engagements/"), "analysts read"


def test_s_035_names_from_outside_are_text(client, cast, people):
    nasty = "<img src=x onerror=alert(1)>\"'</script>"
    Segment.objects.create(name=nasty, entity="customer", conditions={"all": []})
    EndUser.objects.filter(external_id="jane").update(name=nasty)
    key = make_key()
    made = make_engagement(name=nasty, title=nasty, body=nasty, segment=Segment.objects.get())
    send(client, key, act(1, made, "jane", "shown"))
    client.force_login(cast.ada)
    for path in ("", f"{made.pk}/", f"{made.pk}/edit/"):
        assert "<img src=x" not in read(client, f"/product/engagements/{path}")


def test_px_40_a_template_is_one_click_away(client, cast, people):
    client.force_login(cast.olga)
    answer = client.post("/product/engagements/from-template/", {"template": "renewal_90_days"})
    made = Engagement.objects.get()
    assert answer["Location"] == f"/product/engagements/{made.pk}/edit/"
    assert "Renewal within 90 days" in read(client, f"/product/engagements/{made.pk}/edit/")
    client.post("/product/engagements/from-template/", {"template": "no such"})
    assert "There is no template" in read(client, "/product/engagements/")


def test_the_demo_product_is_for_demonstrations_only(client, cast, people, settings):
    client.force_login(cast.olga)
    assert client.get("/product/demo/").status_code == 404
    assert client.post("/product/demo/open/").status_code == 404
    settings.DEMO_MODE = True
    assert "is not open yet" in read(client, "/product/demo/")
    assert not WriteKey.objects.exists(), "a GET changes nothing (S-059)"
    client.post("/product/demo/open/")
    client.post("/product/demo/open/")
    key = WriteKey.objects.get()
    page = read(client, "/product/demo/?as=jane")
    who = json.loads(re.search(r'<script id="identity" type="application/json">(.*?)</script>', page)[1])
    assert (who["user"], who["account"], who["name"]) == ("jane", "acme", "Jane Doe")
    assert write_keys.may_speak_for(key, "jane", "acme", who["signature"])
    assert not write_keys.may_speak_for(key, "jim", "acme", who["signature"])
    assert client.get("/product/demo/?as=nobody").status_code == 404
    assert client.get("/product/demo/nothing/").status_code == 404
    for section in demo_product.SECTIONS:
        assert 'data-key="cwk_' in read(client, f"/product/demo/{section}/")


def test_the_back_office_shows_and_stops_but_never_edits(client, cast, people):
    made = make_engagement(name="Shown there", segment=make_segment())
    client.force_login(cast.ada)
    assert "Shown there" in client.get("/admin/product/engagement/").content.decode()
    assert client.get("/admin/product/engagementview/").status_code == 200
    assert client.get(f"/admin/product/engagement/{made.pk}/change/").status_code == 200
    client.post("/admin/product/engagement/", {"action": "pause", "_selected_action": [made.pk]})
    made.refresh_from_db()
    assert made.state == "paused"
    client.post(f"/admin/product/engagement/{made.pk}/change/", {"title": "Changed"})
    made.refresh_from_db()
    assert made.title == "News"


def test_a_demonstration_has_people_who_saw_messages_and_an_open_demo_product(cast, people):
    made = make_engagement(segment=make_segment(entity="end_user", field="name", op="is_not_blank"), frequency="weekly")
    EndUser.objects.bulk_create(
        EndUser(external_id=f"d-{number}", name=f"D {number}", customer=people["jane"].customer) for number in range(100)
    )
    first = demonstration.fill_engagements(user=cast.olga, now=NOW)
    assert demonstration.fill_engagements(user=cast.olga, now=NOW) == 0, "again changes nothing"
    counts = queries.counts_of(made)
    assert 0 < counts.clicked < counts.dismissed + counts.clicked < counts.shown == first <= 60
    assert demo_product.find_key() is not None


def test_r_019_a_locked_vault_says_so_instead_of_breaking_the_demo_product(client, cast, people, settings):
    settings.DEMO_MODE = True
    client.force_login(cast.olga)
    client.post("/product/demo/open/")
    settings.FIELD_ENCRYPTION_KEYS = []
    answer = client.get("/product/demo/?as=jane", follow=True)
    assert answer.redirect_chain == [("/product/", 302)]
    assert "FIELD_ENCRYPTION_KEYS" in answer.content.decode()
