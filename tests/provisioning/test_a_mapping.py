"""Products of Salesforce and where they lead: judged, shown, written onto Product2 through the outbox, undone."""

from dataclasses import replace

import pytest
from django.utils import timezone

from integrations.access import Refusal
from integrations.models import OutboxRow, RowOutcome, Run
from integrations.sync import runs
from integrations.sync.outbox import undo
from integrations.sync.outbox.kinds import get
from provisioning.mapping import kind, leads, saving
from provisioning.mapping.judging import ASIDE, BROKEN, MAPPED, UNMAPPED, Ids, ProductFacts, judge
from provisioning.mapping.saving import BadMappings, Wish
from provisioning.models import ProductMapping
from provisioning.salesforce import checking

IDS = Ids(
    {"plan-pro": "Pro"},
    {"addon-gb": "Storage"},
    {"feature-calls": "Calls"},
    {"plan-old": "is archived; restore it", "plan-new": "is a draft; publish it first"},
)


def product(type_: str = "", ref: str = "", **more) -> ProductFacts:
    return ProductFacts("01t000000000001AAA", "Pro, annual", type=type_, ref=ref, **{"price": "priced", **more})


@pytest.mark.parametrize(("type_", "ref", "code"), [
    ("Plan", "plan-pro", ""), ("Add-on", "addon-gb", ""), ("Entitlement", "feature-calls", ""), ("addon", "addon-gb", ""), (" PLAN ", " plan-pro ", ""),
    ("Plan", "addon-gb", "prefix_mismatch"), ("Add-on", "plan-pro", "prefix_mismatch"), ("Entitlement", "calls", "prefix_mismatch"),
    ("Plan", "plan-none", "unknown_id"), ("Entitlement", "feature-", "unknown_id"), ("Plan", "", "no_id"), ("", "plan-pro", "no_type"),
    ("Bundle", "plan-pro", "unknown_type"), ("Plan", "plan-old", "refused_id"), ("Plan", "plan-new", "refused_id"), ("Plan", "Plan-Pro", "prefix_mismatch"),
])  # fmt: skip
def test_st_20_st_21_type_and_id_must_agree_and_be_known(type_, ref, code):
    judged = judge(product(type_, ref), IDS)
    assert [each.code for each in judged.troubles] == ([code] if code else [])
    assert judged.state == (BROKEN if code else MAPPED)
    assert all(each.message and each.fix for each in judged.troubles)
    if not code:
        assert judged.name in ("Pro", "Storage", "Calls")


def test_near_misses_are_named():
    assert "Did you mean plan-pro?" in judge(product("Plan", "plan-prp"), IDS).troubles[0].fix
    assert "one of an add-on" in judge(product("Plan", "addon-gb"), IDS).troubles[0].fix
    assert judge(product("Plan", "plan-new"), IDS).troubles[0].fix == "Publish it first."


def test_unmapped_products_come_first_and_those_that_nobody_sells_last():
    unmapped, aside = product(), product(active=False)
    assert [judge(each, IDS).state for each in (unmapped, aside)] == [UNMAPPED, ASIDE]
    every = [judge(each, IDS) for each in (aside, product("Plan", "plan-pro"), product("Plan", "x"), unmapped)]
    assert [each.state for each in sorted(every, key=lambda each: each.rank)] == [UNMAPPED, BROKEN, MAPPED, ASIDE]


@pytest.mark.parametrize(("more", "code"), [
    ({"active": False}, "inactive"), ({"price": "none"}, "no_price"), ({"price": "inactive"}, "no_price"), ({"price": "unknown"}, ""),
])  # fmt: skip
def test_the_frequent_set_up_mistakes_are_told(more, code):
    judged = judge(product("Plan", "plan-pro", **more), IDS)
    assert [each.code for each in judged.troubles] == ([code] if code else [])
    assert not judge(replace(product(), **more), IDS).troubles or code  # nobody cares for a product that leads nowhere


# --- with an org ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shop(office):
    """The office with products that were read."""
    office.first, office.second = office.sold("plan-basic", name="Basic"), office.sold(name="Nothing yet")
    office.ids = {each["Name"]: each["Id"] for each in office.query("SELECT Id, Name FROM Product2")}
    read(office)
    return office


def read(office) -> None:
    checking.check_now(office.org, now=timezone.now())
    run = runs.request_run("mirror.read", org=office.org, arguments={"objects": list(leads.OBJECTS)}, now=timezone.now())
    run.refresh_from_db()
    assert run.state == Run.State.SUCCESS, [
        run.sentence,
        *RowOutcome.objects.filter(run_object__run=run, outcome="failed").values_list(
            "run_object__name", "key", "code", "message"
        ),
    ]


def stored(office, name: str) -> tuple:
    row = office.query(f"SELECT Stigg_Type__c, Stigg_ID__c, Stigg_Unlimited__c FROM Product2 WHERE Id = '{office.ids[name]}'")[
        0
    ]
    return row["Stigg_Type__c"], row["Stigg_ID__c"], row["Stigg_Unlimited__c"]


def save(office, *wishes: Wish) -> Run:
    run = saving.save_mappings(office.org, wishes, actor=None, now=timezone.now())
    run.refresh_from_db()
    return run


def judged(office) -> dict[str, str]:
    return {each.product.name: each.state for each in leads.judge_products(office.org)}


def test_st_19_st_23_the_mirror_reads_the_mapping_fields_of_products_and_their_prices(shop):
    facts = leads.read_products(shop.org)
    basic = facts[shop.ids["Basic"]]
    assert (basic.type, basic.ref, basic.price, basic.active) == ("Plan", "plan-basic", "priced", True)
    assert basic.amount == "100"
    assert judged(shop)["Nothing yet"] == UNMAPPED
    assert facts[shop.ids["Legacy Desktop Client"]].price == "inactive"
    assert [(each.name, each.org) for each in leads.leading_to("plan-basic")] == [("Basic", shop.org)]


def test_st_24_a_mapping_is_written_onto_the_product_and_seen_at_once(shop):
    changes = saving.preview_mappings(
        shop.org, [Wish(shop.ids["Nothing yet"], "plan-pro"), Wish(shop.ids["Basic"], "plan-basic")]
    )
    assert [(each.before, each.after) for each in changes] == [("nothing", "Plan plan-pro")]
    assert stored(shop, "Nothing yet") == (None, None, False)
    run = save(shop, Wish(shop.ids["Nothing yet"], "plan-pro"), Wish(shop.ids["Basic"], "plan-basic"))
    assert run.state == Run.State.SUCCESS, run.sentence
    assert stored(shop, "Nothing yet") == ("Plan", "plan-pro", False)
    assert judged(shop)["Nothing yet"] == MAPPED
    assert ProductMapping.objects.get().written_at is not None
    assert saving.save_mappings(shop.org, [Wish(shop.ids["Nothing yet"], "plan-pro")], actor=None, now=timezone.now()) is None


@pytest.mark.parametrize(
    ("ref", "type_"), [("plan-pro", "Plan"), ("addon-support", "Add-on"), ("feature-calls", "Entitlement")]
)
def test_st_20_the_type_follows_from_the_id(shop, ref, type_):
    save(shop, Wish(shop.ids["Basic"], ref))
    assert stored(shop, "Basic")[:2] == (type_, ref)


def test_only_the_mapping_fields_are_written_and_only_of_the_wanted_products(shop):
    before = shop.query("SELECT Id, Name, IsActive, ProductCode, Description, SystemModstamp FROM Product2")
    save(shop, Wish(shop.ids["Nothing yet"], "feature-calls", unlimited=True))
    assert stored(shop, "Nothing yet") == ("Entitlement", "feature-calls", True)
    after = {
        each["Id"]: each
        for each in shop.query("SELECT Id, Name, IsActive, ProductCode, Description, SystemModstamp FROM Product2")
    }
    for row in before:
        if row["Id"] == shop.ids["Nothing yet"]:
            row = {**row, "SystemModstamp": after[row["Id"]]["SystemModstamp"]}
        assert after[row["Id"]] == row
    target, info = kind.target_of(shop.org), shop.salesforce.describe("Product2")
    assert not get(kind.NAME).may_write(target, _info(info), "Stigg_ID__c")
    for name in ("Name", "IsActive", "Description", "Family"):
        assert get(kind.NAME).may_write(target, _info(info), name)


def _info(data):
    from integrations.salesforce.describe import read_object

    return read_object(data)


def test_a_mapping_is_taken_away_and_the_run_undone(shop):
    run = save(shop, Wish(shop.ids["Basic"], ""))
    assert stored(shop, "Basic") == (None, None, False)
    assert judged(shop)["Basic"] == UNMAPPED
    back = undo.undo_run(run, user=None, now=timezone.now())
    back.refresh_from_db()
    assert back.state == Run.State.SUCCESS, back.sentence
    assert stored(shop, "Basic")[:2] == ("Plan", "plan-basic")


def test_a_mapping_that_somebody_changed_in_salesforce_can_be_saved_again(shop):
    save(shop, Wish(shop.ids["Nothing yet"], "plan-pro"))
    shop.update("Product2", shop.ids["Nothing yet"], Stigg_ID__c="plan-wrong")
    read(shop)
    assert judged(shop)["Nothing yet"] == BROKEN
    save(shop, Wish(shop.ids["Nothing yet"], "plan-pro"))
    assert stored(shop, "Nothing yet")[:2] == ("Plan", "plan-pro")


def test_other_field_names_are_followed(shop):
    shop.change(type_field="Family", id_field="ProductCode", unlimited_field="")
    read(shop)
    save(shop, Wish(shop.ids["Nothing yet"], "plan-pro"))
    row = shop.query(f"SELECT Family, ProductCode, Stigg_ID__c FROM Product2 WHERE Id = '{shop.ids['Nothing yet']}'")[0]
    assert (row["Family"], row["ProductCode"], row["Stigg_ID__c"]) == ("Plan", "plan-pro", None)


@pytest.mark.parametrize(("ref", "unlimited", "words"), [
    ("plan-none", False, "is not in the catalogue"), ("pro", False, "starts with none of"), ("plan-pro", True, "Only features"),
    ("feature-sso", True, "Only features with a limit"), ("", True, "Only features"),
])  # fmt: skip
def test_what_would_not_work_is_refused_before_anything_is_written(shop, ref, unlimited, words):
    with pytest.raises(BadMappings) as error:
        saving.save_mappings(
            shop.org,
            [Wish(shop.ids["Basic"], "plan-pro"), Wish(shop.ids["Nothing yet"], ref, unlimited)],
            actor=None,
            now=timezone.now(),
        )
    assert list(error.value.problems) == [shop.ids["Nothing yet"]]
    assert words in error.value.problems[shop.ids["Nothing yet"]]
    assert not ProductMapping.objects.exists()


def test_what_salesforce_refuses_is_told_at_the_product(shop):
    refusal = [{"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Not today", "fields": []}]
    shop.demo.fault(path="composite/sobjects", method="PATCH", times=1, status=200, body=[{"success": False, "errors": [
        {"statusCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "Not today", "fields": []}]}])  # fmt: skip
    run = save(shop, Wish(shop.ids["Nothing yet"], "plan-pro"))
    shop.demo.no_faults()
    wish = ProductMapping.objects.get()
    assert (wish.written_at, refusal[0]["message"] in wish.problem) == (None, True), (run.sentence, wish.problem)
    assert run.state != Run.State.SUCCESS
    again = save(shop, Wish(shop.ids["Nothing yet"], "plan-pro"))
    assert again.state == Run.State.SUCCESS, again.sentence
    assert stored(shop, "Nothing yet")[:2] == ("Plan", "plan-pro")
    assert not OutboxRow.objects.filter(target__kind=kind.NAME).exists()


def test_rows_that_stand_as_they_are_stop_nobody_and_refused_ones_wait_for_a_person(shop):
    wrong = shop.create("Product2", Name="Wrong", IsActive=True, Stigg_Type__c="Plan", Stigg_ID__c="addon-none")
    half = shop.create("Product2", Name="Half", IsActive=True, Stigg_ID__c="plan-pro")
    read(shop)
    rows = [Wish(wrong, "addon-none"), Wish(half, "plan-pro"), Wish(shop.ids["Nothing yet"], "plan-pro")]
    changes = {each.product.name: each.after for each in saving.preview_mappings(shop.org, rows)}
    assert changes == {"Half": "Plan plan-pro", "Nothing yet": "Plan plan-pro"}
    refused = ProductMapping.objects.create(org=shop.org, product_id=wrong, type="Plan", ref="plan-basic", problem="Not today")
    assert save(shop, *rows).state == Run.State.SUCCESS
    assert shop.query(f"SELECT Stigg_ID__c FROM Product2 WHERE Id = '{wrong}'")[0]["Stigg_ID__c"] == "addon-none"
    assert not ProductMapping.objects.filter(
        pk=refused.pk
    ).exists()  # the page showed the product as it is, and it was saved so


def test_st_20_the_type_is_spelled_as_the_org_spells_it(shop):
    data = shop.salesforce.describe("Product2")
    field = next(each for each in data["fields"] if each["name"] == "Stigg_Type__c")
    for choice, value in zip(field["picklistValues"], ("PLAN", "Addon", "entitlement"), strict=True):
        choice["value"] = value
    info = _info(data)
    assert [kind.spelled(word, info, "Stigg_Type__c") for word in ("Plan", "Add-on", "Entitlement", "")] == [
        "PLAN",
        "Addon",
        "entitlement",
        "",
    ]
    assert kind.spelled("Add-on", None, "Stigg_Type__c") == "Add-on"


def test_a_wish_that_nobody_has_any_more_waits_no_longer(shop, cast, client):
    product_id = shop.ids["Nothing yet"]
    ProductMapping.objects.create(org=shop.org, product_id=product_id, type="Plan", ref="plan-pro", problem="Not today")
    client.force_login(cast.olga)
    assert b"Not today" in client.get("/provisioning/mapping/?state=unmapped&text=Nothing").content
    client.post(f"/provisioning/mapping/{shop.org.pk}/preview/", {f"ref-{product_id}": ""})
    assert not ProductMapping.objects.exists()


def test_a_run_that_cannot_write_says_so_at_the_product(shop):
    shop.change(id_field="Nothing_Like_It__c")
    ProductMapping.objects.create(org=shop.org, product_id=shop.ids["Basic"], type="Plan", ref="plan-pro")
    run = shop.run(kind.JOB)
    assert (run.state, run.reason_code) == (Run.State.FAILED, "no_fields")
    assert "Nothing_Like_It__c" in ProductMapping.objects.get().problem


def test_several_standard_prices_are_counted(shop):
    with_two = shop.sold(name="Twice")
    product_id = shop.query(f"SELECT Product2Id FROM PricebookEntry WHERE Id = '{with_two}'")[0]["Product2Id"]
    shop.update("PricebookEntry", with_two, IsActive=False)
    read(shop)
    assert leads.read_products(shop.org)[product_id].price == "inactive"
    lonely = shop.create("Product2", Name="Lonely", IsActive=True, Stigg_Type__c="Plan", Stigg_ID__c="plan-pro")
    read(shop)
    judged_one = next(each for each in leads.judge_products(shop.org) if each.product.id == lonely)
    assert [each.code for each in judged_one.troubles] == ["no_price"]


def test_the_api_lists_tries_and_writes_mappings(shop, cast, client):
    client.force_login(cast.olga)
    path, product_id = f"/api/v1/catalogue/mappings/?org={shop.org.pk}", shop.ids["Nothing yet"]
    found = client.get(f"{path}&state=unmapped").json()["results"]
    assert product_id in [each["product_id"] for each in found]
    body = {"mappings": [{"product_id": product_id, "ref": "plan-pro"}]}
    tried = client.post(f"{path}&dry_run=1", body, content_type="application/json").json()
    assert (tried["changes"][0]["after"], tried["run"]) == ("Plan plan-pro", None)
    done = client.post(path, body, content_type="application/json").json()
    assert done["run"]
    assert stored(shop, "Nothing yet")[:2] == ("Plan", "plan-pro")
    for bad in (
        {"mappings": [{"product_id": product_id, "ref": "plan-none"}]},
        {"mappings": [{"ref": 5}]},
        {"mappings": 5},
        [1],
    ):
        assert client.post(path, bad, content_type="application/json").status_code == 400
    assert client.get("/api/v1/catalogue/mappings/").status_code == 400


def test_nothing_is_read_before_the_org_was_checked(connected_org):
    assert leads.needs_of(connected_org) == []
    checking.check_now(connected_org, now=timezone.now())
    asked = {need.object: need.fields for need in leads.needs_of(connected_org)}
    assert "Stigg_ID__c" not in asked["Product2"]  # it is not there, and a read must not fail for it
    assert "IsStandard" in asked["Pricebook2"]
    connected_org.provisioning_enabled = False
    assert leads.needs_of(connected_org) == []


def test_without_the_fields_nothing_is_written(connected_org, catalogue):
    checking.check_now(connected_org, now=timezone.now())
    run = runs.request_run("mirror.read", org=connected_org, arguments={"objects": list(leads.OBJECTS)}, now=timezone.now())
    run.refresh_from_db()
    first = next(iter(leads.read_products(connected_org)))
    with pytest.raises(Refusal) as error:
        saving.save_mappings(connected_org, [Wish(first, "plan-pro")], actor=None, now=timezone.now())
    assert error.value.code == "no_fields"
    assert "Stigg_ID__c, Stigg_Type__c" in error.value.message


def test_pages_of_the_mapping_show_preview_and_write(shop, cast, client):
    client.force_login(cast.olga)
    page = client.get(f"/provisioning/mapping/?org={shop.org.pk}")
    first = page.context["rows"][0]["judged"]
    assert first.state == UNMAPPED
    named = client.get(f"/provisioning/mapping/?org={shop.org.pk}&text=plan-basic")
    assert [row["judged"].product.name for row in named.context["rows"]] == ["Basic"]
    given = {f"ref-{shop.ids['Nothing yet']}": "plan-pro", f"ref-{shop.ids['Basic']}": "plan-basic"}
    shown = client.post(f"/provisioning/mapping/{shop.org.pk}/preview/", given)
    assert "Plan plan-pro" in shown.content.decode()
    assert stored(shop, "Nothing yet")[1] is None
    client.post(f"/provisioning/mapping/{shop.org.pk}/save/", {f"ref-{shop.ids['Nothing yet']}": "plan-pro"})
    assert stored(shop, "Nothing yet")[:2] == ("Plan", "plan-pro")
    bad = client.post(f"/provisioning/mapping/{shop.org.pk}/preview/", {f"ref-{shop.ids['Basic']}": "plan-none"})
    assert bad.status_code == 400
    assert "is not in the catalogue" in bad.content.decode()
    client.force_login(cast.marsha)
    assert client.get("/provisioning/mapping/").status_code == 200
    assert client.post(f"/provisioning/mapping/{shop.org.pk}/save/", given).status_code == 403


def test_the_list_is_exported_as_it_is_filtered(shop, cast, client):
    client.force_login(cast.ana)
    text = b"".join(
        client.get(f"/provisioning/mapping/export.csv?org={shop.org.pk}&text=plan-basic").streaming_content
    ).decode()
    assert [line.split(",")[1] for line in text.splitlines()] == ["name", "Basic"]
    every = b"".join(client.get("/provisioning/mapping/export.csv").streaming_content).decode()
    assert len(every.splitlines()) == len(shop.ids) + 1
    client.force_login(cast.marsha)
    assert client.get("/provisioning/mapping/export.csv").status_code == 403


def test_products_that_were_never_read_are_read_by_a_button(office, cast, client):
    client.force_login(cast.olga)
    assert b"have not been read yet" in client.get("/provisioning/mapping/").content
    client.post(f"/provisioning/mapping/{office.org.pk}/read/")
    assert b"Looking" not in client.get("/provisioning/mapping/").content
    assert client.get("/provisioning/mapping/").context["total"] > 30


def test_st_d4_a_deal_that_waited_goes_on_once_its_product_is_mapped(shop):
    deal = shop.deal(("", 1), stage="Closed Won")
    shop.call(deal)
    assert shop.provision(deal).state == "blocked"
    line = shop.query(f"SELECT Product2Id FROM OpportunityLineItem WHERE OpportunityId = '{deal}'")[0]["Product2Id"]
    read(shop)
    save(shop, Wish(line, "plan-basic"))
    assert shop.provision(deal).not_before <= timezone.now()
    shop.work()
    assert shop.provision(deal).state in ("done", "incomplete")
    assert shop.subscription(deal).product.key == "crm"
