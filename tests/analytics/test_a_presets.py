"""Presets, guesses by name and type, paths to accounts, and the check of a map: all of it pure, on described objects."""

from dataclasses import replace

import pytest

from analytics.attributes import editing, presets, reading
from analytics.attributes.body import EMPTY, MapBody, Source, Step, Where, as_json, fields_needed
from analytics.attributes.catalogue import BY_KEY, CATALOGUE
from analytics.attributes.checking import misfit
from analytics.attributes.guessing import best, campaign_state_of, contract_type_of, plain, wrong_type
from analytics.attributes.paths import choose_paths
from integrations.salesforce.describe import FieldInfo, ObjectInfo, read_object
from integrations.sync.mapping.problems import ProblemsFound


def described(name: str, *fields: str) -> ObjectInfo:
    """An object from lines such as `Seats__c double`, `AccountId reference>Account`, `Type picklist New|Renewal`."""
    rows = []
    for line in ("Id id", "CreatedDate datetime", "SystemModstamp datetime", *fields):
        field, kind, *values = line.split(" ", 2)
        kind, _, target = kind.partition(">")
        picks = [{"value": each, "label": each, "active": True} for each in values[0].split("|")] if values else []
        rows.append({
            "name": field, "label": field.removesuffix("__c").replace("_", " "), "type": kind, "custom": field.endswith("__c"),
            "referenceTo": target.split(",") if target else [], "picklistValues": picks,
        })  # fmt: skip
    return read_object({"name": name, "label": name, "custom": name.endswith("__c"), "queryable": True, "fields": rows})


def org_of(*objects: ObjectInfo) -> dict[str, ObjectInfo]:
    return {each.name: each for each in objects}


ACCOUNT = described(
    "Account", "Name string", "Industry picklist Retail|Energy", "BillingState string", "BillingCountry string",
    "AccountSource picklist Web", "Customer_Since__c date", "Churned_On__c date", "Trial_Start__c date", "Seats__c double",
)  # fmt: skip
SALES = org_of(
    ACCOUNT,
    described("Contact", "AccountId reference>Account", "Email email"),
    described("Lead", "ConvertedAccountId reference>Account"),
    described("Opportunity", "AccountId reference>Account", "CloseDate date", "IsWon boolean", "Amount currency",
              "LeadSource picklist Web", "Type picklist New|Renewal", "Term_Months__c double"),
    described("OpportunityLineItem", "OpportunityId reference>Opportunity", "Product2Id reference>Product2", "TotalPrice currency",
              "Quantity double", "ServiceDate date"),
    described("Product2", "Name string", "Family picklist Platform|Training"),
    described("Case", "AccountId reference>Account", "Type picklist Problem", "ClosedDate datetime"),
    described("Campaign", "Name string", "Type picklist Email", "StartDate date"),
    described("CampaignMember", "CampaignId reference>Campaign", "ContactId reference>Contact", "LeadId reference>Lead",
              "Status picklist Sent|Opened|Clicked|Planned"),
)  # fmt: skip
ORDERS = SALES | org_of(
    described("Order", "AccountId reference>Account", "EffectiveDate date", "EndDate date", "StatusCode picklist Activated"),
    described("OrderItem", "OrderId reference>Order", "Product2Id reference>Product2", "TotalPrice currency", "Quantity double",
              "ServiceDate date", "EndDate date"),
)  # fmt: skip
CPQ = SALES | org_of(
    described("SBQQ__Subscription__c", "SBQQ__Account__c reference>Account", "SBQQ__NetPrice__c currency",
              "SBQQ__StartDate__c date", "SBQQ__EndDate__c date", "SBQQ__ProductName__c string", "SBQQ__Quantity__c double"),
)  # fmt: skip
CUSTOM = org_of(
    ACCOUNT,
    described("Subscription__c", "Customer__c reference>Account", "MRR__c currency", "Start_Date__c date", "End_Date__c date",
              "Product__c reference>Product2"),
    described("Product2", "Name string"),
    described("Survey_Answer__c", "Account__c reference>Account", "CSAT__c double", "Submitted_On__c datetime"),
)  # fmt: skip


def test_fz_d3_default_sources_of_a_sales_org():
    found = presets.choose("standard_sales", SALES).body
    started = found.get("started_on")
    assert (started.object, started.fields, started.pick, started.order_by) == (
        "Opportunity",
        ("CloseDate",),
        "first",
        "CloseDate",
    )
    assert started.where == (Where("IsWon", "=", ("true",)),)
    assert (started.otherwise.object, started.otherwise.fields) == ("Account", ("CreatedDate",))
    assert found.get("industry").fields == ("Industry",)
    assert found.get("region").fields == ("BillingState", "BillingCountry")
    assert found.get("source").fields == ("LeadSource",)
    assert found.get("source").otherwise.fields == ("AccountSource",)
    assert (found.get("product_name").holder, found.get("product_name").fields) == ("Product2", ("Name",))
    assert found.get("contract_type").values == {"Platform": "recurring", "Training": "one_time"}
    assert found.get("campaign_state").values == {"Sent": "sent", "Opened": "opened", "Clicked": "clicked", "Planned": ""}
    assert found.get("campaign_date").fields == ("StartDate",)
    assert (found.get("ticket_created").fields, found.get("ticket_type").fields) == (("CreatedDate",), ("Type",))


def test_fz_d3_what_has_no_default_is_unmapped_unless_a_name_says_it():
    bare = org_of(described("Account", "Name string", "Industry picklist A"))
    found = presets.choose("standard_sales", bare)
    for key in ("trial_start", "churn_date", "winback_date", "csat_score", "ces_score", "seats"):
        assert not found.body.is_mapped(key)
        assert found.notes[key].state == "missing"
    assert found.body.get("started_on") == Source("Account", ("CreatedDate",))


def test_fz_d2_each_preset_finds_its_own_transactions():
    wanted = {
        "standard_sales": (SALES, "OpportunityLineItem"), "orders_assets": (ORDERS, "OrderItem"),
        "cpq": (CPQ, "SBQQ__Subscription__c"), "custom": (CUSTOM, "Subscription__c"),
    }  # fmt: skip
    for preset, (objects, name) in wanted.items():
        body = presets.choose(preset, objects).body
        group = body.group("transactions")
        assert group is not None, preset
        assert group.object == name
        assert {"tx_amount", "tx_start", "product_name"} <= set(group.sources), preset
        assert reading.read_body(as_json(body), objects) == body
    assert presets.choose("custom", CUSTOM).body.settings["tx_amount_is"] == "monthly"
    assert presets.choose("custom", CUSTOM).body.get("csat_date").fields == ("Submitted_On__c",)


@pytest.mark.parametrize("preset", presets.PRESETS)
def test_fz_d2_presets_choose_only_what_can_be_read(preset):
    for objects in (SALES, ORDERS, CPQ, CUSTOM, org_of(ACCOUNT), {}):
        filled = presets.choose(preset, objects)
        assert reading.read_body(as_json(filled.body), objects) == filled.body
        assert set(filled.notes) == set(BY_KEY)


def test_fz_20_to_52_every_wanted_attribute_is_in_the_catalogue():
    wanted = [f"FZ-{n}" for n in (*range(20, 26), *range(30, 39), *range(40, 48), *range(50, 53))]
    known = [each.ref for each in CATALOGUE if each.ref]
    assert sorted(set(known)) == wanted
    assert known.count("FZ-50") == 2  # name and type
    assert {each.group for each in CATALOGUE if each.ref} == {"account", "revenue", "health", "messaging"}


def test_names_are_understood_however_they_are_written():
    assert plain("Customer_Since__c") == plain("customerSince") == plain("acme__CustomerSince__c") == "customer since"
    info = described(
        "Account", "acme__ChurnDate__c date", "Churn_Reason__c string", "Seat_Count__c double", "PaidSince__c datetime"
    )
    assert best(info, "churn_date").name == "acme__ChurnDate__c"
    assert best(info, "seats").name == "Seat_Count__c"
    assert best(info, "paid_start").name == "PaidSince__c"


def test_a_name_that_fits_with_a_type_that_does_not_is_told():
    info = described("Account", "Customer_Since__c string")
    assert best(info, "paid_start") is None
    assert wrong_type(info, "paid_start") == "A date is needed here: Customer_Since__c is text."
    note = presets.choose("standard_sales", org_of(info)).notes["paid_start"]
    assert (note.state, note.words) == ("wrong_type", "A date is needed here: Customer_Since__c is text.")


def test_fields_that_we_fill_ourselves_are_not_taken():
    info = described("Account", "NPS__c double", "PX_NPS_Score__c double")
    filled = presets.choose("standard_sales", org_of(info), ours=["Account.NPS__c", "Account.PX_NPS_Score__c"])
    assert not filled.body.is_mapped("nps_score")
    assert presets.choose("standard_sales", org_of(info)).body.get("nps_score").fields == ("NPS__c",)


def test_a_score_is_preferred_to_what_is_calculated_from_it():
    rows = described("NPS_Response__c", "Account__c reference>Account", "Score__c double", "Answered_On__c datetime")
    points = FieldInfo("NPS_Points__c", "NPS Points", "double", calculated=True, custom=True)
    info = replace(rows, fields=(points, *rows.fields))
    body = presets.choose("standard_sales", org_of(ACCOUNT, info)).body
    assert (body.get("nps_score").fields, body.get("nps_date").fields) == (("Score__c",), ("Answered_On__c",))


def test_campaign_members_reach_accounts_as_contacts_and_as_converted_leads():
    first, other = choose_paths(SALES, "CampaignMember")
    assert first == (Step("ContactId", "Contact"), Step("AccountId", "Account"))
    assert other == (Step("LeadId", "Lead"), Step("ConvertedAccountId", "Account"))
    assert choose_paths(SALES, "Account") == ((), ())
    assert choose_paths(SALES, "Campaign") is None
    assert choose_paths(SALES, "OpportunityLineItem")[0] == (Step("OpportunityId", "Opportunity"), Step("AccountId", "Account"))


@pytest.mark.parametrize(("value", "kind"), [
    ("Annual subscription", "recurring"), ("One-time", "one_time"), ("Professional Services", "one_time"), ("Free Trial", "trial"),
    ("Existing Customer - Renewal", "recurring"),
])  # fmt: skip
def test_contract_types_of_picklist_values(value, kind):
    assert contract_type_of(value) == kind


@pytest.mark.parametrize(("value", "state"), [
    ("Sent", "sent"), ("Email Opened", "opened"), ("Clicked link", "clicked"), ("Delivered", "delivered"), ("Planned", ""),
    ("Attended", "responded"), ("Bounced", ""),
])  # fmt: skip
def test_fz_52_states_of_campaign_members(value, state):
    assert campaign_state_of(value) == state


def test_a_map_survives_its_json_form():
    body = presets.choose("standard_sales", SALES).body
    assert reading.read_body(as_json(body)) == body
    assert reading.read_body(as_json(EMPTY)) == EMPTY


def test_all_problems_of_a_map_are_told_at_once_with_their_paths():
    data = {
        "attributes": {
            "industry": {"object": "Account", "fields": ["Nothing__c"]},
            "seats": {"object": "Account", "fields": ["Industry"]},
            "plan": {"object": "Nowhere__c", "fields": ["X"]},
            "ticket_type": {"object": "Campaign", "fields": ["Type"]},
            "churn_date": {"object": "Account", "fields": ["Churned_On__c"], "where": [{"field": "Seats__c", "op": ">", "values": ["x"]}]},
            "campaign_state": {"object": "CampaignMember", "fields": ["Status"], "values": {"Sent": "flown"},
                               "path": [{"field": "ContactId", "object": "Contact"}]},
        },
        "settings": {},
    }  # fmt: skip
    with pytest.raises(ProblemsFound) as caught:
        reading.read_body(data, SALES)
    found = {each.path: each.code for each in caught.value.problems}
    assert found["attributes.industry.fields[0]"] == "unknown_field"
    assert found["attributes.seats.fields[0]"] == "wrong_type"
    assert found["attributes.plan.object"] == "unknown_object"
    assert found["attributes.ticket_type.path"] == "no_account"
    assert found["attributes.churn_date.where[0].values"] == "bad_value"
    assert found["attributes.campaign_state.values"] == "unknown_result"
    assert found["attributes.campaign_state.path"] == "no_account"


def test_a_body_of_another_shape_is_refused_with_paths():
    data = {
        "attributes": {"industry": {"object": "A b", "fields": []}, "speed": None}, "settings": {"default_months": 0}, "more": 1,
    }  # fmt: skip
    with pytest.raises(ProblemsFound) as caught:
        reading.read_body(data)
    paths = {each.path for each in caught.value.problems}
    assert {
        "more", "attributes.speed", "attributes.industry.object", "attributes.industry.fields", "settings.default_months"
    } <= paths  # fmt: skip


def test_attributes_of_one_record_group_stand_on_one_object():
    body = presets.choose("standard_sales", SALES).body
    moved, gone = editing.with_source(
        body, "tx_amount", Source("Opportunity", ("Amount",), path=(Step("AccountId", "Account"),))
    )
    assert {"Begin of service", "Product name", "Quantity"} <= set(gone)
    assert moved.group("transactions").object == "Opportunity"
    mixed = MapBody({**body.attributes, "tx_amount": Source("Opportunity", ("Amount",), path=(Step("AccountId", "Account"),))})
    with pytest.raises(ProblemsFound, match="choose a field of it"):
        reading.read_body(as_json(mixed), SALES)


def test_conditions_of_the_main_attribute_hold_for_its_whole_group():
    body = presets.choose("standard_sales", SALES).body
    amount = body.get("tx_amount")
    where = (*amount.where, Where("Type", "=", ("New",), (Step("OpportunityId", "Opportunity"),)))
    changed, gone = editing.with_source(body, "tx_amount", replace(amount, where=where))
    assert gone == []
    assert all(source.where == where for source in changed.group("transactions").sources.values())


def test_fz_d13_contacts_bring_no_personal_field_unless_it_is_mapped():
    body = presets.choose("standard_sales", SALES).body
    assert not body.is_mapped("contact_email")
    assert "Email" not in fields_needed(body)["Contact"]
    mail = Source("Contact", ("Email",), path=(Step("AccountId", "Account"),))
    mapped, _ = editing.with_source(body, "contact_email", mail)
    assert "Email" in fields_needed(mapped)["Contact"]


@pytest.mark.parametrize(("key", "kind", "fits"), [
    ("churn_date", "date", True), ("churn_date", "string", False), ("seats", "double", True), ("seats", "string", False),
    ("linking_id", "string", True), ("linking_id", "boolean", False), ("industry", "picklist", True), ("industry", "address", False),
    ("contact_email", "email", True), ("contact_email", "date", False),
])  # fmt: skip
def test_fz_d2_type_check_of_a_field(key, kind, fits):
    assert (misfit(BY_KEY[key], FieldInfo("X__c", "X", kind)) == "") is fits


def test_names_of_fields_in_forms_lead_back_to_the_same_field():
    of = (Step("OpportunityId", "Opportunity"), Step("AccountId", "Account"))
    assert editing.decode(editing.encode(of, "Industry")) == (of, "Industry")
    assert editing.decode("Industry") == ((), "Industry")
    with pytest.raises(ValueError, match="names no field"):
        editing.decode("a.b")
