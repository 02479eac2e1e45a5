"""`manage.py export`, `plan` and `apply`: exit codes, what is printed, who did it, and every kind of bad file."""

import io

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.utils import timezone

from integrations.models import AppliedConfiguration, AuditEntry, SalesforceOrg
from integrations.orgs import vault
from integrations.product.models import Feature, Segment
from okr.models import License
from project.configuration.applying import apply_file, plan_file
from project.configuration.exporting import export_configuration

FEATURE = "causeway: 1\nfeatures:\n- {key: reports, name: Reports, rules: [{event: Report Created}]}\n"


@pytest.fixture
def file(tmp_path, db):
    path = tmp_path / "causeway.yaml"
    path.write_text(FEATURE)
    return path


def run(command, *arguments):
    """Exit code and what was printed."""
    out, err = io.StringIO(), io.StringIO()
    try:
        call_command(command, *map(str, arguments), stdout=out, stderr=err)
    except SystemExit as ended:
        return ended.code, out.getvalue() + err.getvalue()
    except CommandError as error:
        return error.returncode, f"{out.getvalue()}{err.getvalue()}{error}"
    return 0, out.getvalue() + err.getvalue()


def problems(text, **more):
    plan = plan_file(text, actor=None, now=timezone.now(), **more)
    return {each.path: each.message for each in plan.problems}


def test_plan_ends_with_2_for_changes_0_for_none_1_for_problems(file):
    code, said = run("plan", file)
    assert code == 2
    assert "+ features: reports" in said
    assert not Feature.objects.exists()
    code, said = run("apply", file)
    assert (code, "1 created" in said) == (0, True)
    code, said = run("plan", file)
    assert (code, "1 unchanged" in said) == (0, True)
    file.write_text(FEATURE.replace("reports,", "R-1,"))
    code, said = run("plan", file)
    assert (code, "features[0].key: " in said) == (1, True)


def test_changes_are_shown_with_their_values(file):
    run("apply", file)
    file.write_text(FEATURE.replace("name: Reports", "name: Papers"))
    assert "name: Reports → Papers" in run("plan", file)[1]


def test_apply_refuses_another_plan_than_the_one_that_was_seen(file):
    digest = run("plan", file)[1].split("Plan ")[1].strip()
    Feature.objects.create(key="reports", name="Mine", rules=[{"event": "x"}], position=1)
    code, said = run("apply", file, "--expect", digest)
    assert (code, "Look at the new plan" in said) == (1, True)
    assert Feature.objects.get().name == "Mine"
    digest = run("plan", file)[1].split("Plan ")[1].strip()
    assert run("apply", file, "--expect", digest)[0] == 0
    assert Feature.objects.get().name == "Reports"


def test_second_apply_does_nothing_and_leaves_no_entry(file):
    run("apply", file)
    entries = AuditEntry.objects.count()
    code, said = run("apply", file)
    assert (code, said.strip()) == (0, "1 unchanged.")
    assert AuditEntry.objects.count() == entries
    assert AppliedConfiguration.objects.count() == 1


def test_nothing_is_removed_without_prune(file):
    Feature.objects.create(key="old", name="Old", rules=[{"event": "x"}], position=1)
    Segment.objects.create(name="Stays", entity="customer", conditions={"all": []})
    run("apply", file)
    assert Feature.objects.count() == 2
    code, said = run("plan", file, "--prune")
    assert (code, "- features: old" in said) == (2, True)
    run("apply", file, "--prune")
    assert Feature.objects.get().key == "reports"
    assert Segment.objects.get().archived_at is None  # the file says nothing about segments


def test_s_110_who_applied_and_exported_is_in_the_audit(file, cast, tmp_path):
    run("apply", file, "--user", "ada")
    assert AuditEntry.objects.get(action="feature.created").actor == cast.ada
    entry = AuditEntry.objects.get(action="configuration.applied")
    assert (entry.actor, entry.after["create"]) == (cast.ada, 1)
    assert run("apply", file, "--user", "olga")[0] == 1
    assert run("export", "--output", tmp_path / "out.yaml")[0] == 0
    assert (tmp_path / "out.yaml").read_text() == run("export")[1]
    assert AuditEntry.objects.filter(action="configuration.exported").count() == 2


def test_export_of_one_connection_leaves_the_rest_out(file):
    run("apply", file)
    SalesforceOrg.objects.create(name="Acme", login_url="https://login.salesforce.com")
    SalesforceOrg.objects.create(name="Beta", login_url="https://login.salesforce.com")
    code, said = run("export", "--org", "Beta")
    assert (code, "features" in said, "Acme" in said, "Beta" in said) == (0, False, False, True)
    code, said = run("export", "--org", "Gamma")
    assert (code, "Known: Acme, Beta" in said) == (1, True)


def test_verbs_that_ask_for_a_person_say_so(db):
    found = problems("causeway: 1\ndepartments: [{name: Sales}]\n")
    assert "--user" in found["departments[0]"]


def test_what_belongs_to_a_connection_alone_stays_behind(db, cast):
    """A sandbox promoted to production: address, environment, way in, seats and their holders are not carried over."""
    SalesforceOrg.objects.create(name="Production", login_url="https://acme.my.salesforce.com")
    text = """
causeway: 1
connections:
- name: Sandbox
  environment: sandbox
  login_url: https://test.salesforce.com
  way_in: jwt
  seats: 2
  switches: {billing: false}
  license_holders: [{username: jane}]
  mirror: {first_months: 3}
health_scores: []
segments:
- {name: Linked, conditions: {all: [{field: "salesforce.linked@Sandbox", op: is_true}]}}
"""
    now = timezone.now()
    SalesforceOrg.objects.update(state="paused")
    SalesforceOrg.objects.create(name="Third", login_url="https://login.salesforce.com", state="paused")
    outcome = apply_file(text, renames={"Sandbox": "Production"}, actor=cast.ada, now=now)
    assert outcome.is_done, outcome.plan.problems
    org = SalesforceOrg.objects.get(name="Production")
    assert (org.environment, org.login_url, org.seats) == ("production", "https://acme.my.salesforce.com", 30)
    assert (org.billing_enabled, org.login_method, org.mirror_settings.first_months) == (False, "web", 3)
    assert not License.objects.exists()
    assert Segment.objects.get().conditions["all"][0]["field"] == f"salesforce.linked@{org.pk}"
    assert not SalesforceOrg.objects.filter(name="Sandbox").exists()
    assert "no connection of the file" in problems(text, renames={"Nope": "Production"})["connections"]
    twice = text.replace("health_scores: []", "").replace("segments:", "- {name: Production}\nsegments:")
    assert "already" in problems(twice, renames={"Sandbox": "Production"})["connections[1]"]


@pytest.mark.parametrize(("text", "path", "words"), [
    ("", "", "must begin with"), ("- 1", "", "must begin with"), ("causeway: 2", "causeway", "1 is the one"), ("features: []", "causeway", "is missing"),
    ("causeway: 1\nfeature: []", "feature", "is not known here"), ("causeway: 1\nfeatures: {}", "features", "must be a list"),
    ("causeway: 1\nfeatures: [1]", "features[0]", "must be an object"), ("causeway: 1\nfeatures: [{name: x}]", "features[0].key", "is needed"),
    ("causeway: 1\nfeatures: [{key: 7}]", "features[0].key", "must be text"), ("causeway: 1\nfeatures: [{key: x, names: y}]", "features[0].names", "is not known"),
    ("causeway: 1\nfeatures: [{key: x, name: no}]", "features[0].name", "quotation marks"), ("causeway: 1\nfeatures: [{key: x, active: 1}]", "features[0].active", "true or false"), ("causeway: 1\nfeatures: [{key: x}, {key: x}]", "features[1]", "already"),
    ("causeway: 1\nconnections: [{environment: demo}]", "connections[0]", "name of a connection"), ("causeway: 1\nbilling: []", "billing", "must be an object"),
    ("causeway: 1\nbilling: {invoices: []}", "billing.invoices", "is not known here"), ("causeway: 1\nconnections: [{name: A, mappings: {account: {}}}]", "connections[0].mappings.account", "customer, end_user"),
    ("causeway: 1\nconnections: [{name: A, environment: moon}]", "connections[0].environment", "must be one of"),
    ("causeway: 1\nconnections: [{name: A, login_url: 'https://evil.example'}]", "connections[0].login_url", ""),
    ("causeway: 1\nconnections: [{name: A, password: x}]", "connections[0].password", "is not known"),
    ("causeway: 1\nconnections: [{name: A, switches: {okrs: true}}]", "connections[0].switches.okrs", "is not known"),
    ("causeway: 1\nengagements: [{name: A, title: B, segment: Nobody}]", "engagements[0].segment", "no segment"),
    ("causeway: 1\nengagements: [{name: A, title: B, starts_at: tomorrow}]", "engagements[0].starts_at", "instant"),
    ("causeway: 1\nhealth_scores: [{name: A, connection: Nobody, parts: []}]", "health_scores[0].connection", "no connection"),
    ("causeway: 1\nhealth_scores: [{name: A, parts: [1, {a: [b]}]}]", "", ""), ("causeway: 1\nsegments: [{name: A, conditions: {all: {a: 1}}}]", "segments[0].conditions.all", "list"),
    ("causeway: 1\nbilling: {prices: [{id: a, plan_id: no, name: x, model: tiered, tiers: [1]}]}", "", ""),
    ("causeway: 1\nbilling: {plans: [{id: a, name: b, currency: EURO}]}", "billing.plans[0].currency", ""),
    ("causeway: 1\ncatalogue: {plans: [{key: gold, name: Gold}]}", "", ""), ("causeway: 1\nattributes: [{entity: account, key: a}]", "attributes[0].entity", "one of"),
    ("causeway: 1\nfeatures: &a [*a]", "", "refers to another place"), ("causeway: 1\nx: !!python/object/apply:os.system [ls]", "", "YAML"),
    ("causeway: 1\ncauseway: 1", "", "twice"), ("causeway: 1\n---\ncauseway: 1", "", "YAML"), ("causeway: [", "", "YAML"), ("\x00", "", "YAML"),
])  # fmt: skip
def test_r_281_a_bad_file_is_refused_with_the_place_and_nothing_changed(db, text, path, words):
    found = problems(text)
    assert found
    assert (path in found) if path else True, found
    assert words in " ".join(found.values()), found
    assert not Feature.objects.exists()
    assert not SalesforceOrg.objects.exists()


def test_s_084_bombs_and_large_files_are_refused_at_once(db, tmp_path):
    bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{n}: &{n} [{','.join([f'*{p}'] * 9)}]\n" for p, n in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "refers to another place" in problems(bomb)[""]
    assert "nested" in problems("causeway: 1\nfeatures: " + "[" * 100 + "]" * 100)[""]
    assert "2 MB" in problems("causeway: 1\n#" + "x" * 2_100_000)[""]
    large = tmp_path / "large.yaml"
    large.write_bytes(b"#" * 2_100_000)
    assert run("plan", large)[0] == 1
    assert run("plan", tmp_path / "missing.yaml")[0] == 1
    assert problems(b"\xff\xfe")[""] == "The file is not UTF-8 text."


def test_i_14_no_secret_of_the_vault_is_exported(connected_org, now):
    secrets = [vault.read(connected_org, kind) for kind in vault.kinds_of(connected_org)]
    assert any(secrets)
    text = export_configuration(now=now)
    assert connected_org.client_id not in text
    assert connected_org.org_id not in text
    assert all(each not in text for each in secrets if each)
