"""What a Salesforce product leads to and what is wrong with that, by its fields and prices (pure; ST-20 to ST-24, ST-D4)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from provisioning.intent.mapping import ADD_ON, ENTITLEMENT, PLAN, PREFIXES, WORDS, read_type

UNMAPPED, BROKEN, MAPPED, ASIDE = "unmapped", "problem", "mapped", "aside"
BAD, WARN = "bad", "warn"
PRICED, UNPRICED, PRICE_OFF, UNKNOWN = "priced", "none", "inactive", "unknown"


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """A Product2 as the mirror has it. `price` says whether it has an active standard price; `amount` is it in words."""

    id: str
    name: str = ""
    code: str = ""
    family: str = ""
    active: bool = True
    type: str = ""
    ref: str = ""
    unlimited: bool = False
    price: str = UNKNOWN
    amount: str = ""


@dataclass(frozen=True, slots=True)
class Ids:
    """What may be named: names by id for each of the three types, and why other known ids may not."""

    plans: Mapping[str, str] = field(default_factory=dict)
    add_ons: Mapping[str, str] = field(default_factory=dict)
    features: Mapping[str, str] = field(default_factory=dict)
    refused: Mapping[str, str] = field(default_factory=dict)

    def of_type(self, type_: str) -> Mapping[str, str]:
        """The ids of a type."""
        return {PLAN: self.plans, ADD_ON: self.add_ons, ENTITLEMENT: self.features}[type_]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something to put right. `bad`: a deal with this product would wait; `warn`: it cannot be sold as it is."""

    code: str
    tone: str
    message: str
    fix: str


@dataclass(frozen=True, slots=True)
class Judged:
    """A product with where it leads: `kind` plan, addon or entitlement ("" when nowhere), the entry's `name`, its troubles."""

    product: ProductFacts
    kind: str
    name: str
    troubles: tuple[Trouble, ...]

    @property
    def state(self) -> str:
        """unmapped (and on sale), problem, mapped, or aside: not sold and not mapped, so that nobody need care."""
        if not self.product.type.strip() and not self.product.ref.strip():
            return UNMAPPED if self.product.active else ASIDE
        return BROKEN if self.troubles else MAPPED

    @property
    def rank(self) -> tuple[int, str]:
        """Its place in a list: unmapped ones first, then problems."""
        return (UNMAPPED, BROKEN, MAPPED, ASIDE).index(self.state), self.product.name.casefold()


def judge(product: ProductFacts, ids: Ids) -> Judged:
    """Where the product leads and everything that is wrong."""
    type_, ref = product.type.strip(), product.ref.strip()
    if not type_ and not ref:
        return Judged(product, "", "", ())
    kind = read_type(type_)
    troubles = [*_of_values(type_, ref, kind, ids), *_of_sale(product)]
    name = ids.of_type(kind).get(ref, "") if kind else ""
    return Judged(product, kind, name, tuple(troubles))


def type_of(ref: str) -> str:
    """Which type an id belongs to, by its prefix; "" for none."""
    return next((kind for kind, prefix in PREFIXES.items() if ref.startswith(prefix)), "")


def _of_values(type_: str, ref: str, kind: str, ids: Ids) -> list[Trouble]:
    meant = type_of(ref)
    if not ref:
        return [Trouble("no_id", BAD, f"It is of type {type_[:80]}, but has no id.", "Choose where it leads.")]
    if not type_:
        fix = f"Save it again: {WORDS[meant]} is set by itself." if meant else "Choose where it leads."
        return [Trouble("no_type", BAD, f"It has the id {ref[:120]}, but no type.", fix)]
    if not kind:
        words = ", ".join(WORDS.values())
        return [Trouble("unknown_type", BAD, f"Its type {type_[:80]} is none of {words}.", "Save it again here.")]
    if not ref.startswith(PREFIXES[kind]):
        text = f"It is of type {WORDS[kind]}, but its id {ref[:120]} does not start with {PREFIXES[kind]}."
        fix = f"Its id is one of {'an' if meant in (ADD_ON, ENTITLEMENT) else 'a'} {WORDS[meant].lower()}. " if meant else ""
        return [Trouble("prefix_mismatch", BAD, text, f"{fix}Choose where it leads.")]
    if ref in ids.of_type(kind):
        return []
    if reason := ids.refused.get(ref, ""):
        why, _, fix = reason.partition(";")
        return [Trouble("refused_id", BAD, f"{ref[:120]} {why}.", f"{_capital(fix)}.")]
    return [Trouble("unknown_id", BAD, f"The catalogue has no {ref[:120]}.", _hint(ref, ids.of_type(kind)))]


def _capital(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:]


def _hint(ref: str, known: Mapping[str, str]) -> str:
    folded = {key.casefold(): key for key in known}
    near = get_close_matches(ref.strip().casefold(), list(folded), n=1, cutoff=0.7)
    return f"Did you mean {folded[near[0]]}?" if near else "Choose another one, or add it to the catalogue."


def _of_sale(product: ProductFacts) -> list[Trouble]:
    """The frequent set-up mistakes: an inactive product, no active standard price."""
    found = []
    if not product.active:
        text = "The product is inactive in Salesforce, so it cannot be put on a deal."
        found.append(Trouble("inactive", WARN, text, "Tick Active on the product, or take the mapping away."))
    if product.price in (UNPRICED, PRICE_OFF):
        what = "no standard price" if product.price == UNPRICED else "no active standard price"
        fix = "Add one on the product under Standard Price, and tick Active."
        found.append(Trouble("no_price", WARN, f"The product has {what}, so no price book can offer it.", fix))
    return found
