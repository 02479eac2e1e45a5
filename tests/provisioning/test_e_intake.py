"""Who may call, what is believed of a call, and what it is answered (ST-16, ST-18, ST-D2, R-180, S-039, S-080 to S-084)."""

import json
from datetime import timedelta
from xml.etree import ElementTree

import pytest
from django.utils import timezone

from integrations.models import Alert, AuditEntry, Customer
from provisioning import connection
from provisioning.models import Delivery, Provision, Subscription
from provisioning.provision import messages
from tests.provisioning.conftest import OPEN, URL, WON, envelope

pytestmark = pytest.mark.django_db
ACK = "{http://soap.sforce.com/2005/09/outbound}Ack"


def ack(answer) -> str:
    return ElementTree.fromstring(answer.content).find(f".//{ACK}").text


def test_r_180_the_same_call_twice_is_done_once_and_answers_with_the_same_ids(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    first, second = office.call(deal).json(), office.call(deal).json()
    assert (first["status"], second["status"]) == ("done", "already_done")
    for name in ("provision_id", "customer_id", "customer_url", "subscription_ids", "subscription_urls"):
        assert first[name] == second[name], name
    assert (Customer.objects.filter(external_id__startswith="sf-").count(), Subscription.objects.count()) == (1, 1)


def test_i_04_a_replay_costs_no_call_to_salesforce(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.call(deal)
    office.demo.forget_calls()
    assert {office.call(deal).json()["status"] for _ in range(20)} == {"already_done"}
    assert office.demo.calls() == []
    assert Provision.objects.count() == 1


def test_st_d2_the_call_is_a_hint_and_nothing_in_it_is_believed(office):
    deal = office.deal(("plan-pro", 3), stage=OPEN)
    told = office.call(deal, stage="Closed Won", isWon=True, quantity=1_000_000, plan="plan-basic").json()
    assert told["status"] == "nothing_to_do"
    office.move(deal, WON)
    office.call(deal, quantity=1_000_000, account_id="001000000000000AAA")
    assert office.subscription(deal).terms.get().seats == 3


def test_the_answer_tells_how_long_salesforce_took_of_it(office):
    told = office.call(office.deal(("plan-pro", 3), stage=WON))["Server-Timing"]
    theirs, whole = (float(part.partition("dur=")[2]) for part in told.split(", "))
    assert 0 < theirs < whole


def test_st_d2_ids_of_15_characters_are_the_same_ids(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    assert office.call(deal[:15], org_id=office.org.org_id[:15]).json()["status"] == "done"
    assert office.call(deal).json()["status"] == "already_done"


def test_st_d2_a_sandbox_copy_with_productions_key_is_refused_with_an_alert(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    answer = office.call(deal, org_id="00D000000000001EAA")
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "wrong_org")
    assert "00D000000000001EAA" in answer.json()["message"]
    office.call(deal, org_id="00D000000000001EAA")
    assert not Provision.objects.exists()
    alert = Alert.objects.get(key=f"provisioning:wrong-org:{office.org.pk}")
    assert "another org" in alert.title
    assert set(Delivery.objects.values_list("verdict", "status")) == {("wrong_org", 403)}


def test_st_16_the_key_is_shown_once_and_stored_as_a_digest(office):
    key = connection.make_key(office.org, actor=None, now=timezone.now())
    settings = office.settings
    assert key not in json.dumps({f.name: str(getattr(settings, f.name)) for f in settings._meta.concrete_fields})
    assert settings.callout_key_digest == connection.digest_of(key)
    assert key.startswith(settings.callout_key_prefix)
    entry = AuditEntry.objects.filter(action="provisioning.key_made").last()
    assert key not in json.dumps(entry.after)


@pytest.mark.parametrize("header", ["Bearer {}", "bearer {}", "Api-Key {}"])
def test_st_18_the_key_comes_in_the_usual_headers(office, header):
    deal = office.deal(("plan-basic", 1), stage=OPEN)
    body = json.dumps({"organizationId": office.org.org_id, "opportunityId": deal})
    answer = office.browser.post(
        URL, body, content_type="application/json", headers={"Authorization": header.format(office.key)}
    )
    assert answer.status_code == 200


def test_st_18_the_key_may_come_in_a_header_of_its_own(office):
    body = json.dumps({"organizationId": office.org.org_id, "opportunityId": office.deal(stage=OPEN)})
    assert office.browser.post(URL, body, content_type="application/json", headers={"X-Api-Key": office.key}).status_code == 200


def test_s_080_calls_without_the_right_key_have_no_effect(office):
    deal = office.deal(("plan-pro", 3), stage=WON)
    wrong = [
        "",
        "x",
        office.key[:-1],
        office.key + "x",
        office.key.upper(),
        "cwp_",
        "cwp_\u00e4" + "x" * 40,
        office.key.replace("_", "-"),
    ]
    for key in wrong:
        headers = {"Authorization": f"Bearer {key}"} if key.isascii() else {}
        body = json.dumps({"org_id": office.org.org_id, "opportunity_id": deal})
        answer = office.browser.post(URL, body, content_type="application/json", headers=headers)
        assert (answer.status_code, answer.json()["status"]) == (401, "wrong_key"), key
    assert not Provision.objects.exists()
    assert Delivery.objects.filter(verdict="wrong_key").count() == 5  # written down a few times a minute only
    assert office.call(deal).json()["status"] == "done"  # others' guesses do not lock the org out


def test_s_082_a_rotated_key_is_accepted_for_a_day_and_then_no_more(office):
    old, now = office.key, timezone.now()
    new = connection.make_key(office.org, actor=None, now=now)
    assert connection.find_key(new, now=now).org_id == connection.find_key(old, now=now).org_id == office.org.pk
    assert connection.find_key(old, now=now + timedelta(hours=24)) is None
    connection.make_key(office.org, actor=None, now=now, keep_old=timedelta(0))
    assert connection.find_key(new, now=now) is None
    connection.revoke_key(office.org, actor=None)
    assert connection.find_key(old, now=now) is None


def test_s_084_a_large_body_is_refused_before_it_is_read(office):
    answer = office.browser.post(
        URL, "x" * (1024 * 1024 + 1), content_type="application/json", headers={"Authorization": f"Bearer {office.key}"}
    )
    assert answer.status_code == 413


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("{", "bad_json"), ("[]", "no_org"), ('{"opportunity_id": "006000000000001AAA"}', "no_org"),
        ('{"org_id": "00D000000000001EAA"}', "no_opportunity"), ('{"org_id": "x", "opportunity_id": "006000000000001AAA"}', "not_an_id"),
        ('{"org_id": "00D000000000001EAA", "opportunity_id": "x\' OR Name LIKE \'%"}', "not_an_id"),
        ('{"org_id": "00D000000000001EAA", "opportunity_id": "001000000000001AAA"}', "not_an_opportunity"),
        ('{"org_id": "00D000000000001EAA", "opportunity_id": 6}', "no_opportunity"),
        ('{"org_id": "00D000000000001EAA", "opportunity_ids": [' + ",".join(f'"006{n:012d}"' for n in range(201)) + "]}", "too_many"),
        ("[" * 5000 + "]" * 5000, "bad_json"),
    ],
)  # fmt: skip
def test_bad_messages_are_refused_with_what_to_do(body, code):
    with pytest.raises(messages.BadMessage) as bad:
        messages.read_json(body.encode())
    assert bad.value.code == code


def test_a_bad_body_answers_400_and_says_why(office):
    answer = office.browser.post(URL, "{}", content_type="application/json", headers={"Authorization": f"Bearer {office.key}"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "no_org")


def test_names_of_a_body_may_be_written_in_any_way():
    org, one, two = "00D000000000001EAA", "006000000000001AAA", "006000000000002AAA"
    for body in (
        {"OrganizationId": org, "OpportunityId": one}, {"organization_id": org, "opportunityIds": [one, two]},
        {"org": org, "records": [{"Id": one}, {"Id": two}]}, [{"orgId": org, "recordId": one}, {"orgId": org, "recordId": two}],
        {"inputs": [{"org_id": org, "opportunity_id": one}]}, {"org_id": org, "opportunity": {"Id": one}},
    ):  # fmt: skip
        hint = messages.read_json(json.dumps(body).encode())
        assert (hint.org_id, hint.opportunity_ids[0]) == (org, one), body


# --- outbound messages -----------------------------------------------------------------------------------------------------


def test_an_outbound_message_is_acknowledged_once_everything_is_done_or_stored(office):
    deals = [office.deal(("plan-basic", 1), stage=WON, account=office.account(f"A {n}")) for n in range(3)]
    answer = office.message(*deals)
    assert (answer.status_code, ack(answer)) == (200, "true")
    assert answer["Content-Type"].startswith("text/xml")
    assert Subscription.objects.count() == 3
    assert ack(office.message(*deals)) == "true"
    assert Subscription.objects.count() == 3


def test_a_message_that_cannot_be_done_now_is_stored_and_done_by_the_worker(office):
    deal = office.deal(("plan-basic", 1), stage=WON)
    office.demo.fault(path="/query", times=20, status=503)
    assert ack(office.message(deal)) == "true"
    assert not Subscription.objects.exists()
    delivery = Delivery.objects.get()
    assert (delivery.waiting, delivery.opportunity_ids) == (True, [deal])
    office.demo.no_faults()
    office.run("provisioning.advance")
    assert office.subscription(deal)
    delivery.refresh_from_db()
    assert (delivery.waiting, delivery.verdict) == (False, "done")


def test_a_message_of_another_org_is_not_acknowledged(office):
    deal = office.deal(("plan-basic", 1), stage=WON)
    answer = office.message(deal, org_id="00D000000000001EAA")
    assert answer.status_code == 403
    assert b"Fault" in answer.content
    assert b"<Ack>" not in answer.content
    assert office.message(deal, key="cwp_0000aaaa_" + "x" * 40).status_code == 401


def test_s_039_entities_in_a_message_are_refused():
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    outside = '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>'
    plain = envelope("00D000000000001EAA", "006000000000001AAA")
    for evil in (bomb, outside):
        body = plain.replace("<soapenv:Envelope", f"{evil}<soapenv:Envelope", 1)
        with pytest.raises(messages.BadMessage) as bad:
            messages.read_xml(body.encode())
        assert bad.value.code == "bad_xml"
    assert messages.read_xml(plain.encode()).opportunity_ids == ("006000000000001AAA",)


def test_a_message_has_at_most_100_notifications():
    ids = [f"006{n:012d}" for n in range(101)]
    assert len(messages.read_xml(envelope("00D000000000001EAA", *ids[:100]).encode()).opportunity_ids) == 100
    with pytest.raises(messages.BadMessage) as bad:
        messages.read_xml(envelope("00D000000000001EAA", *ids).encode())
    assert bad.value.code == "too_many"


def test_a_flow_with_many_records_is_answered_for_each(office):
    won = office.deal(("plan-basic", 1), stage=WON, account=office.account("A"))
    open_ = office.deal(("plan-basic", 1), account=office.account("B"))
    told = office.call(won, open_, "006000000000999AAA").json()
    assert [each["status"] for each in told["results"]] == ["done", "nothing_to_do", "not_found"]


def test_what_does_not_fit_into_the_deadline_is_taken_over_by_the_worker(office, monkeypatch):
    from provisioning.provision import intake

    deals = [office.deal(("plan-basic", 1), stage=WON, account=office.account(f"A {n}")) for n in range(2)]
    monkeypatch.setattr(intake, "SECONDS", -1.0)
    monkeypatch.setattr(intake.runs, "request_run", lambda *args, **options: None)
    answer = office.call(*deals)
    assert (answer.status_code, answer.json()["status"]) == (202, "taken")
    monkeypatch.undo()
    office.work()
    assert Subscription.objects.count() == 2


def test_switched_off_connections_do_nothing(office):
    office.org.provisioning_enabled = False
    office.org.save()
    deal = office.deal(("plan-basic", 1), stage=WON)
    answer = office.call(deal)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "switched_off")
    assert not Provision.objects.exists()
