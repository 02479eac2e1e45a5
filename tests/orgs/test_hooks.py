"""Alert hooks: signed, retried within bounds, and never a way into the inner network (S-025)."""

import contextlib
import hashlib
import hmac
import json
import socket
import ssl
import threading
import time
from datetime import timedelta

import certifi
import pytest

from integrations import alerts, hook_bodies, hooks, outgoing, tasks
from integrations.access import Refusal
from integrations.demo_org.tls import ensure_certificates
from integrations.models import AlertChannel, AlertDelivery, AuditEntry
from integrations.orgs import vault
from tests.salesforce.server import FaultServer, Told
from tests.salesforce.test_hosts import HOSTILE

PUBLIC = "93.184.215.14"
INNER = ["127.0.0.1", "10.0.0.1", "172.16.9.9", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1", "::",
         "fe80::1%eth0", "fd00:ec2::254", "::ffff:127.0.0.1", "::ffff:a00:1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe",
         "2002:7f00:1::", "2002:a9fe:a9fe::", "192.0.0.8", "192.88.99.1", "198.18.0.1", "240.0.0.1", "255.255.255.255", "fec0::1",
         "ff02::1", "2001:db8::1", "not an address", ""]  # fmt: skip


@pytest.fixture
def server():
    started = FaultServer()
    started.tell("/", Told(data={"ok": True}))
    with contextlib.closing(started):
        yield started


@pytest.fixture
def inside(settings, server):
    """The installation names the test server as an inner origin that hooks may call."""
    settings.ALERT_HOOK_INTERNAL_ORIGINS = [server.url]
    return server


@pytest.fixture
def resolver(monkeypatch):
    """Name service under the test's control; the addresses that were connected to are kept."""

    class Names:
        answers: list[list[str]] = []
        connected: list[tuple] = []

    names = Names()
    names.answers, names.connected = [[PUBLIC]], []

    def look_up(host, port, *_, **__):
        found = names.answers.pop(0) if len(names.answers) > 1 else names.answers[0]
        if not found:
            raise socket.gaierror("no such name")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def connect(address, timeout=None, **_):
        names.connected.append(address)
        raise ConnectionRefusedError

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    monkeypatch.setattr(socket, "create_connection", connect)
    return names


def channel(url: str, kind: str = "webhook", **extra) -> AlertChannel:
    made = AlertChannel.objects.create(name=f"To {kind}", kind=kind, **extra)
    hooks.set_address(made, url)
    return made


def raise_one(now, run_on_commit, key="connection:1", **extra) -> None:
    about = {"code": "x", "title": "Acme is down", "body": "Sign in again.", "url": "/connections/1/"}
    with run_on_commit(execute=True):
        alerts.raise_alert(key, **(about | extra), now=now)


# --- S-025: where hooks may lead -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", INNER)
def test_s_025_addresses_of_inner_networks_are_not_public(text):
    assert not outgoing.is_public(text)


@pytest.mark.parametrize("text", [PUBLIC, "8.8.8.8", "1.1.1.1", "2606:4700::1111", "64:ff9b::808:808", "2002:808:808::"])
def test_s_025_public_addresses_pass(text):
    assert outgoing.is_public(text)


@pytest.mark.parametrize("hostile", HOSTILE)
def test_s_025_hostile_host_values_reach_nothing(db, hostile, resolver):
    """The same values as for connections; a public look-alike is no way in, so the name service answers with this machine."""
    resolver.answers = [["127.0.0.1"]]
    with pytest.raises(Refusal) as refusal:
        hooks.check_address(hostile)
    assert refusal.value.code == "address_refused"
    assert refusal.value.message.endswith(".")
    assert resolver.connected == []


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/x", "https://hooks.example.com:22/", "https://hooks.example.com:6379/", "https://hooks.example.com:80/",
        "https://8.8.8.8/", "https://134744072/", "https://0x8080808/", "https://8.8.2056/", "https://hooks/", "https://a.internal/",
        "https://printer.local/", "https://a.localhost/", "https://user:pw@hooks.example.com/", "https://hooks.example.com/#x",
        "hooks.example.com/x", "ftp://hooks.example.com/", "https://hooks.example.com./", "https://[2606:4700::1111]/",
        "https://hooks.example.com/a\r\nHost: evil", "https://hooks.example.com/ä", "", "x" * 3000, "https://h.example/" + "x" * 3000,
    ],
)  # fmt: skip
def test_s_025_only_plain_public_https_addresses_are_taken(url):
    with pytest.raises(outgoing.TargetRefused):
        outgoing.check_target(url)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", ("hooks.slack.com", 443, "/services/T0/B0/x")),
        ("HTTPS://Hooks.Example.com:8443?a=1&b=%20", ("hooks.example.com", 8443, "/?a=1&b=%20")),
        ("https://xn--bcher-kva.example", ("xn--bcher-kva.example", 443, "/")),
    ],
)
def test_usual_addresses_are_understood(url, expected):
    target = outgoing.check_target(url)
    assert (target.host, target.port, target.path) == expected
    assert (target.scheme, target.is_inner) == ("https", False)


@pytest.mark.parametrize("answer", [["127.0.0.1"], [PUBLIC, "10.0.0.7"], ["169.254.169.254", PUBLIC], ["::ffff:127.0.0.1"], []])
def test_s_025_names_that_lead_inside_are_refused_on_save(db, resolver, answer):
    resolver.answers = [answer]
    made = AlertChannel.objects.create(name="Hook")
    with pytest.raises(Refusal):
        hooks.set_address(made, "https://hooks.example.com/x")
    made.refresh_from_db()
    assert (bytes(made.address), made.host, resolver.connected) == (b"", "", [])


def test_s_025_a_name_that_turns_inside_after_saving_is_not_called(db, resolver, now):
    """DNS rebinding: public when saved, loopback when called."""
    made = channel("https://hooks.example.com/x")
    resolver.answers = [["127.0.0.1"]]
    delivery = hooks.send_test(made, by="ada", now=now)
    assert (delivery.state, resolver.connected) == ("failed", [])
    assert "private network" in delivery.error


def test_s_025_the_connection_goes_to_exactly_the_address_that_was_checked(db, resolver, now):
    made = channel("https://hooks.example.com/x")
    resolver.answers = [[PUBLIC], ["127.0.0.1"]]  # whoever asked twice would be led inside
    hooks.send_test(made, by="ada", now=now)
    assert resolver.connected == [(PUBLIC, 443)]


def test_s_025_a_canary_on_this_machine_is_not_touched(db, server):
    port = server.url.rpartition(":")[2]
    for url in (
        server.url,
        f"http://localhost:{port}/",
        f"https://127.0.0.1:{port}",
        f"http://[::1]:{port}",
        f"http://0x7f.1:{port}",
    ):
        with pytest.raises(Refusal):
            hooks.check_address(url)
    assert server.connections == 0


def test_s_025_only_the_setting_opens_an_inner_origin_and_only_that_one(db, inside, now):
    assert hooks.check_address(f"{inside.url}/hook").is_inner
    host, port = inside.url.removeprefix("http://").split(":")
    for url in (f"https://{host}:{port}/", f"http://{host}:{int(port) + 1}/", f"http://localhost:{port}/", "http://127.0.0.1/"):
        with pytest.raises(Refusal):
            hooks.check_address(url)


def test_s_025_redirects_are_not_followed(db, inside, now):
    inside.tell("/hook", Told(302, headers={"Location": f"{inside.url}/other"}))
    delivery = hooks.send_test(channel(f"{inside.url}/hook"), by="ada", now=now)
    assert (delivery.state, delivery.status) == ("failed", 302)
    assert [each.path for each in inside.seen] == ["/hook"]


# --- what is sent --------------------------------------------------------------------------------------------------------


def test_a_webhook_is_signed_over_timestamp_and_body(db, inside, now, django_capture_on_commit_callbacks):
    made = channel(f"{inside.url}/hook?x=1")
    secret = hooks.new_secret(made)
    raise_one(now, django_capture_on_commit_callbacks)
    assert hooks.deliver_due(now=now) == 1
    (seen,) = inside.seen
    timestamp = seen.headers["Causeway-Timestamp"]
    expected = hmac.new(secret.encode(), f"{timestamp}.".encode() + seen.body, hashlib.sha256).hexdigest()
    assert seen.headers["Causeway-Signature"] == f"v1={expected}"
    assert int(timestamp) == int(now.timestamp())
    assert seen.headers["Causeway-Event"] == "alert.raised"
    assert seen.headers["Causeway-Delivery"] == str(AlertDelivery.objects.get().key)
    assert seen.headers["Host"] == inside.url.removeprefix("http://")
    body = json.loads(seen.body)
    assert (body["event"], body["title"], body["code"], body["url"]) == (
        "alert.raised", "Acme is down", "x", "http://localhost:8000/connections/1/",
    )  # fmt: skip


def test_a_chat_hook_gets_text_without_a_signature_and_without_markup(db, inside, now, django_capture_on_commit_callbacks):
    channel(f"{inside.url}/chat", kind="chat")
    raise_one(now, django_capture_on_commit_callbacks, title="<!channel> & <http://evil|click>")
    hooks.deliver_due(now=now)
    (seen,) = inside.seen
    assert "Causeway-Signature" not in seen.headers
    text = json.loads(seen.body)["text"]
    assert text.splitlines() == [
        "Needs you: &lt;!channel&gt; &amp; &lt;http://evil|click&gt;", "Sign in again.", "http://localhost:8000/connections/1/",
    ]  # fmt: skip


def test_long_texts_are_cut_for_chats():
    text = hook_bodies.chat_text(hook_bodies.RAISED, {"title": "x", "body": "y" * 9000})
    assert len(text) == hook_bodies.LONGEST_CHAT
    assert text.endswith("…")


def test_recovery_is_told_too(db, inside, now, django_capture_on_commit_callbacks):
    channel(f"{inside.url}/hook")
    raise_one(now, django_capture_on_commit_callbacks)
    with django_capture_on_commit_callbacks(execute=True):
        alerts.recover_alert("connection:1", now=now, note="Signed in.")
    assert hooks.deliver_due(now=now) == 2
    assert [json.loads(each.body)["event"] for each in inside.seen] == ["alert.raised", "alert.recovered"]
    assert json.loads(inside.seen[1].body)["note"] == "Signed in."


@pytest.mark.parametrize(("wants", "severity", "count"), [(False, "warning", 0), (True, "warning", 1), (False, "action", 1)])
def test_warnings_go_only_to_channels_that_want_them(
    db, inside, now, wants, severity, count, django_capture_on_commit_callbacks
):
    channel(f"{inside.url}/hook", sends_warnings=wants)
    raise_one(now, django_capture_on_commit_callbacks, severity=severity)
    assert AlertDelivery.objects.count() == count


def test_a_switched_off_channel_hears_nothing(db, inside, now, django_capture_on_commit_callbacks):
    made = channel(f"{inside.url}/hook")
    raise_one(now, django_capture_on_commit_callbacks)
    AlertChannel.objects.filter(pk=made.pk).update(is_active=False)
    raise_one(now, django_capture_on_commit_callbacks, key="connection:2")
    assert hooks.deliver_due(now=now) == 0
    assert (AlertDelivery.objects.count(), inside.seen) == (1, [])


def test_r_024_fifty_at_once_are_one_message_here_too(db, inside, now, django_capture_on_commit_callbacks):
    channel(f"{inside.url}/hook")
    for n in range(50):
        raise_one(now, django_capture_on_commit_callbacks, key=f"connection:{n}", gather=True)
    with django_capture_on_commit_callbacks(execute=True):
        alerts.send_due_alerts(now=now + timedelta(minutes=2))
    assert AlertDelivery.objects.count() == 1


# --- bounds --------------------------------------------------------------------------------------------------------------


def test_i_09_five_attempts_with_growing_waits_then_it_is_given_up(db, inside, now, django_capture_on_commit_callbacks):
    inside.tell("/hook", Told(503))
    channel(f"{inside.url}/hook")
    raise_one(now, django_capture_on_commit_callbacks)
    tried = []
    for minute in range(200):
        before = len(inside.seen)
        hooks.deliver_due(now=now + timedelta(minutes=minute))
        tried += [minute] * (len(inside.seen) - before)
    assert tried == [0, 1, 6, 21, 81]
    delivery = AlertDelivery.objects.get()
    assert (delivery.state, delivery.attempts, delivery.error) == ("failed", 5, "The receiver answered 503.")


def test_a_late_success_ends_the_attempts(db, inside, now, django_capture_on_commit_callbacks):
    inside.tell("/hook", Told(503), Told(204))
    channel(f"{inside.url}/hook")
    raise_one(now, django_capture_on_commit_callbacks)
    assert [hooks.deliver_due(now=now + timedelta(minutes=each)) for each in (0, 1, 9)] == [0, 1, 0]
    assert AlertDelivery.objects.get().state == "sent"


@pytest.mark.parametrize(("status", "tries"), [(404, 1), (410, 1), (429, 2), (408, 2), (500, 2)])
def test_refusals_that_cannot_change_are_not_repeated(db, inside, now, status, tries, django_capture_on_commit_callbacks):
    inside.tell("/hook", Told(status))
    channel(f"{inside.url}/hook")
    raise_one(now, django_capture_on_commit_callbacks)
    for minute in (0, 1):
        hooks.deliver_due(now=now + timedelta(minutes=minute))
    assert len(inside.seen) == tries


@pytest.mark.parametrize("slow", [Told(delay=60), Told(drip_headers=0.2), Told(hang_up=True)])
def test_i_09_a_slow_or_trickling_receiver_is_left_at_the_deadline(inside, slow):
    inside.tell("/slow", slow)
    target = outgoing.check_target(f"{inside.url}/slow", inner_origins=[inside.url])
    clock = time.monotonic()
    with pytest.raises(outgoing.CallFailed):
        outgoing.post(target, body=b"{}", headers={}, seconds=0.5)
    assert time.monotonic() - clock < 30


def test_a_name_service_that_hangs_is_left_at_the_deadline(monkeypatch):
    answers, asked = threading.Event(), list[threading.Thread]()

    def hang(*_, **__):
        asked.append(threading.current_thread())
        answers.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    with pytest.raises(outgoing.CallFailed, match="in time"):
        outgoing.addresses_of(outgoing.check_target("https://hooks.example.com"), seconds=0.1)
    answers.set()
    for thread in asked:  # or it would end in the middle of another test
        thread.join(60)


@pytest.mark.parametrize("trouble", [OSError("no network"), UnicodeError("label too long")])
def test_a_name_that_cannot_be_asked_for_has_no_address(monkeypatch, trouble):
    def refuse(*_, **__):
        raise trouble

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    target = outgoing.check_target("https://hooks.example.com")
    with pytest.raises(outgoing.CallFailed, match="has no address"):
        outgoing.post(target, body=b"", headers={})


def test_two_workers_send_a_message_once(db, inside, now, django_capture_on_commit_callbacks):
    channel(f"{inside.url}/hook")
    raise_one(now, django_capture_on_commit_callbacks)
    delivery = AlertDelivery.objects.get()
    assert hooks._claim(delivery, now)
    assert not hooks._claim(delivery, now)


def test_the_certificate_must_be_the_hosts(settings, tmp_path, monkeypatch):
    authority, certificate, key = ensure_certificates(tmp_path)
    secure = FaultServer()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    secure.server.socket = context.wrap_socket(secure.server.socket, server_side=True)
    secure.tell("/", Told(204))
    origin = secure.url.replace("http://127.0.0.1", "https://localhost")
    target = outgoing.check_target(f"{origin}/", inner_origins=[origin])
    with contextlib.closing(secure):
        with pytest.raises(outgoing.CallFailed, match="certificate of localhost was refused"):
            outgoing.post(target, body=b"{}", headers={})
        monkeypatch.setattr(certifi, "where", lambda: str(authority))
        assert outgoing.post(target, body=b"{}", headers={}) == 204


# --- secrets -------------------------------------------------------------------------------------------------------------


def test_i_14_address_and_secret_are_never_in_clear(db, inside, now, caplog):
    made = channel(f"{inside.url}/services/T0/B0/topsecret")
    secret = hooks.new_secret(made)
    inside.tell("/services", Told(500))
    delivery = hooks.send_test(made, by="ada", now=now)
    stored = str(list(AlertChannel.objects.values())) + str(list(AlertDelivery.objects.values())) + caplog.text
    assert "topsecret" not in stored
    assert secret not in stored
    assert made.host == "127.0.0.1"
    assert "topsecret" not in delivery.error


def test_s_007_rotation_covers_channels_and_a_moved_ciphertext_does_not_open(db, inside, now, settings):
    from cryptography.fernet import Fernet

    made, other = channel(f"{inside.url}/hook"), AlertChannel.objects.create(name="Other")
    old = bytes(made.address)
    settings.FIELD_ENCRYPTION_KEYS = [Fernet.generate_key().decode(), *settings.FIELD_ENCRYPTION_KEYS]
    assert vault.rotate_all()[1] == 0
    made.refresh_from_db()
    assert bytes(made.address) != old
    settings.FIELD_ENCRYPTION_KEYS = settings.FIELD_ENCRYPTION_KEYS[:1]
    assert hooks.send_test(made, by="ada", now=now).state == "sent"
    AlertChannel.objects.filter(pk=other.pk).update(address=bytes(made.address))
    other.refresh_from_db()
    assert "wrong row" in hooks.send_test(other, by="ada", now=now).error


def test_s_114_deliveries_are_forgotten_after_30_days(db, inside, now):
    delivery = hooks.send_test(channel(f"{inside.url}/hook"), by="ada", now=now)
    AlertDelivery.objects.filter(pk=delivery.pk).update(created_at=now - timedelta(days=31))
    assert tasks.purge()["deliveries"] == 1


# --- back office ---------------------------------------------------------------------------------------------------------

ADMIN = "/admin/integrations/alertchannel/"


def test_an_admin_configures_a_webhook_and_tests_it(ada, inside):
    form = {"name": "Pager", "kind": "webhook", "url": f"{inside.url}/hook/abc", "is_active": "on"}
    html = ada.post(f"{ADMIN}add/", form, follow=True).content.decode()
    assert "shown only this once" in html
    made = AlertChannel.objects.get()
    assert made.secret
    page = ada.get(f"{ADMIN}{made.pk}/change/").content.decode()
    assert "/hook/abc" not in page
    assert "127.0.0.1" in page
    html = ada.post(ADMIN, {"action": "send_test_alert", "_selected_action": [made.pk]}, follow=True).content.decode()
    assert "Pager took the test alert (200)" in html
    assert json.loads(inside.seen[0].body)["event"] == "alert.test"
    noted = AuditEntry.objects.filter(action__startswith="alert_channel").order_by("id").values_list("action", "actor_name")
    assert list(noted) == [("alert_channel.created", "ada"), ("alert_channel.tested", "ada")]


def test_s_025_the_form_refuses_inner_addresses_and_does_not_echo_them(ada, server):
    form = {"name": "Pager", "kind": "chat", "url": "http://169.254.169.254/latest/meta-data/", "is_active": "on"}
    html = ada.post(f"{ADMIN}add/", form).content.decode()
    assert "must begin with https" in html
    assert not AlertChannel.objects.exists()
    assert "Enter the address that alerts are sent to" in ada.post(f"{ADMIN}add/", {**form, "url": ""}).content.decode()


def test_r_019_without_an_encryption_key_the_form_says_so(ada, inside, settings):
    settings.FIELD_ENCRYPTION_KEYS = []
    form = {"name": "Pager", "kind": "chat", "url": f"{inside.url}/hook", "is_active": "on"}
    assert "FIELD_ENCRYPTION_KEYS" in ada.post(f"{ADMIN}add/", form).content.decode()
    assert not AlertChannel.objects.exists()


def test_an_empty_address_keeps_the_present_one(ada, inside, now):
    made = channel(f"{inside.url}/hook")
    ada.post(f"{ADMIN}{made.pk}/change/", {"name": "New name", "kind": "webhook", "url": "", "is_active": "on"})
    made.refresh_from_db()
    assert made.name == "New name"
    assert hooks.send_test(made, by="ada", now=now).state == "sent"


def test_a_failed_test_says_why(ada, inside):
    made = channel(f"{inside.url}/hook")
    inside.tell("/hook", Told(404))
    html = ada.post(ADMIN, {"action": "send_test_alert", "_selected_action": [made.pk]}, follow=True).content.decode()
    assert "The receiver answered 404." in html
    ada.post(
        "/admin/integrations/alertdelivery/", {"action": "send_again", "_selected_action": [AlertDelivery.objects.get().pk]}
    )
    assert AlertDelivery.objects.get().state == "waiting"


def test_s_060_a_new_secret_needs_a_fresh_sign_in_and_voids_the_old_one(ada, inside, now, settings):
    made = channel(f"{inside.url}/hook")
    old = bytes(AlertChannel.objects.get(pk=made.pk).secret)
    ada.post(ADMIN, {"action": "make_new_secret", "_selected_action": [made.pk]}, follow=True)
    new = bytes(AlertChannel.objects.get(pk=made.pk).secret)
    assert new != old
    settings.FRESH_LOGIN_MINUTES = -1
    html = ada.post(ADMIN, {"action": "make_new_secret", "_selected_action": [made.pk]}, follow=True).content.decode()
    assert "Sign in again first" in html
    assert bytes(AlertChannel.objects.get(pk=made.pk).secret) == new


def test_only_super_users_change_channels(client, cast, inside):
    made = channel(f"{inside.url}/hook")
    cast.olga.is_staff = True
    cast.olga.save()
    client.force_login(cast.olga)
    assert client.get(f"{ADMIN}add/").status_code == 403
    client.post(ADMIN, {"action": "send_test_alert", "_selected_action": [made.pk]})
    assert inside.seen == []
