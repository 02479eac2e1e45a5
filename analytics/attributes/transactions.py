"""Where an org's subscriptions and transactions are, since Salesforce has no standard object for them (FZ-D2). Pure."""

from collections.abc import Mapping
from typing import Any

from analytics.attributes import guessing
from analytics.attributes.body import Source, Step, Where
from analytics.attributes.chosen import Chosen
from analytics.attributes.guessing import best, contract_type_of
from analytics.attributes.paths import choose_paths
from integrations.salesforce.describe import FieldInfo, ObjectInfo

PRODUCT = (Step("Product2Id", "Product2"),)
CPQ = "SBQQ__Subscription__c"


def choose(preset: str, objects: Mapping[str, ObjectInfo]) -> Chosen:
    """The transactions of a preset; nothing where the org has none of its objects."""
    ways = {
        "standard_sales": (_opportunity_lines, _opportunities, _contracts), "orders_assets": (_order_items, _assets),
        "cpq": (_cpq,), "custom": (_custom,),
    }  # fmt: skip
    for way in ways[preset]:
        found = way(objects)
        if found is not None:
            return found
    return Chosen()


class _Group:
    """Sources of one object that belong together."""

    def __init__(self, objects: Mapping[str, ObjectInfo], name: str, *, where: tuple[Where, ...] = ()) -> None:
        self.objects, self.name, self.where, self.info = objects, name, where, objects[name]
        paths = choose_paths(objects, name)
        self.paths = paths or ((), ())
        self.sources: dict[str, Source] = {}
        self.guessed: set[str] = set()
        self.settings: dict[str, Any] = {}
        self.wrong: dict[str, str] = {}

    def make(self, field: str, *, of: tuple[Step, ...] = (), otherwise: Source | None = None, **more: Any) -> Source:
        path, other = self.paths
        return Source(self.name, (field,), self.where, path=path, other_path=other, of=of, otherwise=otherwise, **more)

    def add(self, key: str, *fields: str, guess: bool = False) -> None:
        """The first of these fields that exists, the others where it is blank."""
        chain: Source | None = None
        for name in reversed([each for each in fields if self.info.field(each) is not None]):
            chain = self.make(name, otherwise=chain)
        self.keep(key, chain, guess=guess)

    def keep(self, key: str, source: Source | None, *, guess: bool = False) -> None:
        if source is not None:
            self.sources[key] = source
            self.guessed |= {key} if guess else set()

    def guess(self, key: str, *, of: tuple[Step, ...] = ()) -> bool:
        """A field by name and type, on the record or on the one that it belongs to."""
        holder = self.objects.get(of[-1].object) if of else self.info
        chosen = best(holder, key)
        if chosen is not None:
            self.keep(key, self.make(chosen.name, of=of), guess=True)
        elif reason := guessing.wrong_type(holder, key):
            self.wrong[key] = reason
        return chosen is not None

    def has(self, name: str, *fields: str) -> bool:
        info = self.objects.get(name)
        return info is not None and all(info.field(each) is not None for each in fields)

    def product(self) -> None:
        """Name and family of the product that a line points to."""
        if not self.has(self.name, "Product2Id") or not self.has("Product2", "Name"):
            return
        self.keep("product_name", self.make("Name", of=PRODUCT))
        billing = best(self.objects["Product2"], "billing_period", as_attribute="contract_type")
        family = self.objects["Product2"].field("Family")
        chosen = billing if billing is not None and billing.active_values else family
        if chosen is not None:
            self.contract_type(chosen, PRODUCT, guess=chosen is billing)

    def contract_type(self, field: FieldInfo, of: tuple[Step, ...] = (), *, guess: bool = False) -> None:
        values = {value: contract_type_of(value) for value in field.active_values}
        self.keep("contract_type", self.make(field.name, of=of, values=values), guess=guess)

    def done(self) -> Chosen:
        if self.has(self.name, "CurrencyIsoCode"):
            self.keep("tx_currency", self.make("CurrencyIsoCode"))
        return Chosen(self.sources, frozenset(self.guessed), self.settings, self.wrong)


def _opportunity_lines(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    """Products of won opportunities (FZ-D3)."""
    if not _have(objects, "OpportunityLineItem", "OpportunityId", "TotalPrice") or not _have(objects, "Opportunity", "IsWon"):
        return None
    deal = (Step("OpportunityId", "Opportunity"),)
    group = _Group(objects, "OpportunityLineItem", where=(Where("IsWon", "=", ("true",), deal),))
    group.add("tx_amount", "TotalPrice")
    group.add("tx_quantity", "Quantity")
    closed = group.make("CloseDate", of=deal)
    has_day = group.info.field("ServiceDate") is not None
    group.keep("tx_start", group.make("ServiceDate", otherwise=closed) if has_day else closed)
    for key in ("tx_end", "tx_months"):
        if not group.guess(key):
            group.guess(key, of=deal)
    group.product()
    if "contract_type" not in group.sources and (field := objects["Opportunity"].field("Type")) is not None:
        group.contract_type(field, deal)
    return group.done()


def _opportunities(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    """Won opportunities, where nobody uses products."""
    if not _have(objects, "Opportunity", "IsWon", "Amount", "CloseDate", "AccountId"):
        return None
    group = _Group(objects, "Opportunity", where=(Where("IsWon", "=", ("true",)),))
    if not _recurring(group):
        group.add("tx_amount", "Amount")
    group.add("tx_quantity", "TotalOpportunityQuantity")
    group.add("tx_start", *_names(group, "tx_start"), "CloseDate")
    for key in ("tx_end", "tx_months"):
        group.guess(key)
    if (field := group.info.field("Type")) is not None:
        group.contract_type(field)
    return group.done()


def _contracts(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    """Contracts with an amount of their own."""
    if not _have(objects, "Contract", "AccountId", "StartDate"):
        return None
    group = _Group(objects, "Contract", where=(Where("Status", "!=", ("Draft",)),))
    if not _recurring(group) and not group.guess("tx_amount"):
        return None
    group.add("tx_start", "StartDate")
    group.add("tx_end", "EndDate")
    group.add("tx_months", "ContractTerm")
    return group.done()


def _order_items(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    if not _have(objects, "OrderItem", "OrderId") or not _have(objects, "Order", "AccountId", "EffectiveDate"):
        return None
    order = (Step("OrderId", "Order"),)
    status = "StatusCode" if _have(objects, "Order", "StatusCode") else "Status"
    group = _Group(objects, "OrderItem", where=(Where(status, "=", ("Activated",), order),))
    group.add("tx_amount", "TotalPrice", "UnitPrice")
    group.add("tx_quantity", "Quantity")
    for key, own, whole in (("tx_start", "ServiceDate", "EffectiveDate"), ("tx_end", "EndDate", "EndDate")):
        other = group.make(whole, of=order) if _have(objects, "Order", whole) else None
        group.keep(key, group.make(own, otherwise=other) if group.info.field(own) is not None else other)
    group.guess("tx_months", of=order)
    group.product()
    return group.done()


def _assets(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    if not _have(objects, "Asset", "AccountId", "Price"):
        return None
    group = _Group(objects, "Asset")
    group.add("tx_amount", "Price")
    group.add("tx_quantity", "Quantity")
    group.add("tx_start", "InstallDate", "PurchaseDate")
    group.add("tx_end", "UsageEndDate")
    group.product()
    if "product_name" not in group.sources:
        group.add("product_name", "Name")
    return group.done()


def _cpq(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    """Subscriptions of the CPQ package; fields that a version of it lacks are left out."""
    if not _have(objects, CPQ, "SBQQ__Account__c"):
        return None
    group = _Group(objects, CPQ)
    group.paths = ((Step("SBQQ__Account__c", "Account"),), ())
    if not _recurring(group):
        group.add("tx_amount", "SBQQ__NetPrice__c", "SBQQ__CustomerPrice__c", "SBQQ__ListPrice__c")
    group.add("tx_quantity", "SBQQ__Quantity__c")
    group.add("tx_start", "SBQQ__StartDate__c", "SBQQ__SubscriptionStartDate__c")
    group.add("tx_end", "SBQQ__TerminatedDate__c", "SBQQ__EndDate__c", "SBQQ__SubscriptionEndDate__c")
    group.add("tx_months", "SBQQ__DefaultSubscriptionTerm__c")
    group.add("product_name", "SBQQ__ProductName__c")
    if (field := group.info.field("SBQQ__ProductSubscriptionType__c")) is not None:
        group.contract_type(field)
    return group.done()


def _custom(objects: Mapping[str, ObjectInfo]) -> Chosen | None:
    """The custom object whose name says subscription and that has an amount, a beginning and a way to accounts."""
    for name in sorted(objects):
        info = objects[name]
        if not info.custom or not guessing.is_named((name, info.label), guessing.SUBSCRIPTION):
            continue
        if choose_paths(objects, name) is None:
            continue
        group = _Group(objects, name)
        if not (_recurring(group) or group.guess("tx_amount")) or not group.guess("tx_start"):
            continue
        for key in ("tx_end", "tx_months", "tx_quantity"):
            group.guess(key)
        _custom_product(group)
        kind = best(info, "billing_period", as_attribute="contract_type")
        if kind is not None and kind.active_values:
            group.contract_type(kind, guess=True)
        return group.done()
    return None


def _custom_product(group: _Group) -> None:
    """A lookup to products, else a field that names one."""
    for field in group.info.fields:
        if field.reference_to == ("Product2",) and group.has("Product2", "Name"):
            group.keep("product_name", group.make("Name", of=(Step(field.name, "Product2"),)))
            return
    chosen = best(group.info, "product", as_attribute="product_name")
    if chosen is not None:
        group.keep("product_name", group.make(chosen.name), guess=True)


def _recurring(group: _Group) -> bool:
    """A field with the recurring amount a year or a month, when there is one."""
    for key, is_for in (("tx_recurring_yearly", "yearly"), ("tx_recurring_monthly", "monthly")):
        chosen = best(group.info, key, as_attribute="tx_amount")
        if chosen is not None:
            group.keep("tx_amount", group.make(chosen.name), guess=True)
            group.settings["tx_amount_is"] = is_for
            return True
    return False


def _names(group: _Group, key: str) -> list[str]:
    chosen = best(group.info, key)
    return [chosen.name] if chosen is not None else []


def _have(objects: Mapping[str, ObjectInfo], name: str, *fields: str) -> bool:
    info = objects.get(name)
    return info is not None and info.queryable and all(info.field(each) is not None for each in fields)
