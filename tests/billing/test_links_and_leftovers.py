"""Links that move, break and come back, and what stays behind in Salesforce: whoever is quicker, and whatever the scope is."""

import pytest
from django.utils import timezone

from billing import leftovers, linking, push
from billing.linking import follow_matches, link_account, on_deleted, on_merged, on_revived, unlink_account
from billing.models import AccountLink, BillingCustomer, Price
from billing.preflight import settings_of
from billing.saving import save_rows
from integrations.access import Refusal
from integrations.models import AuditEntry, Customer, RecordLink, Run, SalesforceOrg
from integrations.sync import runs

pytestmark = pytest.mark.django_db
A, B, C = (f"00100000000000{n}AAA" for n in "123")
LONG = "k" * 49  # no room for the mark of a further row


@pytest.fixture
def org() -> SalesforceOrg:
    return SalesforceOrg.objects.create(name="Production", state="connected", billing_enabled=True)


def customer(key: str) -> BillingCustomer:
    save_rows("customers", [{"id": key, "name": key.title()}], source="api", now=timezone.now())
    return BillingCustomer.objects.get(key=key)


def link(org: SalesforceOrg, owner: BillingCustomer, account: str, **more) -> AccountLink:
    return link_account(owner, org=org, account_id=account, actor=None, now=timezone.now(), **more)


def run_of(org: SalesforceOrg) -> Run:
    return Run.objects.get_or_create(org=org, job="mirror.read")[0]


def links(owner: BillingCustomer) -> list[tuple[str, int, bool, str]]:
    return list(owner.links.order_by("ordinal").values_list("account_id", "ordinal", "is_primary", "state"))


def test_mt_d3_a_lookup_is_cleared_also_where_the_last_link_takes_the_customer_out_of_scope(acme):
    acme.change(scope="linked")
    acme.save("customers", {"id": "never", "name": "Never pushed"})
    first, second = acme.accounts(2)
    made = [link(acme.org, acme.customer("acme"), each) for each in (first, second)]
    never = link(acme.org, acme.customer("never"), first)
    unlink_account(never, actor=None, now=timezone.now())
    acme.push()
    for each in made:
        unlink_account(each, actor=None, now=timezone.now())
    run = acme.push()
    assert run.state == "success", run.sentence
    fields = "Metronome_Customer_ID__c, Account__c"
    found = acme.rows(fields, "Metronome_Customer__c", "Metronome_Customer_ID__c")
    assert found == [{"Metronome_Customer_ID__c": "acme", "Account__c": None}]
    assert "customers" in {each.object.key for each in leftovers.find_leftovers(acme.org, now=timezone.now())}
    acme.writes()
    acme.push()
    assert acme.writes() == 0
    removal = runs.request_run(push.REMOVE_JOB, org=acme.org, now=timezone.now())
    removal.refresh_from_db()
    assert removal.state == "success", removal.sentence
    acme.push()
    assert acme.rows(fields, "Metronome_Customer__c", "Metronome_Customer_ID__c") == []


def test_mt_d1_junction_records_are_left_over_once_extra_rows_are_chosen(acme):
    from billing import deploying

    acme.change(many_accounts="junction", prefix="NOME__", prefix_known=True)
    deployed = deploying.request_deploy(acme.org, user=None, now=timezone.now())
    deployed.refresh_from_db()
    assert deployed.state == "success", deployed.sentence
    link(acme.org, acme.customer("acme"), acme.accounts(1)[0])
    acme.push()
    junction = "SELECT count() FROM Metronome_Customer_Account__c"
    assert acme.salesforce.count(junction) == 1
    assert leftovers.find_leftovers(acme.org, now=timezone.now()) == []
    acme.change(many_accounts="rows")
    found = {each.object.key: each.rows for each in leftovers.find_leftovers(acme.org, now=timezone.now())}
    assert found == {"customer-accounts": 1}
    run = runs.request_run(push.REMOVE_JOB, org=acme.org, now=timezone.now())
    run.refresh_from_db()
    assert run.state == "success", run.sentence
    assert acme.salesforce.count(junction) == 0


def test_mt_d1_a_long_id_may_change_its_only_account(org):
    owner = customer(LONG)
    first = link(org, owner, A)
    with pytest.raises(Refusal, match="49 characters"):
        link(org, owner, B)
    unlink_account(first, actor=None, now=timezone.now())
    link(org, owner, B)
    assert links(owner) == [(B, 0, True, "active")]
    on_deleted(org, "Account", [B], run=run_of(org), now=timezone.now())
    link(org, owner, C)
    assert links(owner) == [(C, 0, True, "active")]


def test_one_customer_that_cannot_be_linked_stops_no_other(org):
    told = []
    for number, key in enumerate(("full", "acme")):
        spine = Customer.objects.create(external_id=key, name=key)
        assert customer(key).customer == spine
        RecordLink.objects.create(org=org, entity="customer", customer=spine, object="Account", rule="name",
                                  salesforce_id=f"001000000001{number:03}AAA")  # fmt: skip
    AccountLink.objects.create(  # 99 further rows were there once: no number is left
        org=org, customer=BillingCustomer.objects.get(key="full"), account_id=A, ordinal=99, state="removed", source="match"
    )
    assert follow_matches(org, now=timezone.now(), tell=lambda *row: told.append(row)) == 1
    assert [(key, code) for key, code, _ in told] == [("full", "too_many_accounts")]
    assert list(AccountLink.objects.filter(state="active").values_list("customer__key", flat=True)) == ["acme"]


def test_mt_d3_what_a_person_decided_meanwhile_is_not_undone_by_news_of_a_merge(org):
    owner = customer("acme")
    made = link(org, owner, A)
    stale = AccountLink.objects.get(pk=made.pk)
    unlink_account(made, actor=None, now=timezone.now())
    linking._move(stale, B, now=timezone.now())
    assert links(owner) == [(A, 0, False, "removed")]


def test_mt_d3_an_account_that_comes_back_after_it_was_unlinked_stays_unlinked(org):
    owner = customer("acme")
    made = link(org, owner, A)
    on_deleted(org, "Account", [A], run=run_of(org), now=timezone.now())
    unlink_account(made, actor=None, now=timezone.now())
    on_revived(org, "Account", [A], run=run_of(org), now=timezone.now())
    assert links(owner) == [(A, 0, False, "removed")]


def test_mt_d3_thousands_of_accounts_may_go_merge_and_come_back_at_once(org, django_assert_max_num_queries):
    owner = customer("acme")
    link(org, owner, A)
    many = [f"001{n:012d}AAA" for n in range(1_000, 2_600)]
    run = run_of(org)
    with django_assert_max_num_queries(60):
        on_deleted(org, "Account", [*many, A], run=run, now=timezone.now())
        on_revived(org, "Account", [A, *many], run=run, now=timezone.now())
        on_merged(org, "Account", [(each, B) for each in [*many, A]], run=run, now=timezone.now())
    assert links(owner) == [(B, 0, True, "active")]


def test_prices_changed_by_the_api_are_in_the_audit_trail_and_keep_their_id(client, cast):
    client.force_login(cast.olga)
    body = {"id": "fee", "plan_id": "pro", "name": "Fee", "model": "fixed", "amount": "10"}
    assert client.post("/api/v1/billing/prices/", body, content_type="application/json").status_code == 201
    stamp = Price.objects.get().updated_at
    answer = client.patch("/api/v1/billing/prices/fee/", {"amount": "12"}, content_type="application/json")
    assert answer.status_code == 200
    assert Price.objects.get().updated_at > stamp
    answer = client.patch("/api/v1/billing/prices/fee/", {"id": "other"}, content_type="application/json")
    assert (answer.status_code, "Cannot be changed" in answer.content.decode()) == (400, True)
    assert client.delete("/api/v1/billing/prices/fee/").status_code == 204
    told = [(each.action, each.before.get("amount"), each.after.get("amount"))
            for each in AuditEntry.objects.filter(action__startswith="billing.price").order_by("pk")]  # fmt: skip
    assert told == [("billing.price", None, "10"), ("billing.price", "10", "12"), ("billing.price_deleted", "12", None)]


def test_settings_keep_what_a_check_found_at_the_same_time(org, client, cast, monkeypatch):
    from billing.api_connections import BillingSettingsSerializer

    client.force_login(cast.olga)
    settings_of(org)
    real = BillingSettingsSerializer.update

    def late(self, instance, values):
        type(instance).objects.filter(pk=instance.pk).update(prefix="NOME__", prefix_known=True)
        return real(self, instance, values)

    monkeypatch.setattr(BillingSettingsSerializer, "update", late)
    answer = client.patch(f"/api/v1/billing/settings/{org.pk}/", {"scope": "all"}, content_type="application/json")
    assert answer.status_code == 200
    found = settings_of(org)
    assert (found.scope, found.prefix, found.prefix_known) == ("all", "NOME__", True)
