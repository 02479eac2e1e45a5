"""Wishes of people for where products lead: checked, shown with what they change, kept, handed to the job that writes them."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from integrations import audit
from integrations.access import Person, Refusal
from integrations.models import Run, SalesforceOrg
from integrations.salesforce.ids import is_id, to_18
from integrations.sync import runs
from provisioning.catalogue.authoring import known_person
from provisioning.intent.mapping import ENTITLEMENT, WORDS
from provisioning.mapping import leads
from provisioning.mapping.judging import Ids, ProductFacts, type_of
from provisioning.mapping.kind import JOB, spelled
from provisioning.models import Feature, ProductMapping

MOST = 200  # products saved at once


@dataclass(frozen=True, slots=True)
class Wish:
    """Where a product shall lead; an empty `ref` takes its mapping away."""

    product_id: str
    ref: str = ""
    unlimited: bool = False


@dataclass(frozen=True, slots=True)
class Change:
    """What saving a wish would change in Salesforce."""

    product: ProductFacts
    wish: Wish
    type: str
    name: str = ""
    problem: str = ""

    @property
    def before(self) -> str:
        """The fields as they are."""
        return said(self.product.type, self.product.ref, unlimited=self.product.unlimited)

    @property
    def after(self) -> str:
        """The fields as they would be."""
        return said(self.type, self.wish.ref, unlimited=self.wish.unlimited)


class BadMappings(Refusal):
    """Mappings that cannot be saved; `problems` by product id. Nothing was saved."""

    status = 400

    def __init__(self, problems: dict[str, str]) -> None:
        self.problems = problems
        super().__init__("bad_mapping", " ".join(f"{key}: {words}" for key, words in list(problems.items())[:20]))


def said(type_: str, ref: str, *, unlimited: bool) -> str:
    """ "Plan plan-team", "Entitlement feature-calls, unlimited", or "nothing"."""
    words = f"{type_} {ref}".strip()
    return f"{words}, unlimited" if words and unlimited else words or "nothing"


def preview_mappings(org: SalesforceOrg, wishes: Iterable[Wish]) -> list[Change]:
    """What these wishes would change, with the problem of each that cannot be; those that change nothing are left out.

    A product that stands as it is, right or wrong, is no wish: a page sends all its rows.
    """
    wanted = {to_18(each.product_id): each for each in wishes if is_id(each.product_id)}
    if len(wanted) > MOST:
        raise Refusal("too_many", f"Save at most {MOST} products at a time, not {len(wanted):,}.")
    products = leads.read_products(org, wanted)
    ids = leads.ids_of_catalogue()
    countable = set(Feature.objects.exclude(kind=Feature.Kind.BOOLEAN).values_list("key", flat=True))
    mirrored = leads.fields_mirrored(org)
    fields = leads.fields_of(org)
    found = []
    for product_id, wish in wanted.items():
        product = products.get(product_id)
        if product is None:
            text = "Salesforce has no such product, or it was not read yet."
            found.append(Change(ProductFacts(product_id), wish, "", problem=text))
            continue
        wish = Wish(product_id, wish.ref.strip(), wish.unlimited)
        change = _change(product, wish, ids, countable, has_field=fields.unlimited in mirrored)
        untouched = (product.ref.strip(), product.unlimited) == (wish.ref, wish.unlimited)
        if (change.problem and not untouched) or (not change.problem and not _is_as_wanted(product, change)):
            found.append(change)
    return found


def _change(product: ProductFacts, wish: Wish, ids: Ids, countable: set[str], *, has_field: bool) -> Change:
    kind = type_of(wish.ref)
    problem, name = _check(wish.ref, kind, ids)
    if wish.unlimited and not problem:
        problem = _check_unlimited(kind, wish.ref, countable, has_field=has_field)
    return Change(product, wish, WORDS.get(kind, ""), name, problem)


def _check(ref: str, kind: str, ids: Ids) -> tuple[str, str]:
    """The problem with an id, and the name that it stands for."""
    if not ref:
        return "", ""
    if not kind:
        return f"{ref[:120]} starts with none of plan-, addon- and feature-.", ""
    name = ids.of_type(kind).get(ref, "")
    if name:
        return "", name
    reason = ids.refused.get(ref, "is not in the catalogue")
    return f"{ref[:120]} {reason}.", ""


def _check_unlimited(kind: str, ref: str, countable: set[str], *, has_field: bool) -> str:
    if kind != ENTITLEMENT or ref not in countable:
        return "Only features with a limit can be unlimited."
    return "" if has_field else "The org has no field for Unlimited; deploy the mapping fields first."


def _is_as_wanted(product: ProductFacts, change: Change) -> bool:
    type_ = spelled(product.type, None, "") if product.type else ""
    same = (type_, product.ref, product.unlimited)
    return same == (change.type, change.wish.ref, change.wish.unlimited)


def save_mappings(org: SalesforceOrg, wishes: Sequence[Wish], *, actor: Person | None, now: datetime) -> Run | None:
    """Keep what is wanted and ask for the run that writes it; None when everything is so already.

    `BadMappings` when one of them cannot be; Refusal `not_connected`, `switched_off`, `no_fields`, `not_mirrored`, `too_many`.
    """
    if not org.provisioning_enabled:
        raise Refusal("switched_off", f"Provisioning is switched off for {org}.")
    if not org.is_connected:
        raise Refusal("not_connected", f"{org} is not connected now.")
    fields = leads.fields_of(org)
    if lacking := {fields.type, fields.id} - leads.fields_mirrored(org):
        names = ", ".join(sorted(lacking))
        raise Refusal("no_fields", f"{org} has no field {names} on products. Deploy the fields, then read products again.")
    changes = preview_mappings(org, wishes)
    if problems := {each.product.id: each.problem for each in changes if each.problem}:
        raise BadMappings(problems)
    drop_settled(org, wishes, changes)
    if not changes:
        return None
    with transaction.atomic():
        for each in changes:
            values = {"name": each.product.name, "type": each.type, "ref": each.wish.ref, "unlimited": each.wish.unlimited,
                      "wanted_by": known_person(actor), "wanted_at": now, "written_at": None, "problem": ""}  # fmt: skip
            ProductMapping.objects.update_or_create(org=org, product_id=each.product.id, defaults=values)
        before = {each.product.id: each.before for each in changes}
        after = {each.product.id: each.after for each in changes}
        audit.record("provisioning.mapped", actor=actor, target=org, before=before, after=after)
    return runs.request_run(JOB, org=org, user=known_person(actor), now=now)


def drop_settled(org: SalesforceOrg, wishes: Iterable[Wish], changes: Iterable[Change]) -> None:
    """Earlier wishes for products that are now wanted as Salesforce has them: nothing waits for those any more."""
    differing = {each.product.id for each in changes}
    asked = {to_18(each.product_id) for each in wishes if is_id(each.product_id)} - differing
    ProductMapping.objects.filter(org=org, product_id__in=asked, written_at=None).delete()
