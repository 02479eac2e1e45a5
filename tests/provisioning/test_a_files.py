"""The catalogue as YAML: the same file twice changes nothing, every problem has its path, nothing is lost on the way."""

from pathlib import Path

import pytest
import yaml

from provisioning.catalogue import authoring, files, finding
from provisioning.catalogue.yaml_text import BadYaml, read
from provisioning.models import Feature, Offer, OfferVersion, Product

pytestmark = pytest.mark.django_db
FILE = """
format: 1
products:
  - {key: planner, name: Planner}
features:
  - {key: feature-sso, name: Single sign-on, kind: boolean}
  - {key: feature-seats, name: Seats, kind: numeric, unit: seats}
  - {key: feature-calls, name: API calls, kind: metered, unit: calls, event_name: api_call}
plans:
  - key: plan-team
    name: Team
    product: planner
    per_seat: true
    trial_days: 14
    price: {amount: 9.90, currency: USD, months: 1}
    entitlements:
      - {feature: feature-sso}
      - {feature: feature-seats, limit: 5}
      - {feature: feature-calls, limit: 1000.5, reset: month, soft: true, per_seat: true}
  - {key: plan-next, name: Next, product: planner, draft: true, entitlements: [{feature: feature-sso}]}
addons:
  - key: addon-calls
    name: More calls
    product: planner
    entitlements: [{feature: feature-calls, limit: 500, reset: month}]
"""


def load(text, now, **options) -> files.Report:
    return files.load(text, actor=None, now=now, **options)


def paths(report) -> list[str]:
    return [each.path for each in report.problems]


def test_a_file_makes_everything_and_the_second_time_nothing(now):
    report = load(FILE, now)
    assert not report.problems
    assert report.count("created") == 7
    again = load(FILE, now)
    assert again.is_quiet
    assert again.count("unchanged") == 7
    assert OfferVersion.objects.filter(published_at=None).count() == 1
    assert finding.latest("plan-team").number == 1
    assert finding.contents_of(finding.latest("plan-team")).line("feature-calls").limit == read("x: 1000.5")["x"]


def test_what_is_written_out_is_read_in_unchanged(now):
    load(FILE, now)
    text = files.dump()
    assert load(text, now).is_quiet
    assert yaml.safe_load(text)["plans"][1]["price"] == {"amount": 9.9, "currency": "USD", "months": 1}
    for model in (OfferVersion, Offer, Product, Feature):
        model.objects.all().delete()
    assert not load(text, now).problems
    assert files.dump() == text


def test_a_dry_run_tells_the_same_and_saves_nothing(now):
    tried = load(FILE, now, dry_run=True)
    assert not Product.objects.exists()
    assert tried.changes == load(FILE, now).changes


def test_other_contents_become_a_new_version_and_a_draft_of_a_person_stays(now):
    load(FILE, now)
    plan = Offer.objects.get(key="plan-team")
    authoring.save_draft(plan, note="Mine", actor=None, now=now)
    report = load(FILE.replace("limit: 5}", "limit: 6}"), now)
    change = next(each for each in report.changes if each.key == "plan-team")
    assert (change.action, change.words) == ("published", ("Seats: 5 seats → 6 seats.",))
    assert finding.latest("plan-team").number == 2
    assert finding.draft_of(plan).note == "Mine"
    assert load(FILE.replace("limit: 5}", "limit: 6}"), now).is_quiet


def test_every_problem_has_its_path_and_nothing_is_saved(now):
    report = load("""
products: [{key: planner, name: Planner}, {key: planner, name: Again}, {key: plan-x, name: X}]
features: [{key: feature-a, name: A, kind: toggle}, {key: feature-b, name: B, kind: numeric, colour: red}]
plans:
  - {key: team, name: Team, product: planner}
  - {key: plan-a, name: A, product: none}
  - {key: plan-b, name: "", product: planner, entitlements: [{feature: feature-z, limit: 1}], price: {cost: 5}}
  - just words
addons: nothing
plants: []
""", now)  # fmt: skip
    assert not Product.objects.exists()
    for path in ("products[1].key", "products[2].key", "features[0].kind", "features[1].colour", "plans[0].key", "plans[1].product",
                 "plans[2].name", "plans[3]", "addons", "plants"):  # fmt: skip
        assert path in paths(report), (path, report.problems)
    assert not [each for each in report.problems if not each.message]


@pytest.mark.parametrize(("text", "words"), [
    ("a: [1", "line 1"), ("x: 1\nx: 2", "Line 2: x stands twice"), ("a: &b [1]\nc: *b", "Line 2 refers"),
    ("a: !!python/object/apply:os.system [ls]", "could not determine a constructor"), ("[" * 40 + "]" * 40, "levels deep"),
    ("plans: 0x1F", "decimal number"), ("1: x", "a name is text"), (b"\xff\xfe\x00", "UTF-8"), ("a: .inf", "not a number"), ("- 1\n- 2", "at its top"),
    ("", "at its top"), ("format: 7", "format 7"),
])  # fmt: skip
def test_a_file_that_cannot_be_read_says_where(now, text, words):
    report = load(text, now)
    assert len(report.problems) == 1
    assert words in report.problems[0].message


def test_a_file_of_aliases_does_not_grow(now):
    bomb = "a: &a [x,x]\n" + "".join(f"b{n}: &b{n} [*a,*a]\n" for n in range(40))
    with pytest.raises(BadYaml, match="refers to another place"):
        read(bomb)
    with pytest.raises(BadYaml, match="more than 2 MB"):
        read("x" * 2_000_001)


def test_archived_entries_travel_too(now):
    load(FILE, now)
    gone = FILE.replace("name: Team\n", "name: Team\n    archived: true\n")
    report = load(gone, now)
    assert [each.action for each in report.changes if each.key == "plan-team"] == ["unchanged", "archived"]
    assert finding.latest("plan-team") is None
    assert load(gone, now).is_quiet
    assert "archived: true" in files.dump()
    assert next(each.action for each in load(FILE, now).changes if each.key == "plan-team") == "restored"
    assert finding.latest("plan-team") is not None


def test_archiving_by_file_is_refused_while_in_use(now):
    load(FILE, now)
    report = load(
        "features: [{key: feature-calls, name: API calls, kind: metered, unit: calls, event_name: api_call, archived: true}]",
        now,
    )
    assert "plan-team" in report.problems[0].message
    assert Feature.objects.get(key="feature-calls").archived_at is None


def test_the_file_in_the_documentation_loads(now):
    text = (Path(__file__).parents[2] / "docs" / "catalogue.md").read_text()
    report = load(text.partition("```yaml\n")[2].partition("```")[0], now)
    assert not report.problems
    assert finding.latest("addon-api-calls") is not None
