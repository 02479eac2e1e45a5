"""A small catalogue of two products, made straight in the database, and customers who buy from it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from integrations.models import Customer
from provisioning.entitlements.access import load_access
from provisioning.entitlements.deciding import Decision, decide
from provisioning.models import Feature, Offer, OfferEntitlement, OfferVersion, Product, Subscription
from provisioning.subscriptions import changes
from provisioning.subscriptions.spec import TermsSpec

NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
DAY = timedelta(days=1)
KINDS = {"sso": "boolean", "audit": "boolean", "projects": "numeric", "calls": "metered", "storage": "metered"}


def stock() -> None:
    """Products crm (plans team, pro and seats; add-on calls) and mail (plan mail)."""
    for key, kind in KINDS.items():
        unit = "" if kind == "boolean" else key
        Feature.objects.create(key=f"feature-{key}", name=key.title(), kind=kind, unit=unit, description=f"All about {key}")
    crm, mail = (Product.objects.create(key=key, name=key.title()) for key in ("crm", "mail"))
    publish("plan-team", crm, sso={}, projects={"limit": 5}, calls={"limit": 10, "reset": "month"})
    publish("plan-pro", crm, sso={}, audit={}, projects={"limit": 50}, calls={"limit": 1000, "reset": "month"})
    publish("plan-seats", crm, per_seat=True, projects={"limit": 2, "per_seat": True}, storage={"limit": 100})
    publish("addon-calls", crm, calls={"limit": 5})
    publish("plan-mail", mail, calls={"limit": 3, "reset": "month"}, storage={"limit": 10, "soft": True})


def publish(key: str, product: Product | str | None = None, *, per_seat: bool = False, **gives: dict[str, Any]) -> OfferVersion:
    """The next published version of an offer, which is made if it is new."""
    owner = Product.objects.get(key=product) if isinstance(product, str) else product
    kind = "plan" if key.startswith("plan-") else "addon"
    offer = Offer.objects.filter(key=key).first()
    offer = offer or Offer.objects.create(key=key, name=key.partition("-")[2].title(), kind=kind, product=owner)
    version = OfferVersion.objects.create(
        offer=offer, number=offer.versions.count() + 1, per_seat=per_seat, published_at=NOW - timedelta(days=400)
    )
    for name, values in gives.items():
        OfferEntitlement.objects.create(version=version, feature=Feature.objects.get(key=f"feature-{name}"), **values)
    return version


def customer(name: str = "acme") -> Customer:
    """A customer."""
    return Customer.objects.create(external_id=name, name=name.title())


def subscribe(who: Customer, plan: str = "plan-team", *, now: datetime = NOW, **values: Any) -> Subscription:
    """A subscription of crm (or `product`) that began ten days ago, unless told otherwise."""
    terms = values.pop("terms", None) or spec(plan, **{name: values.pop(name) for name in PARTS if name in values})
    product = values.pop("product", "mail" if plan == "plan-mail" else "crm")
    return changes.start(
        who, product=product, terms=terms, starts_at=values.pop("starts_at", now - 10 * DAY), now=now, **values
    )


PARTS = ("seats", "add_ons", "overrides")


def spec(plan: str = "plan-team", *, seats: int | None = None, add_ons: Any = (), overrides: Any = ()) -> TermsSpec:
    """Terms in short: add_ons {"addon-x": 2}, overrides {"calls": 5, "sso": "revoked", "storage": "unlimited"}."""
    bought = tuple((key, Decimal(number)) for key, number in dict(add_ons).items())
    own = tuple(
        (f"feature-{key}", None, value == "unlimited", value == "revoked") if isinstance(value, str)
        else (f"feature-{key}", Decimal(value), False, False)
        for key, value in dict(overrides).items()
    )  # fmt: skip
    return TermsSpec(plan, None if seats is None else Decimal(seats), bought, own)  # pyright: ignore[reportArgumentType]


def ask(who: Customer, feature: str, *, at: datetime = NOW, requested: int | None = None) -> Decision:
    """The answer now, read from the database."""
    return decide(load_access([who.pk], now=at)[who.pk], f"feature-{feature}", requested=requested, now=at)
