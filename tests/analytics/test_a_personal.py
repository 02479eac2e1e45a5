"""Personal data of contacts leaves with the contact."""

import pytest
from django.utils import timezone

from analytics.attributes import authoring, editing
from analytics.attributes.body import Source, Step
from analytics.connecting import personal, starting
from analytics.models import AnalyticsSettings
from integrations.lake.engine import open_engine
from integrations.lake.reading import raw
from integrations.orgs.connect import client_for
from integrations.sync import runs
from integrations.sync.mirror import tables
from integrations.sync.mirror.landing import digest_of_value
from integrations.sync.mirror.needs import Need, merge_needs

pytestmark = pytest.mark.django_db


def emails(org) -> dict[str, list]:
    """Every value of Email that any live file holds, by contact."""
    found: dict[str, list] = {}
    with open_engine() as engine:
        engine.bind("stored", raw(tables.mirror_of(org, "Contact").table, columns=["Id", "Email"]))
        for key, value in engine.rows('SELECT "Id", "Email" FROM stored'):
            found.setdefault(key, []).append(value)
    return found


def test_fz_d13_a_deleted_contact_loses_its_personal_fields_within_one_sync(connected_org):
    now = timezone.now()
    body, _ = starting.map_to_start_with(connected_org)
    mail = Source("Contact", ("Email",), path=(Step("AccountId", "Account"),))
    body, _ = editing.with_source(body, "contact_email", mail)
    authoring.save_map(connected_org, body, actor=None, now=now)
    AnalyticsSettings.objects.create(org=connected_org, started_at=now)
    read = {"objects": ["Contact"]}
    runs.request_run("mirror.read", org=connected_org, arguments=read, now=now)
    before = {key: values for key, values in emails(connected_org).items() if any(values)}
    gone = sorted(before)[0]
    with client_for(connected_org, domain="test") as client:
        client.request("DELETE", f"sobjects/Contact/{gone}")
    runs.request_run("mirror.read", org=connected_org, arguments=read, now=timezone.now())
    after = emails(connected_org)
    assert set(after[gone]) == {None}
    assert {key: values for key, values in after.items() if key in before and key != gone} == {
        key: values for key, values in before.items() if key != gone
    }
    assert personal.blank(tables.mirror_of(connected_org, "Contact").table, [gone], ["Email"], now=now) == 0


def test_fz_d13_only_mapped_fields_are_personal_data_of_ours(connected_org):
    now = timezone.now()
    body, _ = starting.map_to_start_with(connected_org)
    authoring.save_map(connected_org, body, actor=None, now=now)
    assert personal.personal_fields(connected_org, "Contact") == []


def mapped_mail(org) -> None:
    body, _ = starting.map_to_start_with(org)
    mail = Source("Contact", ("Email",), path=(Step("AccountId", "Account"),))
    body, _ = editing.with_source(body, "contact_email", mail)
    authoring.save_map(org, body, actor=None, now=timezone.now())


def read_contacts(org) -> dict[str, list]:
    runs.request_run("mirror.read", org=org, arguments={"objects": ["Contact"]}, now=timezone.now())
    return {key: values for key, values in emails(org).items() if any(values)}


def test_fz_d13_contact_addresses_can_be_hashed_on_arrival(connected_org):
    mapped_mail(connected_org)
    AnalyticsSettings.objects.create(org=connected_org, started_at=timezone.now(), hash_contacts=True)
    stored = read_contacts(connected_org)
    with client_for(connected_org, domain="test") as client:
        known = {row["Id"]: row["Email"] for row in client.query_all("SELECT Id, Email FROM Contact WHERE Email != null")}
    assert stored
    assert {key: values[-1] for key, values in stored.items()} == {key: digest_of_value(known[key]) for key in stored}
    assert not {value for values in stored.values() for value in values} & set(known.values())


def test_fz_d13_an_address_that_another_domain_needs_in_clear_stays_so():
    ours = Need("analytics", "Contact", ("Email", "Phone"), hashed=("Email", "Phone"))
    theirs = Need("product", "Contact", ("Email",))
    assert merge_needs([ours, theirs])["Contact"].hashed == ("phone",)
    assert merge_needs([ours])["Contact"].hashed == ("email", "phone")


def test_fz_d13_values_that_were_read_before_are_hashed_when_the_switch_is_turned(connected_org):
    mapped_mail(connected_org)
    AnalyticsSettings.objects.create(org=connected_org, started_at=timezone.now())
    plain = read_contacts(connected_org)
    AnalyticsSettings.objects.filter(org=connected_org).update(hash_contacts=True)
    runs.request_run("mirror.read", org=connected_org, arguments={"objects": ["Contact"]}, now=timezone.now())
    with open_engine() as engine:
        engine.bind("contacts", tables.live(connected_org, "Contact", ["Id", "Email"]))
        now_kept = dict(engine.rows('SELECT "Id", "Email" FROM contacts WHERE "Email" IS NOT NULL'))
    assert now_kept == {key: digest_of_value(values[-1]) for key, values in plain.items()}


def test_equal_addresses_have_equal_digests_that_differ_between_installations(settings):
    first = digest_of_value(" Jo@Acme.example ")
    assert first == digest_of_value("jo@acme.EXAMPLE")
    settings.SECRET_KEY = "another installation " * 4
    assert digest_of_value("jo@acme.example") != first
