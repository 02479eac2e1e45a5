"""The catalogue: ids with their prefixes, drafts and versions that never change, archiving."""

from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from integrations.access import Refusal
from integrations.models import AuditEntry
from provisioning.catalogue import archiving, authoring, checking, contents, finding
from provisioning.catalogue.checking import CatalogueProblems
from provisioning.catalogue.contents import Contents, Line
from provisioning.models import AccessChange, Feature, OfferEntitlement, OfferVersion

pytestmark = pytest.mark.django_db


@pytest.fixture
def shop(now):
    """One product, three features of each kind, a plan without a version."""
    product = authoring.save_product("planner", name="Planner", actor=None, now=now)
    authoring.save_feature("feature-sso", name="Single sign-on", kind="boolean", actor=None, now=now)
    authoring.save_feature("feature-seats", name="Seats", kind="numeric", unit="seats", actor=None, now=now)
    authoring.save_feature("feature-calls", name="API calls", kind="metered", unit="calls", actor=None, now=now)
    return authoring.save_offer("plan-team", kind="plan", product=product, name="Team", actor=None, now=now)


def draft(offer, now, *lines, **terms):
    return authoring.save_draft(offer, entitlements=list(lines), actor=None, now=now, **terms)


def problems(error) -> dict[str, str]:
    return {each.path: each.message for each in error.value.problems}


@pytest.mark.parametrize(("kind", "good", "bad"), [
    ("plan", "plan-team", "team"), ("plan", "plan-a.b_c-1", "plan-"), ("plan", "plan-x", "addon-x"), ("addon", "addon-seats", "plan-seats"),
    ("addon", "addon-10gb", "add-on-10gb"), ("feature", "feature-sso", "Feature-sso"), ("feature", "feature-api.calls", "feature-api calls"),
    ("feature", "feature-1", "feature--1"), ("product", "planner", "plan-ner"), ("product", "p1", "planner_"), ("plan", "plan-é".replace("é", "e"), "plan-é"),
])  # fmt: skip
def test_st_21_ids_have_the_prefix_of_their_kind(kind, good, bad):
    assert checking.check_key(kind, good) == []
    assert checking.check_key(kind, bad), bad
    assert checking.check_key(kind, f"{good}{'x' * 120}")


@given(st.text(max_size=40))
def test_st_21_whatever_is_accepted_has_its_prefix_and_no_odd_sign(text):
    for kind, prefix in checking.PREFIXES.items():
        if not checking.check_key(kind, text):
            assert text.startswith(prefix)
            assert text.isascii()
            assert text == text.strip().lower()


def test_st_21_verbs_refuse_other_prefixes_and_tell_everything_at_once(shop, now):
    with pytest.raises(CatalogueProblems) as error:
        authoring.save_offer("team", kind="plan", product="nothing", name="", actor=None, now=now)
    assert set(problems(error)) == {"key", "name", "product"}
    assert "plan-team" in problems(error)["key"]
    with pytest.raises(CatalogueProblems) as error:
        authoring.save_feature("addon-sso", name="x", kind="toggle", actor=None, now=now)
    assert set(problems(error)) == {"key", "kind"}


def test_a_taken_id_is_refused_for_something_new(shop, now):
    with pytest.raises(CatalogueProblems, match="is taken"):
        authoring.save_offer("plan-team", kind="plan", product="planner", name="T", actor=None, now=now, must_be_new=True)
    authoring.save_product("other", name="Other", actor=None, now=now)
    with pytest.raises(CatalogueProblems, match="never changes its product"):
        authoring.save_offer("plan-team", kind="plan", product="other", name="T", actor=None, now=now)


LINES = [
    ({"feature": "feature-none"}, "feature"),
    ({"feature": "feature-sso", "limit": 1}, "limit"), ({"feature": "feature-sso", "soft": True}, "soft"),
    ({"feature": "feature-sso", "reset": "month"}, "reset"), ({"feature": "feature-seats"}, "limit"),
    ({"feature": "feature-seats", "limit": 5, "reset": "day"}, "reset"), ({"feature": "feature-calls"}, "limit"),
    ({"feature": "feature-calls", "limit": 5, "unlimited": True}, "limit"), ({"feature": "feature-calls", "limit": -1}, "limit"),
    ({"feature": "feature-calls", "limit": "NaN"}, "limit"), ({"feature": "feature-calls", "limit": "1e400"}, "limit"),
    ({"feature": "feature-calls", "limit": "0.0000000000001"}, "limit"), ({"feature": "feature-calls", "limit": 1, "reset": "fortnight"}, "reset"),
    ({"feature": "feature-calls", "unlimited": True, "soft": True}, "soft"), ({"feature": "feature-calls", "limit": 1, "per_seat": True}, "per_seat"),
    ({"feature": "feature-calls", "limit": 1, "soft": "yes"}, "soft"), ({"feature": "feature-calls", "limit": 1, "colour": 1}, "colour"),
    ({"feature": "feature-calls", "limit": True}, "limit"), ("feature-calls", ""),
]  # fmt: skip


@pytest.mark.parametrize(("line", "field"), LINES)
def test_a_line_that_does_not_fit_its_feature_is_named(shop, now, line, field):
    with pytest.raises(CatalogueProblems) as error:
        draft(shop, now, {"feature": "feature-sso"}, line)
    assert any(path.startswith("entitlements[1]") and path.endswith(field) for path in problems(error)), problems(error)
    assert not OfferVersion.objects.exists()


TERMS = [
    ({"trial_days": 0}, "trial_days"), ({"trial_days": "x"}, "trial_days"), ({"price": "-1", "currency": "USD"}, "price"),
    ({"price": 5}, "currency"), ({"currency": "USD"}, "price"), ({"period_months": 12}, "price"), ({"price": 5, "currency": "usd"}, "currency"),
    ({"price": 5, "currency": "USD", "period_months": 0}, "period_months"), ({"per_seat": 1}, "per_seat"), ({"note": "x" * 300}, "note"),
]  # fmt: skip


@pytest.mark.parametrize(("terms", "field"), TERMS)
def test_terms_that_mean_nothing_are_named(shop, now, terms, field):
    with pytest.raises(CatalogueProblems) as error:
        draft(shop, now, **terms)
    assert field in problems(error)


def test_an_add_on_has_neither_seats_nor_trials(shop, now):
    add_on = authoring.save_offer("addon-x", kind="addon", product="planner", name="X", actor=None, now=now)
    with pytest.raises(CatalogueProblems) as error:
        draft(add_on, now, {"feature": "feature-calls", "limit": 5, "per_seat": True}, per_seat=True, trial_days=14)
    assert set(problems(error)) == {"per_seat", "trial_days", "entitlements[0].per_seat"}


def test_all_kinds_of_features_hard_and_soft_with_resets_are_kept_exactly(shop, now):
    made = draft(
        shop, now, {"feature": "feature-sso"}, {"feature": "feature-seats", "limit": "12.5", "soft": True},
        {"feature": "feature-calls", "limit": "123456789012345678901.25", "per_seat": True, "reset": "week"},
        per_seat=True, trial_days=30, price="99.90", currency="EUR", period_months=1,
    )  # fmt: skip
    found = finding.contents_of(OfferVersion.objects.get(pk=made.pk))
    assert found.line("feature-sso") == Line("feature-sso", "Single sign-on", "boolean")
    assert found.line("feature-seats").limit == Decimal("12.5")
    assert found.line("feature-seats").soft
    assert found.line("feature-calls").limit == Decimal("123456789012345678901.25")
    assert (found.line("feature-calls").reset, found.line("feature-calls").per_seat) == ("week", True)
    assert (found.price, found.currency, found.trial_days) == (Decimal("99.9"), "EUR", 30)
    assert contents.price_words(found) == "99.9 EUR a month for each seat"


def test_publishing_numbers_versions_and_never_changes_a_published_one(shop, now):
    first = authoring.publish(draft(shop, now, {"feature": "feature-seats", "limit": 5}), actor=None, now=now)
    assert (first.number, finding.latest("plan-team")) == (1, first)
    second = draft(shop, now, {"feature": "feature-seats", "limit": 9}, note="More seats")
    assert finding.latest("plan-team") == first
    with pytest.raises(Refusal, match="version 1 already"):
        authoring.publish(first, actor=None, now=now)
    with pytest.raises(Refusal, match="stays as it was sold"):
        authoring.discard(first, actor=None, now=now)
    authoring.publish(second, actor=None, now=now)
    assert finding.latest("plan-team").number == 2
    assert OfferEntitlement.objects.get(version=first).limit == 5
    assert AuditEntry.objects.filter(action="catalogue.published", target="plan-team").count() == 2


def test_a_draft_that_gives_the_same_is_not_published(shop, now):
    authoring.publish(draft(shop, now, {"feature": "feature-seats", "limit": 5}), actor=None, now=now)
    same = draft(shop, now, {"feature": "feature-seats", "limit": "5.00"})
    with pytest.raises(Refusal) as error:
        authoring.publish(same, actor=None, now=now)
    assert error.value.code == "nothing_new"


def test_there_is_one_draft_and_two_people_do_not_overwrite_each_other(shop, now):
    first = draft(shop, now, {"feature": "feature-sso"})
    again = draft(shop, now + timedelta(seconds=1), seen=now)
    assert again.pk == first.pk
    assert OfferVersion.objects.count() == 1
    with pytest.raises(Refusal) as error:
        draft(shop, now, seen=now)
    assert error.value.code == "changed_meanwhile"


def test_a_draft_starts_from_what_is_sold(shop, now):
    authoring.publish(draft(shop, now, {"feature": "feature-seats", "limit": 5}), actor=None, now=now)
    started = authoring.start_draft(shop, actor=None, now=now)
    assert finding.contents_of(started).line("feature-seats").limit == 5
    assert authoring.start_draft(shop, actor=None, now=now).pk == started.pk
    authoring.discard(started, actor=None, now=now)
    assert finding.draft_of(shop) is None


def test_a_plan_can_be_duplicated(shop, now):
    draft(shop, now, {"feature": "feature-seats", "limit": 5})
    copies = [authoring.duplicate(shop, actor=None, now=now).key for _ in range(2)]
    assert copies == ["plan-team-copy", "plan-team-copy-2"]
    made = finding.by_key("plan", "plan-team-copy")
    assert made.product_id == shop.product_id
    assert finding.contents_of(finding.draft_of(made)).line("feature-seats").limit == 5
    assert finding.latest("plan-team-copy") is None


def test_what_is_in_use_is_not_archived(shop, now):
    version = authoring.publish(draft(shop, now, {"feature": "feature-sso"}), actor=None, now=now)
    sso = Feature.objects.get(key="feature-sso")
    for entry in (sso, shop.product):
        with pytest.raises(Refusal, match="plan-team"):
            archiving.archive(entry, actor=None, now=now)
    archiving.archive(shop, actor=None, now=now)
    assert finding.latest("plan-team") is None
    assert OfferVersion.objects.get(pk=version.pk).published_at  # customers keep it
    assert finding.known_ids().refused["plan-team"].startswith("is archived")
    archiving.archive(sso, actor=None, now=now)
    archiving.archive(shop.product, actor=None, now=now)
    with pytest.raises(Refusal, match="restore that first"):
        archiving.restore(shop, actor=None, now=now)
    archiving.restore(shop.product, actor=None, now=now)
    archiving.restore(shop, actor=None, now=now)
    assert finding.latest("plan-team") == version


def test_a_feature_that_an_older_version_gave_can_go(shop, now):
    authoring.publish(draft(shop, now, {"feature": "feature-sso"}), actor=None, now=now)
    authoring.publish(draft(shop, now, {"feature": "feature-seats", "limit": 1}), actor=None, now=now)
    archiving.archive(Feature.objects.get(key="feature-sso"), actor=None, now=now)
    with pytest.raises(CatalogueProblems, match="is archived"):
        draft(shop, now, {"feature": "feature-sso"})


def test_the_kind_of_a_feature_stays_once_it_is_given(shop, now):
    authoring.save_feature("feature-sso", name="SSO", kind="metered", actor=None, now=now)
    draft(shop, now, {"feature": "feature-sso", "limit": 1})
    with pytest.raises(CatalogueProblems, match="its kind stays"):
        authoring.save_feature("feature-sso", name="SSO", kind="boolean", actor=None, now=now)
    authoring.save_feature("feature-sso", name="Logins", kind="metered", unit="logins", actor=None, now=now)
    assert finding.contents_of(finding.draft_of(shop)).line("feature-sso").unit == "logins"


def test_answers_that_name_a_feature_are_dropped_when_it_changes(shop, now):
    AccessChange.objects.all().delete()
    authoring.save_feature("feature-sso", name="Single sign-on", kind="boolean", actor=None, now=now)
    assert not AccessChange.objects.exists()  # nothing changed
    authoring.save_feature("feature-sso", name="SSO", kind="boolean", actor=None, now=now)
    assert list(AccessChange.objects.values_list("customer_id", flat=True)) == [0]


def line(**given) -> Line:
    return Line("feature-calls", "API calls", "metered", "calls", **given)


@pytest.mark.parametrize(("before", "after", "tone", "words"), [
    (line(limit=Decimal(10)), line(limit=Decimal(20)), "more", "10 calls in all → 20 calls in all"),
    (line(limit=Decimal(20), reset="day"), line(limit=Decimal(10), reset="day"), "less", "20 calls a day → 10 calls a day"),
    (line(limit=Decimal(20)), line(unlimited=True), "more", "→ unlimited calls."),
    (line(unlimited=True), line(limit=Decimal(9)), "less", "unlimited calls → 9 calls in all"),
    (line(limit=Decimal(1)), line(limit=Decimal(1), soft=True), "more", "soft limit"),
    (line(limit=Decimal(1000), reset="month"), line(limit=Decimal(100), reset="day"), "other", "a month → 100 calls a day"),
    (line(limit=Decimal(1)), None, "less", "API calls goes"), (None, line(limit=Decimal(1)), "more", "API calls is new"),
])  # fmt: skip
def test_differences_between_versions_are_told_in_words(before, after, tone, words):
    found = contents.differences(Contents(lines=(before,) if before else ()), Contents(lines=(after,) if after else ()))
    assert [each.tone for each in found] == [tone]
    assert words in found[0].words


def test_terms_that_differ_are_told_too():
    found = contents.differences(
        Contents(price=Decimal(10), currency="USD", period_months=1), Contents(True, 14, Decimal(10), "USD", 12)
    )
    assert [each.words for each in found] == [
        "The quantity is the number of seats now.", "Trial: no length of its own → 14 days.",
        "Price: 10 USD a month → 10 USD a year for each seat.",
    ]  # fmt: skip


def test_windows_that_do_not_fit_between_plan_and_add_on_are_told():
    plan, add_on = (
        Contents(lines=(line(limit=Decimal(1), reset="month"),)),
        Contents(lines=(line(limit=Decimal(1), reset="day"),)),
    )
    assert contents.mismatches(plan, add_on) == ["API calls is counted a month in the plan and a day in the add-on."]
    assert contents.mismatches(plan, plan) == []


@pytest.mark.parametrize(("limit", "unit", "words"), [
    (1, "seats", "1 seat"), (1, "sandboxes", "1 sandbox"), (2, "seats", "2 seats"), (1, "GB", "1 GB"), (1, "access", "1 access"), (1, "", "1"),
])  # fmt: skip
def test_amounts_are_told_in_words(limit, unit, words):
    assert contents.line_words(Line("feature-x", "X", "numeric", unit, Decimal(limit))) == words
