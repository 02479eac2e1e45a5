"""What the variables of engagements stand for: facts of one end user and their customer (PX-03)."""

from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_UP, Decimal

from integrations.models import Attribute, Customer, EndUser, Entity
from integrations.product.engagements import variables
from integrations.product.kpis import values

ROOTS = {"user": Entity.END_USER, "account": Entity.CUSTOMER}
EXAMPLE = {
    "user.name": "Jane Doe", "user.first_name": "Jane", "user.email": "jane@acme.example", "user.external_id": "u-17",
    "account.name": "Acme Ltd", "account.external_id": "acme", "account.website": "acme.example",
}  # fmt: skip
BY_TYPE = {"STRING": "example", "NUMBER": "42", "BOOLEAN": "yes", "DATE_TIME": "31 January 2027"}


def known_attributes() -> dict[str, dict[str, str]]:
    """Types of the attributes that texts may name, by root ("user", "account") and key."""
    found: dict[str, dict[str, str]] = {root: {} for root in ROOTS}
    roots = {entity: root for root, entity in ROOTS.items()}
    for entity, key, kind in Attribute.objects.order_by("label").values_list("entity", "key", "type"):
        found[roots[Entity(entity)]][key] = kind
    return found


def known_kpis() -> list[str]:
    """Keys of the KPIs that texts may name as `account.kpi.KEY`."""
    return [column.key for column in values.columns_now()]


def known_names() -> list[str]:
    """Every variable that a text may use, for the editor."""
    attributes = known_attributes()
    plain = [f"{root}.{name}" for root in ROOTS for name in variables.PLAIN[root]]
    return plain + [f"{root}.attributes.{key}" for root in ROOTS for key in attributes[root]]


def facts_of(
    user: EndUser | None,
    customer: Customer | None,
    names: Iterable[str],
    *,
    attributes: Mapping[str, Mapping[str, str]],
    kpis: Mapping[str, object] | None = None,
) -> dict[str, str | None]:
    """The value of each name, as people read it; None when there is none. Pure: everything is handed in."""
    return {name: _fact(name, user, customer, attributes, kpis or {}) for name in names}


def example_facts(names: Iterable[str], *, attributes: Mapping[str, Mapping[str, str]]) -> dict[str, str | None]:
    """Invented values for a preview."""
    return {name: EXAMPLE.get(name) or BY_TYPE[_type_of(name, attributes)] for name in names}


def _type_of(name: str, attributes: Mapping[str, Mapping[str, str]]) -> str:
    root, _, rest = name.partition(".")
    kind, _, key = rest.partition(".")
    return "NUMBER" if kind == "kpi" else attributes.get(root, {}).get(key, "STRING")


def _rounded(value: object) -> object:
    """A figure as people read it: one decimal, half up (the domain's rule for screens)."""
    return value.quantize(Decimal("0.1"), ROUND_HALF_UP) if isinstance(value, Decimal) else value


def _fact(
    name: str,
    user: EndUser | None,
    customer: Customer | None,
    attributes: Mapping[str, Mapping[str, str]],
    kpis: Mapping[str, object],
) -> str | None:
    root, _, rest = name.partition(".")
    record = user if root == "user" else customer
    kind, _, key = rest.partition(".")
    if kind == "kpi":
        return variables.shown(_rounded(kpis.get(key)), "NUMBER")
    if record is None:
        return None
    if kind == "attributes":
        return variables.shown(record.attributes.get(key), attributes.get(root, {}).get(key, "STRING"))
    if kind == "first_name":
        return (record.name.split() or [None])[0]
    return variables.shown(getattr(record, kind, None)) if kind in variables.PLAIN.get(root, ()) else None
