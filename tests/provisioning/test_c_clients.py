"""The client modules for callers, in Python and JavaScript, against a real server: local answers, refresh, fallback, usage."""

import json
import shutil
import subprocess
import time
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from django.utils import timezone

from integrations.api_keys import create_key
from integrations.models import Customer
from provisioning.clients.causeway_entitlements import Entitlements, EntitlementsError
from provisioning.models import Feature, PromotionalGrant, UsageReport, UsageWindow

pytestmark = pytest.mark.django_db(transaction=True)
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture
def key(admin_user) -> str:
    return create_key(owner=admin_user, name="k", scopes=["entitlements:read", "entitlements:write"], expires=None)[1]


@pytest.fixture
def acme() -> Customer:
    customer = Customer.objects.create(external_id="acme", name="Acme")
    for name, kind, limit in (("sso", "boolean", None), ("seats", "numeric", 5), ("calls", "metered", 10)):
        feature = Feature.objects.create(key=f"feature-{name}", name=name.upper(), kind=kind)
        PromotionalGrant.objects.create(
            customer=customer, feature=feature, limit=limit, starts_at=timezone.now() - timedelta(days=1)
        )
    return customer


@pytest.fixture
def clients():
    made: list[Entitlements] = []

    def make(url: str, key: str = "x", **options) -> Entitlements:
        made.append(Entitlements(url, key, **{"timeout": 5, **options}))
        return made[-1]

    yield make
    for each in made:
        each._buffer.clear()
        each.close(0)


def test_checks_are_answered_from_memory(live_server, key, acme, clients):
    client = clients(live_server.url, key)
    assert client.check("acme", "feature-sso").granted
    client._api = NOWHERE  # whatever is asked now is known already
    assert client.check("acme", "feature-sso")
    seats = client.check("acme", "feature-seats")
    assert (seats.limit, seats.granted, seats.usage) == (Decimal(5), True, None)
    assert [bool(client.check("acme", "feature-seats", each)) for each in (5, 6)] == [True, False]
    calls = client.check("acme", "feature-calls")
    assert (calls.usage, calls.remaining) == (Decimal(0), Decimal(10))
    assert not client.check("acme", "feature-calls", 11)
    assert set(client.list("acme")) == {"feature-sso", "feature-seats", "feature-calls"}


def test_st_d19_what_is_not_known_is_denied_or_falls_back_and_says_so(live_server, key, acme, clients):
    client = clients(live_server.url, key, fallbacks={"feature-new": True})
    unknown = client.check("acme", "feature-none")
    assert (unknown.granted, unknown.reason, unknown.is_fallback) == (False, "feature_not_found", False)
    assert client.check("nobody", "feature-sso").reason == "customer_not_found"
    assert client.check("acme", "feature-new") == client.check("acme", "feature-new")._replace(granted=True, is_fallback=True)
    told: list[Exception] = []
    away = clients(NOWHERE, fallbacks={"feature-sso": True}, on_error=told.append, timeout=0.5)
    assert away.check("acme", "feature-sso").is_fallback
    assert not away.check("acme", "feature-seats")
    assert isinstance(told[0], EntitlementsError)


def test_the_last_answer_stays_while_the_server_is_away_and_not_for_ever(live_server, key, acme, clients):
    now = [1000.0]
    client = clients(live_server.url, key, clock=lambda: now[0], refresh=30.0, max_stale=3600.0)
    assert not client.check("acme", "feature-sso").is_stale
    client._closed = True  # nobody refreshes
    now[0] += 120
    assert client.check("acme", "feature-sso").is_stale
    assert client.check("acme", "feature-sso").granted
    now[0] += 3600
    assert client.check("acme", "feature-sso").reason == "stale"
    client._closed = False


def test_a_refresh_that_brings_nothing_new_costs_a_304(live_server, key, acme, clients):
    client = clients(live_server.url, key)
    client.check("acme", "feature-sso")
    known = client._known["acme"]
    assert client._fetch("acme", known) is known
    PromotionalGrant.objects.filter(feature__key="feature-sso").update(revoked_at=timezone.now())
    fresh = client._fetch("acme", known)
    assert fresh is not known
    assert not client.check("acme", "feature-sso")


def test_reports_are_buffered_counted_once_and_seen_at_once(live_server, key, acme, clients):
    client = clients(live_server.url, key)
    client.check("acme", "feature-calls")
    assert client.report("acme", "feature-calls", 4, key="one")
    assert client.report("acme", "feature-calls", 4, key="one")
    assert client.check("acme", "feature-calls").usage == 8  # here both count until the server has spoken
    assert client.flush()
    assert UsageWindow.objects.get().used == 4
    client._fetch("acme", client._known["acme"])
    assert client.check("acme", "feature-calls").usage == 4


def test_the_thread_sends_and_refreshes_by_itself(live_server, key, acme, clients):
    client = clients(live_server.url, key, refresh=0.2)
    client.check("acme", "feature-calls")
    client.report("acme", "feature-calls", 3)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and (client._buffer or client._known["acme"].pending):
        time.sleep(0.05)
    assert client.check("acme", "feature-calls").usage == 3
    assert UsageReport.objects.count() == 1


def test_reports_wait_while_the_server_is_away_within_a_bound(acme, clients):
    client = clients(NOWHERE, max_buffered=2, timeout=0.2)
    assert [client.report("acme", "feature-calls", 1) for _ in range(3)] == [True, True, False]
    assert client.dropped == 1
    assert not client.flush(0.1)
    assert len(client._buffer) == 2


def test_a_report_that_the_server_refuses_is_told_and_does_not_block(live_server, key, acme, clients):
    told: list[Exception] = []
    client = clients(live_server.url, key, on_error=told.append)
    client.report("acme", "feature-sso", 1)
    client.report("acme", "feature-calls", 2)
    assert client.flush()
    assert [getattr(each, "code", "") for each in told] == ["not_metered"]
    assert UsageWindow.objects.get().used == 2


def test_st_d20_consuming_asks_the_server(live_server, key, acme, clients):
    client = clients(live_server.url, key)
    assert [bool(client.consume("acme", "feature-calls", 6)) for _ in range(2)] == [True, False]
    once = [client.consume("acme", "feature-calls", 1, key="k").usage for _ in range(2)]
    assert once == [7, 7]
    with pytest.raises(EntitlementsError) as refused:
        client.consume("nobody", "feature-calls")
    assert refused.value.code == "customer_not_found"
    with pytest.raises(EntitlementsError) as away:
        clients(NOWHERE, timeout=0.2).consume("acme", "feature-calls")
    assert (away.value.code, away.value.status) == ("unreachable", 0)


@pytest.mark.parametrize("amount", ["many", float("nan"), float("inf"), None])
def test_an_amount_that_is_no_number_is_refused_at_once(clients, amount):
    with pytest.raises(ValueError, match="amount"):
        clients(NOWHERE).report("acme", "feature-calls", amount)


def test_wrong_addresses_are_refused():
    with pytest.raises(ValueError, match="https"):
        Entitlements("causeway.example.com", "k")


def test_it_needs_nothing_but_the_standard_library():
    import ast
    import sys

    tree = ast.parse(Path("provisioning/clients/causeway_entitlements.py").read_text())
    names = {each.module if isinstance(each, ast.ImportFrom) else each.names[0].name
             for each in ast.walk(tree) if isinstance(each, ast.Import | ast.ImportFrom)}  # fmt: skip
    assert {name.split(".")[0] for name in names} <= set(sys.stdlib_module_names)


SCRIPT = """
const CausewayEntitlements = require(process.argv[1]);
(async () => {
  const [url, apiKey] = process.argv.slice(2);
  const errors = [];
  const client = CausewayEntitlements({ url, apiKey, timeout: 10, fallbacks: { "feature-new": true }, onError: (e) => errors.push(e.code) });
  const out = { before: client.check("acme", "feature-new") };
  out.ready = [await client.ready("acme"), await client.ready("nobody")];
  out.sso = client.check("acme", "feature-sso").granted;
  out.seats = [5, 6].map((n) => client.check("acme", "feature-seats", n).granted);
  out.unknown = [client.check("acme", "feature-none").reason, client.check("nobody", "feature-sso").reason];
  client.report("acme", "feature-calls", 4, { key: "js-one" });
  out.local = client.check("acme", "feature-calls").usage;
  await client.flush();
  out.consumed = [await client.consume("acme", "feature-calls", 6), await client.consume("acme", "feature-calls", 1)].map((r) => r.granted);
  client.report("acme", "feature-sso", 1);
  await client.close();
  out.errors = errors;
  const away = CausewayEntitlements({ url: "http://127.0.0.1:9", apiKey, timeout: 0.3 });
  out.away = [await away.ready("acme"), away.check("acme", "feature-sso").reason];
  await away.close();
  console.log(JSON.stringify(out));
})();
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="Node is not installed")
def test_the_javascript_client(live_server, key, acme):
    path = str(Path("static/snippet/entitlements.js").resolve())
    command = ["node", "-e", SCRIPT, path, live_server.url, key]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["before"] == {"feature": "feature-new", "granted": True, "reason": "", "fallback": True, "limit": None}
    assert found["ready"] == [True, False]
    assert (found["sso"], found["seats"], found["local"]) == (True, [True, False], "4")
    assert found["unknown"] == ["feature_not_found", "customer_not_found"]
    assert found["consumed"] == [True, False]
    assert found["errors"] == ["not_metered"]
    assert found["away"] == [False, "unreachable"]
