"""The catalogue's pages: each opens for its roles, works without script, keeps what was typed, refuses with a reason."""

import pytest

from provisioning.catalogue import authoring, files, finding
from provisioning.models import Feature, Offer, OfferVersion, Product

pytestmark = pytest.mark.django_db
FILE = """
products:
  - {key: planner, name: "Planner <b>"}
features:
  - {key: feature-sso, name: Single sign-on, kind: boolean}
  - {key: feature-seats, name: Seats, kind: numeric, unit: seats}
  - {key: feature-calls, name: API calls, kind: metered, unit: calls}
plans:
  - {key: plan-team, name: Team, product: planner, entitlements: [{feature: feature-seats, limit: 5}]}
  - key: plan-big
    name: Big
    product: planner
    entitlements: [{feature: feature-sso}, {feature: feature-calls, limit: 10, reset: month}]
  - {key: plan-idea, name: Idea, product: planner, draft: true}
addons:
  - {key: addon-calls, name: More calls, product: planner, entitlements: [{feature: feature-calls, limit: 5, reset: day}]}
"""


@pytest.fixture
def shop(now) -> Product:
    assert not files.load(FILE, actor=None, now=now).problems
    return Product.objects.get()


def offer(key: str = "plan-team") -> Offer:
    return Offer.objects.get(key=key)


def paths() -> list[str]:
    product, feature, team = Product.objects.get(), Feature.objects.first(), offer()
    return [
        "/provisioning/catalogue/", "/provisioning/catalogue/?text=team&archived=1", f"/provisioning/catalogue/products/{product.pk}/",
        f"/provisioning/catalogue/products/{product.pk}/compare/", f"/provisioning/catalogue/products/{product.pk}/compare/?plan=plan-big",
        "/provisioning/catalogue/features/", "/provisioning/catalogue/features/?kind=metered&text=api", f"/provisioning/catalogue/features/{feature.pk}/",
        f"/provisioning/catalogue/offers/{team.pk}/", f"/provisioning/catalogue/offers/{offer('plan-idea').pk}/",
        f"/provisioning/catalogue/offers/{team.pk}/versions/1/", f"/provisioning/catalogue/offers/{offer('plan-idea').pk}/versions/draft/",
        "/provisioning/catalogue/catalogue.yaml", "/provisioning/mapping/",
    ]  # fmt: skip


def work_paths() -> list[str]:
    product, feature, team = Product.objects.get(), Feature.objects.first(), offer()
    return [
        "/provisioning/catalogue/file/", "/provisioning/catalogue/products/new/", f"/provisioning/catalogue/products/{product.pk}/edit/",
        "/provisioning/catalogue/features/new/", f"/provisioning/catalogue/features/{feature.pk}/edit/", "/provisioning/catalogue/new/plan/",
        f"/provisioning/catalogue/new/addon/?product={product.pk}", f"/provisioning/catalogue/offers/{team.pk}/edit/",
        f"/provisioning/catalogue/offers/{team.pk}/draft/", f"/provisioning/catalogue/offers/{team.pk}/versions/1/move/",
    ]  # fmt: skip


def test_every_page_opens_for_its_roles_and_escapes_names(client, cast, shop):
    for person, allowed, refused in ((cast.marsha, paths(), work_paths()), (cast.olga, [*paths(), *work_paths()], [])):
        client.force_login(person)
        for path in allowed:
            answer = client.get(path)
            assert answer.status_code == 200, path
            assert b"Planner <b>" not in answer.content or path.endswith(".yaml"), path
        for path in refused:
            assert client.get(path).status_code == 403, path


def test_empty_pages_say_what_to_do(client, cast):
    client.force_login(cast.olga)
    for path in (
        "/provisioning/catalogue/",
        "/provisioning/catalogue/features/",
        "/provisioning/mapping/",
        "/provisioning/catalogue/new/plan/",
    ):
        assert b'class="empty"' in client.get(path).content, path
    client.force_login(cast.marsha)
    assert b"Operators write down" in client.get("/provisioning/catalogue/").content


def test_searches_that_find_nothing_offer_the_way_back(client, cast, shop):
    client.force_login(cast.marsha)
    for path in ("/provisioning/catalogue/?text=zzz", "/provisioning/catalogue/features/?text=zzz"):
        assert b"Clear filters" in client.get(path).content
    assert b"Team" in client.get("/provisioning/catalogue/?text=PLAN-TEAM").content


def test_a_product_a_feature_and_a_plan_are_made_and_published_by_forms_alone(client, cast):
    client.force_login(cast.olga)
    client.post("/provisioning/catalogue/products/new/", {"name": "Work Space!"})
    assert Product.objects.get().key == "work-space"
    client.post("/provisioning/catalogue/features/new/", {"name": "API calls", "feature_kind": "metered", "unit": "calls"})
    assert Feature.objects.get().key == "feature-api-calls"
    answer = client.post(
        "/provisioning/catalogue/new/plan/", {"name": "Pro", "key": "plan-pro", "product": Product.objects.get().pk}
    )
    path = f"/provisioning/catalogue/offers/{offer('plan-pro').pk}/draft/"
    assert answer.url == path
    seen = client.get(path).context["editor"].seen
    added = client.post(path, {"verb": "add", "add": "feature-api-calls", "seen": seen, "price": "12.50", "currency": "eur"})
    assert b'name="line-0-limit"' in added.content
    assert b'value="12.50"' in added.content
    assert not finding.contents_of(finding.draft_of(offer("plan-pro"))).lines
    given = {"verb": "publish", "seen": seen, "line-0-feature": "feature-api-calls", "line-0-limit": "1000", "line-0-reset": "month",
             "line-0-soft": "on", "price": "12.50", "currency": "eur", "period_months": "1", "per_seat": "on", "trial_days": "7"}  # fmt: skip
    assert client.post(path, given).status_code == 302
    made = finding.contents_of(finding.latest("plan-pro"))
    assert (made.per_seat, made.trial_days, made.currency) == (True, 7, "EUR")
    assert (made.lines[0].reset, made.lines[0].soft, made.lines[0].limit) == ("month", True, 1000)


def test_st_21_a_wrong_prefix_is_told_at_its_field(client, cast, shop):
    client.force_login(cast.olga)
    answer = client.post("/provisioning/catalogue/new/addon/", {"name": "X", "key": "plan-x", "product": shop.pk})
    assert answer.status_code == 400
    assert "starts with addon-, such as addon-x" in answer.content.decode()
    answer = client.post("/provisioning/catalogue/products/new/", {"name": "Again", "key": "planner"})
    assert "planner is taken" in answer.content.decode()


def test_problems_of_a_draft_stand_at_their_row_and_nothing_typed_is_lost(client, cast, shop):
    client.force_login(cast.olga)
    path = f"/provisioning/catalogue/offers/{offer().pk}/draft/"
    given = {"verb": "save", "seen": "", "line-0-feature": "feature-seats", "line-0-limit": "many", "line-3-feature": "feature-calls",
             "line-3-limit": "7", "line-3-unlimited": "on", "price": "3", "trial_days": "0", "note": "Typed"}  # fmt: skip
    answer = client.post(path, given)
    text = answer.content.decode()
    assert answer.status_code == 400
    for words in (
        "&#x27;many&#x27; is not a number",
        "keep one of both",
        "Name the currency",
        "whole number from 1",
        'value="many"',
        'value="Typed"',
    ):
        assert words in text, words
    assert finding.draft_of(offer()) is None


def test_rows_are_dropped_without_script(client, cast, shop):
    client.force_login(cast.olga)
    path = f"/provisioning/catalogue/offers/{offer('plan-big').pk}/draft/"
    rows = {"line-0-feature": "feature-sso", "line-1-feature": "feature-calls", "line-1-limit": "10"}
    answer = client.post(path, {**rows, "verb": "drop-0"})
    assert [row["feature"] for row in answer.context["editor"].rows] == ["feature-calls"]
    assert client.post(path, {**rows, "verb": "drop-99"}).status_code in (302, 400)


def test_two_people_do_not_overwrite_each_others_draft(client, cast, shop, now):
    client.force_login(cast.olga)
    path = f"/provisioning/catalogue/offers/{offer().pk}/draft/"
    row = {"line-0-feature": "feature-seats", "line-0-limit": "6"}
    first = client.post(path, {**row, "seen": "", "verb": "save"})
    assert first.status_code == 302
    second = client.post(path, {**row, "line-0-limit": "7", "seen": "", "verb": "save"})
    assert second.status_code == 409
    assert "Somebody started a draft meanwhile" in second.content.decode()
    assert finding.contents_of(finding.draft_of(offer())).lines[0].limit == 6


def test_publish_discard_copy_and_archive_by_buttons(client, cast, shop, now):
    client.force_login(cast.olga)
    team = offer()
    base = f"/provisioning/catalogue/offers/{team.pk}"
    authoring.save_draft(team, entitlements=[{"feature": "feature-seats", "limit": 9}], actor=None, now=now)
    assert "Seats: 5 seats → 9 seats." in client.get(f"{base}/").content.decode()
    client.post(f"{base}/publish/")
    assert finding.latest("plan-team").number == 2
    page = client.get(f"{base}/versions/2/").content.decode()
    assert "Nobody." in page
    assert "Seats: 5 seats → 9 seats." in page
    assert "Seats: 9 seats → 5 seats." in client.get(f"{base}/versions/1/?with=2").content.decode()
    assert client.get(f"{base}/versions/7/").status_code == 404
    assert client.get(f"{base}/versions/draft/").status_code == 404
    assert "no draft" in client.post(f"{base}/publish/", follow=True).content.decode()
    client.post(f"{base}/copy/")
    assert finding.contents_of(finding.draft_of(offer("plan-team-copy"))).lines[0].limit == 9
    client.post(f"/provisioning/catalogue/offers/{offer('plan-team-copy').pk}/discard/")
    assert finding.draft_of(offer("plan-team-copy")) is None
    client.post(f"/provisioning/catalogue/archive/plan/{team.pk}/")
    assert finding.latest("plan-team") is None
    listed = client.get("/provisioning/catalogue/?text=plan-team").context["page"].object_list
    assert "plan-team" not in [card.offer.key for shelf in listed for card in shelf.plans]
    client.post(f"/provisioning/catalogue/restore/plan/{team.pk}/")
    assert finding.latest("plan-team") is not None
    answer = client.post(f"/provisioning/catalogue/archive/product/{shop.pk}/", follow=True)
    assert "in use by" in answer.content.decode()


def test_plans_stand_side_by_side(client, cast, shop):
    client.force_login(cast.marsha)
    answer = client.get(f"/provisioning/catalogue/products/{shop.pk}/compare/")
    rows = {line.feature: cells for line, cells in answer.context["rows"]}
    assert {card.offer.key for card in answer.context["plans"]} == {"plan-team", "plan-big", "plan-idea"}
    assert sorted(filter(None, rows["feature-calls"])) == ["10 calls a month"]
    chosen = client.get(f"/provisioning/catalogue/products/{shop.pk}/compare/?plan=plan-big&plan=plan-team")
    assert len(chosen.context["plans"]) == 2


def test_windows_that_do_not_fit_are_shown(client, cast, shop):
    client.force_login(cast.marsha)
    assert (
        b"counted a month in the plan and a day"
        in client.get(f"/provisioning/catalogue/offers/{offer('addon-calls').pk}/").content
    )


def test_a_file_is_tried_before_it_is_loaded(client, cast, shop):
    client.force_login(cast.olga)
    changed = files.dump().replace("limit: 5\n", "limit: 50\n", 1)
    tried = client.post("/provisioning/catalogue/file/", {"text": changed, "try": "1"})
    assert tried.status_code == 200
    assert b"What would change" in tried.content
    assert OfferVersion.objects.exclude(published_at=None).count() == 3
    assert client.post("/provisioning/catalogue/file/", {"text": changed, "save": "1"}).status_code == 302
    assert OfferVersion.objects.exclude(published_at=None).count() == 4
    bad = client.post("/provisioning/catalogue/file/", {"text": "plans: [{key: x}]", "save": "1"})
    assert bad.status_code == 400
    assert b"plans[0].key" in bad.content
    assert client.post("/provisioning/catalogue/file/", {"save": "1"}).status_code == 400
    assert files.load(client.get("/provisioning/catalogue/catalogue.yaml").content, actor=None).is_quiet


def test_the_back_office_looks_archives_and_refuses(client, cast, shop):
    client.force_login(cast.ada)
    for name in ("product", "feature", "offer", "offerversion", "productmapping"):
        assert client.get(f"/admin/provisioning/{name}/").status_code == 200, name
    version = OfferVersion.objects.filter(offer__key="plan-team").get()
    assert client.get(f"/admin/provisioning/offerversion/{version.pk}/change/").status_code == 200
    team = offer()
    client.post("/admin/provisioning/offer/", {"action": "archive", "_selected_action": [team.pk]})
    assert finding.latest("plan-team") is None
    client.post("/admin/provisioning/offer/", {"action": "restore", "_selected_action": [team.pk]})
    assert finding.latest("plan-team") is not None
    answer = client.post("/admin/provisioning/product/", {"action": "archive", "_selected_action": [shop.pk]}, follow=True)
    assert "in use by" in answer.content.decode()
