"""From terms in plain values to what a term keeps: versions of plan and add-ons, seats, own limits; all problems at once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from integrations.access import Refusal
from provisioning.catalogue import finding
from provisioning.models import Feature, OfferVersion, Product, Term, TermAddOn
from provisioning.subscriptions.spec import AddOnLine, OverrideLine, TermsSpec

LARGEST = Decimal(10) ** 9
PLAN, ADDON, BOOLEAN = "plan", "addon", "boolean"


class BadTerms(Refusal):
    """Terms that cannot be given; `problems` are (field, message), all at once."""

    status = 400

    def __init__(self, problems: Sequence[tuple[str, str]]) -> None:
        self.problems = list(problems)
        super().__init__("bad_terms", " ".join(f"{name}: {message}" for name, message in self.problems[:20]))

    @property
    def fields(self) -> dict[str, list[str]]:
        """Messages by field, as the API shows them."""
        found: dict[str, list[str]] = {}
        for name, message in self.problems:
            found.setdefault(name, []).append(message)
        return found


@dataclass(frozen=True)
class Resolved:
    """Terms with their rows of the catalogue."""

    plan: OfferVersion
    seats: Decimal | None = None
    add_ons: tuple[tuple[OfferVersion, Decimal], ...] = ()
    overrides: tuple[tuple[Feature, OverrideLine], ...] = ()

    @property
    def spec(self) -> TermsSpec:
        """The same in plain values."""
        add_ons = tuple(AddOnLine(version.offer.key, quantity) for version, quantity in self.add_ons)
        return TermsSpec(self.plan.offer.key, self.seats, add_ons, tuple(line for _, line in self.overrides))


@dataclass
class _Finding:
    """Versions to use: those that the subscription has already stay as they were sold (ST-03), others are the latest."""

    product: Product | None
    kept: dict[str, OfferVersion] = field(default_factory=dict)
    problems: list[tuple[str, str]] = field(default_factory=list)

    def offer(self, key: str, kind: str, name: str) -> OfferVersion | None:
        version = self.kept.get(key) or finding.latest(key)
        word = "plan" if kind == PLAN else "add-on"
        if version is None or version.offer.kind != kind:
            self.problems.append((name, f"There is no published {word} “{key[:120]}”; publish it or choose another one."))
            return None
        return self.fits(version, name)

    def fits(self, version: OfferVersion, name: str) -> OfferVersion | None:
        if version.published_at is None:
            self.problems.append((name, f"{version} is a draft; publish it first."))
            return None
        if self.product is not None and version.offer.product_id != self.product.pk:
            text = f"“{version.offer.key}” belongs to the product {version.offer.product}, not to {self.product}."
            self.problems.append((name, text))
            return None
        return version


def resolve(
    spec: TermsSpec, *, product: Product | None, before: Iterable[Term] = (), plan: OfferVersion | None = None
) -> Resolved:
    """Rows for `spec`; raises `BadTerms` with everything that is wrong. `before` are terms whose versions stay.

    `plan` chooses another version than the latest one. With no `product` that of the plan counts.
    """
    found = _Finding(product, kept_versions(before))
    version = found.fits(plan, "plan") if plan is not None else found.offer(spec.plan, PLAN, "plan")
    if version is not None and found.product is None:
        found.product = version.offer.product
    seats = _seats(version, spec.seats, found.problems)
    add_ons = _add_ons(spec.add_ons, found)
    overrides = _overrides(spec.overrides, found.problems)
    if found.problems or version is None:
        raise BadTerms(found.problems)
    return Resolved(version, seats, add_ons, overrides)


def kept_versions(terms: Iterable[Term]) -> dict[str, OfferVersion]:
    """Versions of plans and add-ons in these terms, by key; of several the last."""
    found: dict[str, OfferVersion] = {}
    for term in terms:
        found[term.plan.offer.key] = term.plan
        found |= {each.version.offer.key: each.version for each in add_ons_of(term)}
    return found


def add_ons_of(term: Term) -> list[TermAddOn]:
    """The add-ons of a term with their versions, in the order in which they were added."""
    return sorted(term.add_ons.all(), key=lambda each: each.pk)


def resolved_of(term: Term) -> Resolved:
    """What a recorded term says."""
    overrides = [
        (each.feature, OverrideLine(each.feature.key, each.limit, each.unlimited, each.revoked, each.soft))
        for each in sorted(term.overrides.all(), key=lambda each: each.feature.key)
    ]
    add_ons = tuple((each.version, each.quantity) for each in add_ons_of(term))
    return Resolved(term.plan, term.seats, add_ons, tuple(overrides))


def spec_of(term: Term) -> TermsSpec:
    """A recorded term in plain values."""
    return resolved_of(term).spec


def _seats(plan: OfferVersion | None, seats: Decimal | None, problems: list[tuple[str, str]]) -> Decimal | None:
    if plan is None or not plan.per_seat:
        return None
    if seats is None:
        problems.append(("seats", f"{plan.offer} is sold by the seat; say how many."))
    elif not _is_whole(seats) or not 1 <= seats <= LARGEST:
        problems.append(("seats", f"must be a whole number from 1 to {LARGEST:,}."))
    return seats


def _add_ons(lines: Sequence[AddOnLine], found: _Finding) -> tuple[tuple[OfferVersion, Decimal], ...]:
    chosen: list[tuple[OfferVersion, Decimal]] = []
    seen: set[str] = set()
    for line in lines:
        name = f"add_ons.{line.key}"
        if line.key in seen:
            found.problems.append((name, "stands here twice; add the quantities up."))
        seen.add(line.key)
        if not _is_whole(line.quantity) or not 1 <= line.quantity <= LARGEST:
            found.problems.append((name, f"The quantity must be a whole number from 1 to {LARGEST:,}."))
        version = found.offer(line.key, ADDON, name)
        if version is not None:
            chosen.append((version, line.quantity))
    return tuple(chosen)


def _overrides(lines: Sequence[OverrideLine], problems: list[tuple[str, str]]) -> tuple[tuple[Feature, OverrideLine], ...]:
    features = {each.key: each for each in Feature.objects.filter(key__in=[line.feature for line in lines])}
    chosen: dict[str, tuple[Feature, OverrideLine]] = {}
    for line in lines:
        name = f"overrides.{line.feature}"
        feature = features.get(line.feature)
        if feature is None:
            problems.append((name, "There is no such feature; make it first."))
        elif line.feature in chosen:
            problems.append((name, "stands here twice."))
        elif message := _trouble(line):
            problems.append((name, message))
        else:
            chosen[line.feature] = (feature, _plain(line, feature))
    return tuple(chosen.values())


def _trouble(line: OverrideLine) -> str:
    if sum((line.limit is not None and line.limit != 0, line.unlimited, line.revoked)) > 1:
        return "Give a limit, or unlimited, or revoked; not two of them."
    if line.limit is not None and (not line.limit.is_finite() or not 0 <= line.limit <= Decimal(10) ** 18):
        return "The limit must be a number from 0 to 10^18."
    return ""


def _plain(line: OverrideLine, feature: Feature) -> OverrideLine:
    """0 revokes (ST-D6); a feature of yes or no has no number."""
    if line.revoked or (line.limit == 0 and not line.unlimited):
        return OverrideLine(line.feature, None, revoked=True)
    if feature.kind == BOOLEAN:
        return OverrideLine(line.feature, None)
    return line


def _is_whole(number: Decimal) -> bool:
    return number.is_finite() and number == number.to_integral_value()
