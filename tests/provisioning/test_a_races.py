"""Several people at the catalogue at once: one draft, one next version, one entry an id."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.utils import timezone

from integrations.access import Refusal
from provisioning.catalogue import authoring, finding
from provisioning.models import Feature, Offer, OfferVersion

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.concurrency]
AT_ONCE = 6


def at_once(work: Callable[[int], object]) -> list[str]:
    """What each thread met: "" or the code of its refusal."""

    def one(number: int) -> str:
        try:
            work(number)
        except Refusal as refusal:
            return refusal.code
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


@pytest.fixture
def plan(transactional_db) -> Offer:
    now = timezone.now()
    authoring.save_product("planner", name="Planner", actor=None, now=now)
    authoring.save_feature("feature-seats", name="Seats", kind="numeric", actor=None, now=now)
    return authoring.save_offer("plan-team", kind="plan", product="planner", name="Team", actor=None, now=now)


def given(number: int) -> dict:
    return {"entitlements": [{"feature": "feature-seats", "limit": number + 1}]}


def test_a_draft_is_published_once(plan):
    draft = authoring.save_draft(plan, **given(0), actor=None, now=timezone.now())
    codes = at_once(lambda number: authoring.publish(draft, actor=None, now=timezone.now()))
    assert sorted(codes) == ["", *["published_already"] * (AT_ONCE - 1)]
    assert list(OfferVersion.objects.values_list("number", flat=True)) == [1]


def test_there_is_one_draft_however_many_save_it(plan):
    assert set(at_once(lambda number: authoring.save_draft(plan, **given(number), actor=None, now=timezone.now()))) == {""}
    assert OfferVersion.objects.count() == 1
    assert len(finding.contents_of(finding.draft_of(plan)).lines) == 1


def test_versions_that_are_published_at_once_are_numbered_one_after_the_other(plan):
    def work(number: int) -> None:
        authoring.publish(
            authoring.save_draft(plan, **given(number), actor=None, now=timezone.now()), actor=None, now=timezone.now()
        )

    codes = at_once(work)
    numbers = sorted(OfferVersion.objects.exclude(number=0).values_list("number", flat=True))
    assert numbers == list(range(1, len(numbers) + 1))
    assert set(codes) <= {"", "published_already", "nothing_new"}
    assert len(numbers) == codes.count("")


def test_an_id_is_given_once(transactional_db):
    def work(number: int) -> None:
        authoring.save_feature("feature-x", name="X", kind="boolean", actor=None, now=timezone.now(), must_be_new=True)

    codes = at_once(work)
    assert sorted(codes) == ["", *["bad_catalogue"] * (AT_ONCE - 1)]
    assert Feature.objects.count() == 1
