"""Who sees which engagement, what it says to them, and what is kept of what they do."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from integrations.models import Customer, EndUser
from integrations.product.engagements import authoring, queries, recording, templates
from integrations.product.engagements.counting import active_by_customer, shown_by_customer
from integrations.product.models import EngagementView
from integrations.sync.matching import forgetting
from tests.product.engagement_world import DAY, NOW, act, ask, make_engagement, make_key, make_people, make_segment, send

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(db) -> dict[str, EndUser]:
    return make_people()


@pytest.fixture
def key(db):
    return make_key()


def test_px_03_members_of_a_segment_by_a_salesforce_attribute_see_it_others_do_not(client, people, key):
    made = make_engagement(segment=make_segment())
    assert [each["id"] for each in ask(client, key, "jane")] == [made.pk]
    assert ask(client, key, "ola") == []
    assert ask(client, key, "nobody-knows") == []
    Customer.objects.filter(external_id="borg").update(attributes={"industry": "Retail"})
    assert len(ask(client, key, "ola")) == 1, "who is asked about is looked at now, not when it was last counted"


def test_px_03_segments_of_end_users_and_everybody(client, people, key):
    everybody = make_engagement(priority=1)
    named = make_engagement(segment=make_segment("Janes", entity="end_user", field="name", op="starts_with", value="jane"))
    assert [each["id"] for each in ask(client, key, "jane")] == [everybody.pk, named.pk]
    assert [each["id"] for each in ask(client, key, "jim")] == [everybody.pk]
    assert [each["id"] for each in ask(client, key, "stranger")] == [everybody.pk]


def test_px_03_somebody_new_is_judged_by_the_account_that_the_page_names(client, people, key):
    make_engagement(segment=make_segment(), title="Hello {{account.name}}")
    assert [each["title"] for each in ask(client, key, "new-here", account="acme")] == ["Hello Acme Ltd"]
    assert ask(client, key, "new-here", account="borg") == []
    assert ask(client, key, "new-here", account="unknown") == []
    EndUser.objects.create(external_id="loose", name="Loose")
    assert len(ask(client, key, "loose", account="acme")) == 1
    assert ask(client, key, "ola", account="acme") == [], "a page cannot move a known person into another account"


def test_px_03_texts_are_personal(client, people, key):
    make_engagement(
        title="{{user.first_name|there}}, {{account.name}} renews on {{account.attributes.renewal_date}}",
        body="Role: {{user.attributes.role|not known}}. **{{user.name}}**",
        button_label="Renew", button_url="https://acme.example/renew?a={{account.external_id}}",
    )  # fmt: skip
    Customer.objects.filter(external_id="acme").update(
        name="<b>Acme</b> [x](javascript:1)", attributes={"renewal_date": "2027-01-31T00:00:00Z"}
    )
    (message,) = ask(client, key, "jane")
    assert message["title"] == "Jane, <b>Acme</b> [x](javascript:1) renews on 31 January 2027"
    assert message["body"] == [["p", "Role: not known. ", ["strong", "Jane Doe"]]]
    assert message["button"] == {"label": "Renew", "url": "https://acme.example/renew?a=acme"}


def test_px_03_without_a_value_and_a_fallback_nobody_reads_half_a_sentence(client, people, key):
    make_engagement(body="You renew on {{account.attributes.renewal_date}}.")
    assert len(ask(client, key, "jane")) == 1
    Customer.objects.filter(external_id="acme").update(attributes={})
    assert ask(client, key, "jane") == []


def test_px_03_pages_times_and_states(client, people, key):
    made = make_engagement(url_match="/billing/*", starts_at=NOW - DAY, ends_at=NOW + DAY)
    assert len(ask(client, key, "jane", url="https://app.example/billing/1")) == 1
    assert ask(client, key, "jane", url="https://app.example/boards/") == []
    assert ask(client, key, "jane") == []
    for change in ({"ends_at": NOW - timedelta(hours=1)}, {"ends_at": None, "starts_at": NOW + DAY}):
        authoring.update_engagement(made, change, user=None, now=NOW)
        assert ask(client, key, "jane", url="https://app.example/billing/1") == []
    authoring.update_engagement(made, {"starts_at": None}, user=None, now=NOW)
    assert len(ask(client, key, "jane", url="https://app.example/billing/1")) == 1
    authoring.set_state(made, "paused", user=None, now=NOW)
    assert ask(client, key, "jane", url="https://app.example/billing/1") == []


def test_px_03_what_somebody_did_decides_whether_it_comes_again(client, people, key):
    until, once = make_engagement(), make_engagement(frequency="once")
    send(client, key, act(1, until, "jane", "shown"), act(2, once, "jane", "shown"))
    assert [each["id"] for each in ask(client, key, "jane")] == [until.pk]
    send(client, key, act(3, until, "jane", "dismissed"))
    assert ask(client, key, "jane") == []
    assert len(ask(client, key, "jim")) == 2


def test_i_04_the_same_events_again_in_any_order_count_once(client, people, key):
    made = make_engagement()
    events = [
        act(1, made, "jane", "shown", NOW - DAY), act(2, made, "jane", "shown", NOW), act(3, made, "jane", "clicked", NOW),
        act(4, made, "jim", "dismissed", NOW),
    ]  # fmt: skip
    for batch in (events, events[::-1], [events[2]]):
        send(client, key, *batch)
    jane, jim = EngagementView.objects.order_by("end_user__external_id")
    assert (jane.shown_at, jane.last_shown_at, jane.clicked_at, jane.dismissed_at) == (NOW - DAY, NOW, NOW, None)
    assert (jim.shown_at, jim.dismissed_at, jim.clicked_at) == (NOW, NOW, None), "what was closed was seen"
    assert jane.customer == people["jane"].customer


def test_px_03_events_of_unknown_engagements_and_people(client, people, key):
    made = make_engagement()
    send(client, key, act(1, 999_999, "jane", "shown"), act(2, made, "newcomer", "shown"))
    assert EngagementView.objects.get().end_user.external_id == "newcomer"
    recording.record_actions([("x", "jane", "shown", NOW), ("9" * 30, "jane", "shown", NOW), ("-1", "jane", "shown", NOW)])
    assert EngagementView.objects.count() == 1
    recording.record_actions([(str(made.pk), "jane", "shown", NOW + 400 * DAY)])
    assert EngagementView.objects.get(end_user=people["jane"]).last_shown_at < NOW + DAY, (
        "a wrong clock hides nothing for a year"
    )


def test_i_23_somebody_erased_sees_nothing_personal_and_is_not_made_again(client, people, key, cast):
    made = make_engagement(segment=make_segment())
    send(client, key, act(1, made, "jane", "shown"))
    forgetting.erase(people["jane"], actor=cast.ada, now=NOW)
    assert ask(client, key, "jane") == []
    recording.record_actions([(str(made.pk), "jane", "clicked", NOW)])
    assert not EndUser.objects.filter(external_id="jane").exists()
    assert EngagementView.objects.filter(clicked_at__isnull=False).count() == 0
    assert list(queries.find_views(made)) == [], "whoever was erased is in no list"
    assert queries.counts_of(made).shown == 1, "but the figure stays true"


def test_many_people_cost_a_few_statements(client, people, key):
    made = make_engagement()
    seen = [(str(made.pk), f"u-{number}", "shown", NOW) for number in range(300)]
    recording.record_actions(seen[:1])
    with CaptureQueriesContext(connection) as few:
        recording.record_actions(seen)
    assert EngagementView.objects.count() == 300
    assert len(few) < 40


@pytest.mark.parametrize("live", [1, 30])
def test_asking_does_not_cost_more_with_more_engagements(client, people, key, live):
    segment = make_segment()
    for _ in range(live):
        make_engagement(segment=segment, title="Hello {{account.name}}")
    ask(client, key, "jane")
    with CaptureQueriesContext(connection) as queries:
        assert len(ask(client, key, "jane")) == min(live, 5)
    assert len(queries) <= 16


def counts(table) -> dict[int, int]:
    return dict(zip(table["customer_id"].to_pylist(), table["n"].to_pylist(), strict=True))


def test_px_61_active_engagements_count_those_that_the_customers_people_can_see(people, engine_name):
    acme, borg = people["jane"].customer, people["ola"].customer
    Customer.objects.create(external_id="empty", name="Nobody there")
    assert counts(active_by_customer(NOW)) == {}
    make_engagement()
    make_engagement(segment=make_segment())
    make_engagement(segment=make_segment("Ola", entity="end_user", field="name", op="is", value="Ola Berg"))
    make_engagement(live=False)
    make_engagement(ends_at=NOW - DAY, starts_at=NOW - 2 * DAY, live=False)
    assert counts(active_by_customer(NOW)) == {acme.pk: 2, borg.pk: 2}


def test_px_61_people_of_a_merged_customer_count_for_the_one_that_stands_for_it(people, engine_name):
    acme, borg = people["jane"].customer, people["ola"].customer
    make_engagement(segment=make_segment("Jim", entity="end_user", field="name", op="is", value="Jim Roe"))
    make_engagement()
    assert counts(active_by_customer(NOW)) == {acme.pk: 2, borg.pk: 1}
    Customer.objects.filter(pk=acme.pk).update(merged_into=borg, updated_at=NOW + DAY)
    assert counts(active_by_customer(NOW)) == {borg.pk: 2}


def test_px_61_a_segment_that_cannot_be_used_any_more_counts_for_nobody(people):
    make_engagement(segment=make_segment(field="attributes.gone", op="is", value="x"), live=True)
    assert counts(active_by_customer(NOW)) == {}


def test_px_61_engagements_shown_count_once_for_a_customer_and_follow_a_merge(client, people, key):
    acme, borg = people["jane"].customer, people["ola"].customer
    first, second = make_engagement(), make_engagement()
    send(client, key, act(1, first, "jane", "shown"), act(2, first, "jim", "shown"), act(3, second, "ola", "shown"),
         act(4, first, "ola", "clicked"), act(5, second, "loose", "shown"))  # fmt: skip
    assert counts(shown_by_customer()) == {acme.pk: 1, borg.pk: 2}
    Customer.objects.filter(pk=acme.pk).update(merged_into=borg)
    assert counts(shown_by_customer()) == {borg.pk: 2}


def test_px_40_a_ready_made_engagement_for_renewals_within_90_days(client, people, key, cast):
    made = templates.from_template("renewal_90_days", user=cast.olga, now=NOW)
    assert (made.state, made.template, made.segment.name) == ("draft", "renewal_90_days", "Renewal within 90 days")
    assert made.segment.conditions == {
        "all": [{"field": "attributes.renewal_date", "op": "in_next", "value": {"n": 90, "unit": "days"}}]
    }
    assert ask(client, key, "jane") == []
    authoring.set_state(made, "live", user=cast.olga, now=NOW)
    (message,) = ask(client, key, "jane")
    assert message["title"] == "Your renewal is coming up"
    assert ask(client, key, "ola") == [], "its renewal is 300 days ahead"
    again = templates.from_template("renewal_90_days", user=cast.olga, now=NOW)
    assert (again.name, again.segment) == ("Renewal within 90 days (2)", made.segment)


@pytest.mark.parametrize("name", templates.TEMPLATES)
def test_px_39_every_template_gives_a_draft_that_can_be_started(people, cast, name):
    made = templates.from_template(name, user=cast.olga, now=NOW)
    assert authoring.set_state(made, "live", user=cast.olga, now=NOW).state == "live"


def test_px_40_without_a_date_the_template_says_what_to_do(db, cast):
    from integrations.access import Refusal

    with pytest.raises(Refusal, match="Pull the renewal date from Salesforce"):
        templates.from_template("renewal_90_days", user=cast.olga, now=NOW)
    with pytest.raises(Refusal, match="no date attribute 'x'"):
        templates.from_template("renewal_90_days", attribute="x", user=cast.olga, now=NOW)
    with pytest.raises(Refusal, match="no template"):
        templates.from_template("nothing", user=cast.olga, now=NOW)
