"""Signed calls of an org: genuine, recent, unchanged, each once (S-080, S-081, S-082)."""

import json
from datetime import timedelta

import pytest
import time_machine
from cryptography.fernet import Fernet
from django.urls import reverse
from django.utils import timezone

from integrations.orgs import vault
from provisioning import connection
from provisioning.models import Delivery, Provision, ProvisioningSettings, Subscription
from provisioning.provision import signing
from tests.provisioning.conftest import OPEN, URL, WON, envelope

pytestmark = pytest.mark.django_db
S, T, D, K = signing.SIGNATURE, signing.TIMESTAMP, signing.DELIVERY, signing.KEY


@pytest.fixture
def caller(office):
    """Sends signed calls; options change what is signed, `sent` what is sent in its place (None: left out)."""

    def send(deal: str, *, key="", delivery="call-1", at=0, body=None, sent=None, xml=False, headers=None):
        key = key or office.key
        text = body or (
            envelope(office.org.org_id, deal) if xml else json.dumps({"org_id": office.org.org_id, "opportunity_id": deal})
        )
        stamp = str(int(timezone.now().timestamp()) + at)
        signature = signing.sign(key, timestamp=stamp, delivery=delivery, body=text.encode())
        given = {K: key[:12], T: stamp, D: delivery, S: signature, **(headers or {})} | (sent or {})
        given = {name: value for name, value in given.items() if value is not None}
        kind = "text/xml" if xml else "application/json"
        return office.browser.post(URL, given.pop("body", text), content_type=kind, headers=given)

    return send


def verdict(answer) -> tuple[int, str]:
    return answer.status_code, answer.json()["status"]


def test_s_080_a_signed_call_needs_no_key(office, caller):
    deal = office.deal(("plan-basic", 1), stage=WON)
    assert verdict(caller(deal)) == (200, "done")
    assert office.subscription(deal)
    assert Delivery.objects.get().message_id == "call-1"


def test_s_080_a_signed_message_is_acknowledged(office, caller):
    deal = office.deal(("plan-basic", 1), stage=WON)
    for _ in range(2):
        assert b"<Ack>true</Ack>" in caller(deal, xml=True).content
    assert Subscription.objects.count() == Delivery.objects.count() == 1


WRONG = {
    "missing": {S: None}, "empty": {S: ""}, "other algorithm": {S: "sha1=" + "0" * 40}, "no version": {S: "0" * 64},
    "none": {S: "none"}, "v0": {S: "v0=" + "0" * 64}, "wrong": {S: "v1=" + "0" * 64}, "not ascii": {S: "v1=é"},
    "other time": {T: "1700000000"}, "no time": {T: None}, "time in words": {T: "now"}, "negative": {T: "-1"}, "long": {T: "9" * 30},
    "other id": {D: "call-2"}, "no id": {D: None}, "long id": {D: "x" * 81}, "body changed": {"body": '{"org_id": "x"}'},
}  # fmt: skip


@pytest.mark.parametrize("name", WRONG)
def test_s_080_whatever_does_not_fit_is_refused_without_effect(office, caller, name):
    deal = office.deal(("plan-basic", 1), stage=WON)
    answer = caller(deal, sent=WRONG[name])
    assert answer.status_code == 401, answer.json()
    assert answer.json()["status"] in signing.FROM_ANYBODY
    assert not Provision.objects.exists()
    office.demo.forget_calls()
    bearer = caller(deal, sent=WRONG[name], headers={"Authorization": f"Bearer {office.key}"})
    assert bearer.status_code == 401, "the key itself does not heal a wrong signature"
    assert office.demo.calls() == []


def test_s_080_other_keys_do_not_sign(office, caller):
    deal = office.deal(("plan-basic", 1), stage=WON)
    for key in ("cwp_0000aaaa_" + "x" * 43, office.key + "x", office.key[:-1], connection.digest_of(office.key)):
        assert caller(deal, key=key).status_code == 401
        assert caller(deal, key=key, sent={K: office.key[:12]}).status_code == 401
    assert not Provision.objects.exists()


def test_s_080_guesses_are_written_down_a_few_times_a_minute_only(office, caller):
    deal = office.deal(("plan-basic", 1), stage=OPEN)
    for number in range(9):
        caller(deal, sent={S: f"v1={number}"})
    assert Delivery.objects.count() == 5
    assert verdict(caller(deal)) == (200, "nothing_to_do")


@pytest.mark.parametrize(("seconds", "fine"), [(-299, True), (299, True), (-302, False), (302, False), (-86400, False)])
def test_s_081_a_call_is_believed_within_300_seconds(office, caller, seconds, fine):
    deal = office.deal(("plan-basic", 1), stage=WON)
    answer = caller(deal, at=seconds)
    assert verdict(answer) == ((200, "done") if fine else (401, "stale"))
    assert Provision.objects.exists() is fine


def test_s_081_the_same_call_again_has_no_effect_within_and_is_refused_after_the_window(office, caller, monkeypatch):
    deal = office.deal(("plan-basic", 1), stage=OPEN)
    now = timezone.now()
    stamp = str(int(now.timestamp()))
    body = json.dumps({"org_id": office.org.org_id, "opportunity_id": deal})
    signature = signing.sign(office.key, timestamp=stamp, delivery="a", body=body.encode())
    headers = {K: office.key[:12], T: stamp, D: "a", S: signature}

    def send():
        return office.browser.post(URL, body, content_type="application/json", headers=headers)

    assert verdict(send()) == (200, "nothing_to_do")
    office.move(deal, WON)
    office.demo.forget_calls()
    assert [verdict(send()) for _ in range(3)] == [(200, "repeated")] * 3
    assert office.demo.calls() == []
    assert not Provision.objects.exists()
    with time_machine.travel(now + timedelta(seconds=302), tick=True):
        assert verdict(send()) == (401, "stale")
        assert verdict(caller(deal, delivery="a")) == (200, "repeated"), "signed anew, still the same id"
        assert verdict(caller(deal, delivery="b")) == (200, "done")


def test_s_081_what_was_not_taken_may_come_again_under_its_id(office, caller):
    deal = office.deal(("plan-basic", 1), stage=WON)
    gone = "006" + "0" * 9 + "999AAA"
    assert caller(gone, delivery="a").status_code == 404
    office.org.provisioning_enabled = False
    office.org.save()
    assert verdict(caller(deal, delivery="a")) == (409, "switched_off")
    office.org.provisioning_enabled = True
    office.org.save()
    assert verdict(caller(deal, delivery="a")) == (200, "done")


def test_s_081_ids_of_two_orgs_are_apart(office, caller):
    Delivery.objects.create(org=None, source="callout", verdict="x")
    other = type(office.org).objects.create(name="Other")
    Delivery.objects.create(org=other, source="callout", verdict="done", message_id="call-1")
    assert verdict(caller(office.deal(("plan-basic", 1), stage=WON))) == (200, "done")


def test_s_081_only_signed_calls_where_the_connection_says_so(office, caller, client, cast):
    deal = office.deal(("plan-basic", 1), stage=WON)
    page = reverse("provisioning:settings", kwargs={"org_id": office.org.pk})
    client.force_login(cast.ada)
    form = client.get(page).context["form"]
    values = {name: form[name].value() or "" for name in form.fields}
    client.force_login(cast.olga)
    client.post(page, {**values, "require_signature": "on"})
    assert office.settings.require_signature is False, "operators do not decide who may call"
    client.force_login(cast.ada)
    client.post(page, {**values, "require_signature": "on"})
    assert office.settings.require_signature is True
    assert verdict(office.call(deal)) == (401, "unsigned")
    assert b"Fault" in office.message(deal).content
    assert not Provision.objects.exists()
    assert verdict(caller(deal)) == (200, "done")


def test_s_082_both_keys_sign_during_a_replacement(office, caller):
    old, deal = office.key, office.deal(("plan-basic", 1), stage=OPEN)
    new = connection.make_key(office.org, actor=None, now=timezone.now())
    assert [caller(deal, key=key, delivery=key[:12]).status_code for key in (old, new)] == [200, 200]
    with time_machine.travel(timezone.now() + timedelta(hours=24, seconds=1), tick=True):
        assert [caller(deal, key=key, delivery=f"later {key[:12]}").status_code for key in (old, new)] == [401, 200]
    newest = connection.make_key(office.org, actor=None, now=timezone.now(), keep_old=timedelta(0))
    assert [caller(deal, key=key, delivery=f"now {key[:12]}").status_code for key in (new, newest)] == [401, 200]
    connection.revoke_key(office.org, actor=None)
    assert caller(deal, key=newest, delivery="z").status_code == 401
    assert bytes(office.settings.signing_keys) == b""


def test_s_007_signing_keys_follow_the_encryption_key(office, caller, settings):
    deal = office.deal(("plan-basic", 1), stage=OPEN)
    assert office.key.encode() not in bytes(office.settings.signing_keys)
    new = Fernet.generate_key().decode()
    settings.FIELD_ENCRYPTION_KEYS = [new, *settings.FIELD_ENCRYPTION_KEYS]
    vault.rotate_all()
    settings.FIELD_ENCRYPTION_KEYS = [new]
    assert caller(deal, delivery="a").status_code == 200
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode()]
    assert verdict(caller(deal, delivery="b")) == (503, "locked")


def test_a_key_that_is_made_without_an_encryption_key_works_and_does_not_sign(office, caller, settings):
    deal = office.deal(("plan-basic", 1), stage=OPEN)
    settings.FIELD_ENCRYPTION_KEYS = []
    office.key = connection.make_key(office.org, actor=None, now=timezone.now(), keep_old=timedelta(0))
    assert caller(deal).status_code == 401
    assert connection.find_key(office.key, now=timezone.now()) is not None
    assert not ProvisioningSettings.objects.exclude(signing_keys=b"").exists()
