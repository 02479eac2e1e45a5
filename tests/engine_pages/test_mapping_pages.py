"""The mapping pages against a real (demo) org: rules, lines with real fields, samples, versions."""

import pytest
from django.urls import reverse

from integrations.models import Attribute, Customer, Mapping, MappingVersion, SalesforceOrg

pytestmark = pytest.mark.django_db


@pytest.fixture
def edit(connected_org) -> str:
    return reverse("integrations:mapping", args=[connected_org.pk, "customer"])


@pytest.fixture
def olga(client, cast):
    client.force_login(cast.olga)
    return client


def form(**extra: str) -> dict[str, str]:
    return {"object": "Account", "prefix": "PX_", "retrieve": "on", "version": "0", "rule-sfdc_id-on": "on", **extra}


def line(number: int, direction: str, source: str, target: str, **extra: str) -> dict[str, str]:
    given = {"direction": direction, "source": source, "target": target, **extra}
    return {f"pair-{number}-{key}": value for key, value in given.items()}


def test_px_24_the_overview_lists_both_entities_of_each_connection(olga, edit) -> None:
    page = olga.get(reverse("integrations:mappings")).content.decode()
    assert "Account" in page
    assert "Contact" in page
    assert "Not set up" in page
    assert "first written at 11:00" in page


def test_px_21_px_22_the_rules_stand_numbered_in_their_order(olga, edit) -> None:
    page = olga.get(edit).content.decode()
    places = [page.index(text) for text in ("1. Salesforce id", "2. Custom field", "3. Website domain", "4. Name",
                                             "5. Domain of recent users")]  # fmt: skip
    assert places == sorted(places)


def test_px_31_a_saved_line_makes_a_version_and_its_attribute(olga, edit, cast) -> None:
    answer = olga.post(edit, {**form(**line(0, "pull", "new", "Industry", new="industry")), "verb": "save"})
    assert answer.status_code == 302, answer.content.decode()
    mapping = Mapping.objects.get()
    assert (mapping.state, mapping.version) == ("active", 1)
    assert Attribute.objects.get(entity="customer", key="industry").pulled
    assert MappingVersion.objects.get().saved_by == cast.olga


def test_px_36_a_field_without_the_prefix_is_refused_at_its_line(olga, edit) -> None:
    answer = olga.post(edit, {**form(**line(0, "push", "name", "Description")), "verb": "save"})
    page = answer.content.decode()
    assert answer.status_code == 400
    assert "Only fields that begin with PX_ are written" in page
    assert 'id="pair-0-errors"' in page
    assert not MappingVersion.objects.exists()


def test_what_was_typed_stays_when_it_cannot_be_saved(olga, edit) -> None:
    page = olga.post(
        edit, {**form(**line(3, "push", "name", "Description")), "verb": "save", "note": "my words"}
    ).content.decode()
    assert "my words" in page
    assert '<option value="Description" selected>' in page


def test_samples_of_real_records_stand_below_each_line(olga, edit) -> None:
    Customer.objects.create(external_id="c1", name="Acme Ltd")
    lines = {**line(0, "push", "name", "PX_Health__c"), **line(1, "pull", "new", "Industry", new="industry")}
    page = olga.post(edit, {**form(**lines), "verb": "preview"}).content.decode()
    assert "Acme Ltd" in page
    assert page.count('class="map-samples"') == 2
    assert not MappingVersion.objects.exists()


def test_lines_are_added_and_removed_without_script(olga, edit) -> None:
    page = olga.post(edit, {**form(**line(0, "push", "name", "PX_Health__c")), "verb": "add-push"}).content.decode()
    assert 'name="pair-1-direction" value="push"' in page
    removed = {**form(**line(0, "push", "name", "PX_Health__c", remove="on")), "verb": "add-pull"}
    assert "pair-0-source" in olga.post(edit, removed).content.decode(), "a new line takes the first free number"


def test_suggestions_come_by_name_and_save_nothing(olga, edit) -> None:
    Attribute.objects.create(entity="customer", key="health", label="Health")
    page = olga.post(edit, {**form(), "verb": "suggest"}).content.decode()
    assert "suggested; nothing is saved yet" in page
    assert "PX_Health__c" in page
    assert not MappingVersion.objects.exists()


def test_px_26_the_choices_of_a_line_follow_its_source(olga, connected_org) -> None:
    address = reverse("integrations:mapping_targets", args=[connected_org.pk, "customer"])
    query = {"line": "0", "object": "Account", "prefix": "PX_", "pair-0-direction": "push", "pair-0-source": "last_seen_at"}
    page = olga.get(address, query).content.decode()
    assert "PX_Last_Seen__c" in page
    assert "PX_Health__c" not in page
    assert olga.get(address, {**query, "line": "x"}).status_code == 404


def test_px_d12_another_object_asks_first(olga, edit, connected_org) -> None:
    olga.post(edit, {**form(**line(0, "pull", "new", "Industry", new="industry")), "verb": "save"})
    address = reverse("integrations:mapping_object", args=[connected_org.pk, "customer"])
    page = olga.get(address, {"object": "Workspace__c"}).content.decode()
    assert "This starts the mapping anew" in page
    assert "resets 1 field lines" in page
    olga.post(address, {"object": "Workspace__c"})
    assert Mapping.objects.get().version == 1, "without the confirmation nothing changes"
    olga.post(address, {"object": "Workspace__c", "confirmed": "yes"})
    assert MappingVersion.objects.get(number=2).body["object"] == "Workspace__c"


def test_versions_are_compared_and_come_back(olga, edit, connected_org) -> None:
    olga.post(edit, {**form(**line(0, "pull", "new", "Industry", new="industry")), "verb": "save", "note": "first"})
    olga.post(edit, {**form(version="1"), "verb": "save"})
    address = reverse("integrations:mapping_versions", args=[connected_org.pk, "customer"])
    page = olga.get(address).content.decode()
    assert "first" in page
    assert "Industry from Industry" in page
    olga.post(reverse("integrations:mapping_revert", args=[connected_org.pk, "customer", 1]))
    assert Mapping.objects.get().version == 3


def test_a_version_saved_meanwhile_is_not_overwritten(olga, edit) -> None:
    olga.post(edit, {**form(**line(0, "pull", "new", "Industry", new="industry")), "verb": "save"})
    answer = olga.post(edit, {**form(version="0"), "verb": "save"})
    assert answer.status_code == 400
    assert "was saved meanwhile" in answer.content.decode()


def test_r_281_a_file_that_is_none_changes_nothing(olga, edit, connected_org) -> None:
    from django.core.files.uploadedfile import SimpleUploadedFile

    address = reverse("integrations:mapping_import", args=[connected_org.pk, "customer"])
    bad = SimpleUploadedFile("m.json", b'{"format": 99}', content_type="application/json")
    page = olga.post(address, {"file": bad}, follow=True).content.decode()
    assert "nothing was changed" in page
    good = olga.get(reverse("integrations:mapping_file", args=[connected_org.pk, "customer"])).content
    page = olga.post(address, {"file": SimpleUploadedFile("m.json", good)}).content.decode()
    assert "it counts once you save it" in page
    assert not Mapping.objects.filter(version__gt=0).exists()


def test_r_281_what_a_file_names_and_nobody_here_knows_stays_visible_as_a_problem(olga, edit, connected_org) -> None:
    import json

    from django.core.files.uploadedfile import SimpleUploadedFile

    Attribute.objects.create(entity="customer", key="health", label="Health")
    file = json.loads(olga.get(reverse("integrations:mapping_file", args=[connected_org.pk, "customer"])).content)
    plain = {"accept_lossy": False, "cut": False, "values": {}}
    file["pairs"] = [
        {"direction": "push", "source": "attributes.elsewhere", "target": "PX_Health__c", **plain},
        {"direction": "push", "source": "attributes.health", "target": "PX_Elsewhere__c", **plain},
        {"direction": "pull", "source": "attributes.industry", "target": "Industry", **plain},
    ]
    address = reverse("integrations:mapping_import", args=[connected_org.pk, "customer"])
    page = olga.post(address, {"file": SimpleUploadedFile("m.json", json.dumps(file).encode())}).content.decode()
    assert '<option value="attributes.elsewhere" selected>' in page
    assert "There is no product field attributes.elsewhere." in page
    assert '<option value="PX_Elsewhere__c" selected>' in page
    assert "has no field PX_Elsewhere__c" in page
    assert 'value="industry"' in page, "an attribute that can be made is one to be made"
    assert 'id="pair-2-errors"' not in page
    answer = olga.post(edit, {**form(**line(0, "push", "attributes.elsewhere", "PX_Health__c")), "verb": "save"})
    assert answer.status_code == 400
    assert '<option value="attributes.elsewhere" selected>' in answer.content.decode()


def test_px_19_the_connection_leads_to_matching_and_mapping(olga, connected_org) -> None:
    page = olga.get(reverse("integrations:connection", args=[connected_org.pk])).content.decode()
    for entity in ("customer", "end_user"):
        assert f'href="{reverse("integrations:mapping", args=[connected_org.pk, entity])}"' in page


def test_px_20_px_23_users_have_their_own_switch_and_the_rule_email(olga, connected_org) -> None:
    page = olga.get(reverse("integrations:mapping", args=[connected_org.pk, "end_user"])).content.decode()
    places = [page.index(text) for text in ("1. Salesforce id", "2. Custom field", "3. E-mail", "4. Phone")]
    assert places == sorted(places)
    assert 'name="rule-email-on"' in page
    assert 'name="retrieve"' in page


def test_px_25_fields_are_mapped_once_the_connection_is_authorized(olga, db) -> None:
    new = SalesforceOrg.objects.create(name="Not yet", login_url="https://acme.my.salesforce.com")
    page = olga.get(reverse("integrations:mapping", args=[new.pk, "customer"])).content.decode()
    assert "Salesforce could not be asked" in page
    answer = olga.post(reverse("integrations:mapping", args=[new.pk, "customer"]), {**form(), "verb": "save"})
    assert answer.status_code == 400
    assert not MappingVersion.objects.exists()
    page = olga.get(reverse("integrations:connection", args=[new.pk])).content.decode()
    assert reverse("integrations:mapping", args=[new.pk, "customer"]) not in page


def test_a_connection_that_is_down_is_said_and_nothing_is_lost(olga, edit, connected_org, demo_org) -> None:
    type(connected_org).objects.filter(pk=connected_org.pk).update(state="needs_reauthorization")
    page = olga.post(edit, {**form(**line(0, "push", "name", "PX_Health__c")), "verb": "preview"})
    assert page.status_code == 200
    assert "Salesforce could not be asked" in page.content.decode()


def test_analysts_look_and_do_not_change(client, cast, edit) -> None:
    client.force_login(cast.ana)
    page = client.get(edit).content.decode()
    assert 'value="save"' not in page
    client.post(edit, {**form(), "verb": "save"})
    assert not MappingVersion.objects.exists()
