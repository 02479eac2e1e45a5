"""Who the customer of a deal is (ST-31, ST-D8), and the callout that may name it (ST-35, ST-36, ST-D9)."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.utils import timezone

from integrations.models import Customer, RecordLink, Run
from integrations.sync.matching import forgetting, links
from integrations.sync.matching.saving import save_customers
from provisioning.models import Provision, Subscription
from provisioning.provision import callout, customers, flags, steps
from tests.provisioning.conftest import WON

pytestmark = pytest.mark.django_db


def customer(external_id: str, name: str = "") -> Customer:
    save_customers([{"external_id": external_id, "name": name or external_id}], now=timezone.now())
    return Customer.objects.get(external_id=external_id)


def test_st_d8_the_same_account_again_is_the_same_customer(office):
    account = office.account()
    first = office.deal(("plan-pro", 3), account=account, stage=WON)
    second = office.deal(("plan-mail", 1), account=account, name="Mail", stage=WON)
    assert office.call(first).json()["customer_id"] == office.call(second).json()["customer_id"] == f"sf-{account}"
    assert Customer.objects.filter(external_id__startswith="sf-").count() == 1
    assert Subscription.objects.count() == 2


def test_st_d8_the_accounts_stored_id_comes_first(office):
    known = customer("acme-inc", "Acme from the product")
    other = customer("other")
    account = office.account(Stigg_Customer_ID__c="acme-inc")
    links.link(other, org=office.org, salesforce_id=account, actor=None, now=timezone.now(), check=False)
    deal = office.deal(("plan-pro", 3), account=account, stage=WON)
    assert office.call(deal).json()["customer_id"] == "acme-inc"
    known.refresh_from_db()
    assert known.name == "Acme from the product"  # keeps its own name
    assert "linked with" in office.provision(deal).steps.get(name="customer").sentence


def test_st_d8_then_the_customer_that_is_linked_with_the_account(office):
    known, account = customer("acme-inc"), office.account()
    links.link(known, org=office.org, salesforce_id=account, actor=None, now=timezone.now(), check=False)
    deal = office.deal(("plan-pro", 3), account=account, stage=WON)
    assert office.call(deal).json()["customer_id"] == "acme-inc"
    assert RecordLink.objects.filter(org=office.org, salesforce_id=account).count() == 1


def test_st_d8_a_new_customer_is_linked_with_its_account(office):
    account = office.account()
    office.call(office.deal(("plan-pro", 3), account=account, stage=WON))
    link = RecordLink.objects.get(org=office.org, salesforce_id=account, entity="customer")
    assert link.customer.external_id == f"sf-{account}"


def test_st_d8_merged_accounts_keep_the_survivors_customer_and_flag_the_other(office):
    one, two = office.account("One"), office.account("Two")
    deals = [office.deal(("plan-pro", 3), account=each, stage=WON) for each in (one, two)]
    for deal in deals:
        office.call(deal)
    run = Run.objects.create(job="mirror.read", org=office.org, domain="mirror")
    for _ in range(2):  # the mirror may say it twice
        flags.on_merged(office.org, "Account", [(two, one)], run=run, now=timezone.now())
    first, second = (office.provision(deal) for deal in deals)
    assert (first.flag, second.flag, second.account_id) == ("", "merged", one)
    assert Subscription.objects.filter(cancelled_at=None).count() == 2
    assert first.customer_id != second.customer_id
    later = office.deal(("plan-mail", 1), account=one, name="Later", stage=WON)
    assert office.call(later).json()["customer_id"] == f"sf-{one}"
    flags.answer(second, "keep", actor=None, now=timezone.now())


def test_st_d8_a_merge_of_accounts_with_one_customer_flags_nobody(office):
    one, two = office.account("One"), office.account("Two")
    deal = office.deal(("plan-pro", 3), account=two, stage=WON)
    office.call(deal)
    run = Run.objects.create(job="mirror.read", org=office.org, domain="mirror")
    flags.on_merged(office.org, "Account", [(two, one)], run=run, now=timezone.now())
    provision = office.provision(deal)
    assert (provision.flag, provision.account_id, office.subscription(deal).account_id) == ("", one, one)
    later = office.deal(("plan-mail", 1), account=one, name="Later", stage=WON)
    assert office.call(later).json()["customer_id"] == f"sf-{two}"


# --- the callout ------------------------------------------------------------------------------------------------------------


class Product(BaseHTTPRequestHandler):
    """The application's own API."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.seen.append((self.path, dict(self.headers), json.loads(body)))
        status, answer = self.server.answers[min(len(self.server.seen), len(self.server.answers)) - 1]
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args):
        """Quiet."""


@pytest.fixture
def product(settings, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Product)
    server.seen, server.answers = [], [(200, {"account": {"id": "ws-42"}, "subscription": {"id": "plan-42"}})]
    server.url = f"http://127.0.0.1:{server.server_port}"
    settings.ALERT_HOOK_INTERNAL_ORIGINS = [server.url]
    monkeypatch.setattr(callout, "WAITS", (0.0, 0.0))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


def calls_out(office, product, **more):
    office.automate("won", callout={
        "url": f"{product.url}/workspaces", "method": "POST", "headers": [], "body": '{"name": "{{ account.Name }}"}',
        "customer_path": "account.id", "subscription_path": "subscription.id", **more,
    })  # fmt: skip


def test_st_35_st_36_the_products_resources_come_first_and_give_the_ids(office, product):
    calls_out(office, product)
    deal = office.deal(("plan-pro", 3), account=office.account('Acme "quoted"'), stage=WON)
    told = office.call(deal).json()
    assert (told["customer_id"], told["subscription_ids"]) == ("ws-42", ["plan-42"])
    [(path, headers, body)] = product.seen
    assert (path, body) == ("/workspaces", {"name": 'Acme "quoted"'})
    assert headers["Idempotency-Key"] == f"{office.org.org_id}-{deal}-contract-1"
    assert office.steps(office.provision(deal))["callout"] == "done"
    assert office.call(deal).json()["status"] == "already_done"
    assert len(product.seen) == 1


def test_st_d9_three_tries_with_one_idempotency_key(office, product):
    calls_out(office, product)
    product.answers = [(503, {}), (500, {}), (200, {"account": {"id": "ws-1"}, "subscription": {"id": "s-1"}})]
    deal = office.deal(("plan-pro", 3), stage=WON)
    assert office.call(deal).json()["status"] == "done"
    assert len({headers["Idempotency-Key"] for _, headers, _ in product.seen}) == 1
    assert office.provision(deal).steps.get(name="callout").detail["tries"] == 3


def test_st_d9_a_failed_callout_stops_before_the_customer_and_can_be_resumed(office, product, cast):
    calls_out(office, product)
    product.answers = [(500, {})] * 3 + [(200, {"account": {"id": "ws-1"}, "subscription": {"id": "s-1"}})]
    deal = office.deal(("plan-pro", 3), stage=WON)
    told = office.call(deal).json()
    provision = office.provision(deal)
    assert (told["status"], provision.state, len(product.seen)) == ("stopped", "stopped", 3)
    assert office.steps(provision) == {
        "compile": "done", "callout": "failed", "customer": "waiting", "subscription": "waiting", "write_back": "waiting",
    }  # fmt: skip
    assert not Customer.objects.filter(external_id="ws-1").exists()
    office.work()
    assert len(product.seen) == 3  # it waits for a person
    steps.resume(provision, step="callout", actor=cast.olga, now=timezone.now())
    office.work()
    assert office.provision(deal).state == "done"
    assert len({headers["Idempotency-Key"] for _, headers, _ in product.seen}) == 1


@pytest.mark.parametrize("answer", [{}, {"account": {"id": None}}, {"account": "x"}, {"account": {"id": "y" * 300}}])
def test_st_d9_an_answer_without_ids_creates_nothing(office, product, answer):
    calls_out(office, product)
    product.answers = [(200, answer)]
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.call(deal)
    provision = office.provision(deal)
    assert (provision.state, provision.reason_code) == ("stopped", "bad_answer")
    assert not Subscription.objects.exists()


def test_s_025_a_callout_into_the_inner_network_is_not_made(office, product, settings):
    calls_out(office, product)
    settings.ALERT_HOOK_INTERNAL_ORIGINS = []
    deal = office.deal(("plan-pro", 3), stage=WON)
    office.call(deal)
    assert (office.provision(deal).reason_code, product.seen) == ("bad_request", [])


def test_st_36_a_customer_that_the_callout_names_is_judged_by_what_it_has(office, product):
    calls_out(office, product, subscription_path="")
    office.call(office.deal(("plan-pro", 3), account=office.account("One"), stage=WON))
    deal = office.deal(("plan-basic", 1), account=office.account("Two"), stage=WON)
    office.call(deal)
    provision = office.provision(deal)
    assert provision.state == "blocked", provision.sentence  # the customer has that product already
    assert Subscription.objects.count() == 1
    assert Provision.objects.count() == 2


def test_i_23_a_customer_that_was_erased_on_request_does_not_come_back(office):
    account = office.account()
    forgetting.erase(customer(f"sf-{account}"), actor=None, now=timezone.now())
    deal = office.deal(("plan-pro", 3), account=account, stage=WON)
    office.call(deal)
    provision = office.provision(deal)
    assert (provision.state, provision.reason_code) == ("stopped", "customer_refused")
    assert "erased" in provision.sentence
    assert not Subscription.objects.exists()


def test_st_d8_the_mirror_watches_accounts_once_something_was_provisioned_for_them(office):
    assert flags.needs_of(office.org) == []
    office.call(office.deal(("plan-pro", 3), stage=WON))
    assert [each.object for each in flags.needs_of(office.org)] == ["Account"]


def test_i_02_a_worker_killed_after_the_callout_is_taken_over_without_a_second_one(office, product, monkeypatch):
    calls_out(office, product)
    deal = office.deal(("plan-pro", 3), stage=WON)

    class Killed(BaseException):
        pass

    def die(*args, **options):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(customers, "ensure_customer", die)
        with pytest.raises(Killed):
            office.call(deal)
    provision = office.provision(deal)
    assert (provision.state, office.steps(provision)["callout"], len(product.seen)) == ("running", "done", 1)
    office.work()
    assert office.provision(deal).state == "running"  # its lease has not ended
    Provision.objects.update(claimed_until=timezone.now())
    office.work()
    assert (office.provision(deal).state, len(product.seen)) == ("done", 1)
    assert office.subscription(deal).key == "plan-42"


def test_st_31_the_customer_of_a_won_deal_is_provisioned_once_with_the_name_of_its_account(office):
    account = office.account("Harbor Foods Ltd")
    answer = office.call(office.deal(("plan-pro", 3), account=account, stage=WON)).json()
    made = Customer.objects.get(external_id=answer["customer_id"])
    assert made.name == "Harbor Foods Ltd"
    provision = Provision.objects.get()
    assert (provision.customer, provision.steps.get(name="customer").state) == (made, "done")
    office.call(office.deal(("plan-mail", 1), account=account, name="Mail", stage=WON))
    assert Customer.objects.filter(name="Harbor Foods Ltd").count() == 1
