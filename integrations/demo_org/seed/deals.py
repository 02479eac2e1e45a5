"""Opportunities with products, stage history, contact roles; quotes, orders, contracts and assets of the won ones."""

from dataclasses import dataclass

from integrations.demo_org.schema.catalogue.sales import LOSS_REASONS, ROLES, STAGES
from integrations.demo_org.seed.company import Company
from integrations.demo_org.seed.customers import Customer
from integrations.demo_org.seed.dice import Days, Dice
from integrations.demo_org.seed.loading import Loader
from integrations.demo_org.seed.products import Item, PriceList
from integrations.demo_org.seed.words import NEXT_STEPS

OPPORTUNITY = (
    "AccountId RecordTypeId Name StageName Amount Probability ExpectedRevenue TotalOpportunityQuantity CloseDate Type NextStep"
    " LeadSource IsClosed IsWon ForecastCategory ForecastCategoryName CurrencyIsoCode CampaignId HasOpportunityLineItem"
    " Pricebook2Id OwnerId LastActivityDate LastStageChangeDate FiscalQuarter FiscalYear Fiscal ContactId External_Id__c ARR__c"
    " Term_Months__c Loss_Reason__c Competitor__c ContractId *"
)
LINE = (
    "OpportunityId SortOrder CurrencyIsoCode PricebookEntryId Product2Id ProductCode Name Quantity Discount Subtotal TotalPrice"
    " UnitPrice ListPrice ServiceDate External_Id__c *"
)
HISTORY = (
    "OpportunityId CreatedDate CreatedById StageName Amount ExpectedRevenue CloseDate Probability ForecastCategory"
    " CurrencyIsoCode PrevAmount PrevCloseDate SystemModstamp"
)
CHANGES = "OpportunityId CreatedById CreatedDate Field DataType OldValue NewValue"
ROLE = "OpportunityId ContactId Role IsPrimary *"
CONTRACT = (
    "AccountId Pricebook2Id StartDate EndDate ContractTerm OwnerId Status StatusCode ActivatedDate ActivatedById ContractNumber"
    " CurrencyIsoCode External_Id__c Annual_Value__c Auto_Renew__c CustomerSignedId CustomerSignedDate *"
)
ORDER = (
    "OwnerId ContractId AccountId Pricebook2Id CurrencyIsoCode OpportunityId EffectiveDate EndDate Status Type ActivatedDate"
    " ActivatedById StatusCode OrderNumber External_Id__c *"
)
ORDER_ITEM = (
    "Product2Id OrderId PricebookEntryId CurrencyIsoCode AvailableQuantity Quantity UnitPrice ListPrice ServiceDate"
    " OrderItemNumber *"
)
QUOTE = (
    "OwnerId Name CurrencyIsoCode OpportunityId Pricebook2Id ContactId QuoteNumber Status ExpirationDate AccountId"
    " External_Id__c *"
)
QUOTE_LINE = "LineNumber CurrencyIsoCode QuoteId PricebookEntryId Product2Id Quantity UnitPrice ListPrice SortOrder *"
ASSET = (
    "AccountId ContactId Product2Id ProductCode Name InstallDate PurchaseDate UsageEndDate Status Price Quantity OwnerId"
    " CurrencyIsoCode Asset_Number__c External_Id__c *"
)
WINDOW = -730
SEAT_SHARE = (0.12, 0.09, 0.03)  # how many units of an edition a seat makes, by edition
WON, LOST = len(STAGES) - 2, len(STAGES) - 1
REASONS, ROLE_NAMES = tuple(LOSS_REASONS.split("; ")), tuple(ROLES.split("; "))
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
RIVALS = ("Tallyworks", "Gridline", "PlanPeak", "Spreadsheets")
TYPES = {
    "New Business": "New Customer", "Renewal": "Existing Customer - Renewal", "Expansion": "Existing Customer - Upgrade",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Deal:
    """An opportunity as the later parts of the seed refer to it. Days are offsets from today; `stage` indexes STAGES."""

    id: str
    customer: Customer
    kind: str
    stage: int
    opened: int
    close: int
    amount: float | None
    touched: str


class Deals:
    """Writes the deals of accounts, one account at a time."""

    def __init__(
        self, loader: Loader, dice: Dice, days: Days, company: Company, prices: PriceList, campaigns: list[str]
    ) -> None:
        self.dice, self.days, self.company, self.prices, self.campaigns = dice, days, company, prices, campaigns
        self.opportunities = loader.table("Opportunity", OPPORTUNITY)
        self.lines = loader.table("OpportunityLineItem", LINE)
        self.history = loader.table("OpportunityHistory", HISTORY)
        self.changes = loader.table("OpportunityFieldHistory", CHANGES)
        self.roles = loader.table("OpportunityContactRole", ROLE)
        self.contracts = loader.table("Contract", CONTRACT)
        self.orders = loader.table("Order", ORDER)
        self.order_items = loader.table("OrderItem", ORDER_ITEM)
        self.quotes = loader.table("Quote", QUOTE)
        self.quote_lines = loader.table("QuoteLineItem", QUOTE_LINE)
        self.assets = loader.table("Asset", ASSET)
        self.numbers: dict[str, int] = {}

    def of_account(self, customer: Customer) -> list[Deal]:
        """Everything that was or is being sold to one account."""
        contract = self._contract(customer) if customer.since is not None else None
        plans = self._plans(customer)
        return [self._deal(customer, contract, *plan) for plan in plans]

    def _plans(self, customer: Customer) -> list[tuple[str, int, int, int]]:
        """(kind, stage, opened, close) of each deal that this account's life asks for."""
        dice, plans = self.dice, []
        if customer.since is None:
            makers = [self._lost if dice.chance(0.6) else self._open for _ in range(dice.between(0, 3))]
            return [make("New Business") for make in makers]
        if customer.since > WINDOW:
            plans.append(("New Business", WON, customer.since - dice.between(25, 110), customer.since))
        end = customer.churned if customer.churned is not None else 0
        for year in range(1, 4):
            renewed = customer.since + 365 * year
            if WINDOW < renewed < min(end - 20, 0):
                plans.append(("Renewal", WON, renewed - dice.between(45, 90), renewed - dice.between(0, 20)))
        if customer.churned is not None:
            plans.append(("Renewal", LOST, customer.churned - dice.between(30, 80), customer.churned))
        else:
            if customer.renewal is not None and customer.renewal <= 92:
                plans.append(("Renewal", dice.between(1, 7), -dice.between(1, 60), customer.renewal))
            plans += [self._growth(customer) for _ in range(dice.between(0, 3))]
        return plans

    def _growth(self, customer: Customer) -> tuple[str, int, int, int]:
        """An expansion: won, lost or open."""
        since = customer.since or 0
        roll = self.dice.roll()
        if roll < 0.35 and since < -40:
            close = -self.dice.between(0, min(-since - 30, -WINDOW))
            return ("Expansion", WON, max(close - self.dice.between(15, 70), since), close)
        if roll < 0.8 and since < -200:
            return self._lost("Expansion", oldest=max(since + 150, WINDOW))
        return self._open("Expansion")

    def _lost(self, kind: str, *, oldest: int = WINDOW) -> tuple[str, int, int, int]:
        close = -self.dice.between(1, -oldest)
        return (kind, LOST, close - self.dice.between(20, 140), close)

    def _open(self, kind: str) -> tuple[str, int, int, int]:
        """A deal in the pipeline; one in twelve is overdue."""
        close = -self.dice.between(1, 25) if self.dice.chance(0.08) else self.dice.between(1, 92)
        return (kind, self.dice.between(0, 7), -self.dice.between(1, 120), close)

    def _deal(self, customer: Customer, contract: str | None, kind: str, stage: int, opened: int, close: int) -> Deal:
        dice, days = self.dice, self.days
        id_ = self.opportunities.next_id()
        number = self.take_number("Opportunity")
        items = self._items(customer, kind) if dice.chance(0.82) or stage == WON else []
        amount = round(sum(price * quantity for _, quantity, price in items), 2) if items else None
        if amount is None and stage > 1:
            amount = float(dice.between(20, 900) * 100)
        created_at = days.moment(opened, dice)
        touched = self._history(id_, customer, stage, opened, min(close, 0), close, amount, created_at)
        row = self._opportunity(id_, number, customer, contract, kind, stage, close, amount, bool(items), created_at, touched)
        self.opportunities.add(row)
        self.add_lines(id_, number, customer, items, close, created_at)
        if customer.people:
            stamps = (created_at, customer.owner, created_at, customer.owner, created_at)
            person = dice.pick(customer.people)[0]
            self.roles.add((self.roles.next_id(), id_, person, dice.pick(ROLE_NAMES), 1, *stamps))
        if items and stage >= 6 and dice.chance(0.6):
            self._quote(id_, number, customer, items, stage, touched, close)
        if stage == WON and items and close > -400:
            self._order(id_, customer, contract, kind, items, touched, close)
        return Deal(id_, customer, kind, stage, opened, close, amount, touched)

    def _opportunity(
        self, id_: str, number: int, customer: Customer, contract: str | None, kind: str, stage: int, close: int,
        amount: float | None, has_lines: bool, created_at: str, touched: str,
    ) -> tuple:  # fmt: skip
        name, probability, closed, won, category, shown = STAGES[stage]
        days, dice = self.days, self.dice
        year, quarter, fiscal = days.fiscal(close)
        campaign = dice.pick(self.campaigns) if number % 4 == 0 else None
        lost = stage == LOST
        expected = round(amount * probability / 100, 2) if amount is not None else None
        arr = round(amount * 0.8, 2) if amount is not None and kind != "Renewal" else amount
        return (
            id_, customer.id, self.company.record_types["Opportunity", kind],
            f"{customer.name[:80]} - {kind} {year} Q{quarter}", name, amount, probability, expected, None, days.date(close),
            TYPES[kind], None if closed else dice.pick(NEXT_STEPS), dice.pick(SOURCES), int(closed), int(won), category, shown,
            customer.currency, campaign, int(has_lines), self.prices.book if has_lines else None, customer.owner, touched[:10],
            touched, quarter, year, fiscal, None, f"opp-{number:07d}", arr, float((12, 12, 24, 36)[number % 4]),
            dice.pick(REASONS) if lost else None, dice.pick(RIVALS) if lost and number % 2 else None,
            contract if won else None, created_at, customer.owner, touched, customer.owner, touched,
        )  # fmt: skip

    def _items(self, customer: Customer, kind: str) -> list[tuple[Item, float, float]]:
        """(product, quantity, price) of one to four lines, sized by the account."""
        dice = self.dice
        edition = {"Small Business": 0, "Mid-Market": 1, "Enterprise": 2}[customer.segment]
        main = self.prices.editions[dice.between(0, 4) * 3 + edition]
        factor = {"New Business": 1.0, "Renewal": 1.05, "Expansion": 0.3}[kind]
        quantity = max(1, int((customer.seats or dice.between(4, 60)) * SEAT_SHARE[edition] * factor))
        price = round(main.price * (1 - dice.between(0, 4) * 0.05), 2)
        items = [(main, float(quantity), price)]
        for _ in range(dice.between(0, 3)):
            extra = dice.pick(self.prices.small if edition == 0 else self.prices.extras)
            items.append((extra, float(dice.between(1, 4)), extra.price))
        return items

    def add_lines(self, id_: str, number: int, customer: Customer, items: list, close: int, at: str) -> None:
        """The lines of a deal: (product, quantity, price) each."""
        owner = customer.owner
        for order, (item, quantity, price) in enumerate(items, 1):
            total = round(quantity * price, 2)
            self.lines.add((
                self.lines.next_id(), id_, float(order), customer.currency, item.entry, item.product, item.code,
                item.name, quantity, None, total, total, price, item.price, self.days.date(close),
                f"line-{number:07d}-{order}", at, owner, at, owner, at,
            ))  # fmt: skip

    def _history(
        self,
        id_: str,
        customer: Customer,
        stage: int,
        opened: int,
        until: int,
        close: int,
        amount: float | None,
        created_at: str,
    ) -> str:
        """One row per stage passed, from the first to the present one. Returns when the last change was."""
        dice, days, owner, currency = self.dice, self.days, customer.owner, customer.currency
        last = dice.between(1, 6) if stage == LOST else stage
        steps = [0, *(each for each in range(1, min(last, 7) + 1) if dice.chance(0.55) or each == last)]
        if stage >= WON:
            steps.append(stage)
        at, before, day, shown = created_at, None, days.date(close), None
        for turn, step in enumerate(steps):
            if turn:
                offset = until if turn == len(steps) - 1 and stage >= WON else opened + (until - opened) * turn // len(steps)
                at = max(at, days.moment(offset, dice))
            name, probability, _, _, category, _ = STAGES[step]
            known = amount if step or len(steps) == 1 else None
            expected = round(known * probability / 100, 2) if known is not None else None
            self.history.add((self.history.next_id(), id_, at, owner, name, known, expected, day, probability, category,
                              currency, shown, day if turn else None, at))  # fmt: skip
            if before is None:
                self.changes.add((self.changes.next_id(), id_, owner, at, "created", "Text", None, None))
            else:
                self.changes.add((self.changes.next_id(), id_, owner, at, "StageName", "DynamicEnum", before, name))
            before, shown = name, known
        return at

    def _contract(self, customer: Customer) -> str:
        """The contract of an account that bought: activated, or expired once it churned."""
        since, days, owner = customer.since or 0, self.days, customer.owner
        at = days.moment(min(since, 0), self.dice)
        end = customer.churned if customer.churned is not None else customer.renewal
        ended = customer.churned is not None
        id_ = self.contracts.next_id()
        number = self.take_number("Contract")
        signer = customer.people[0][0] if customer.people else None
        status = ("Activated", "Expired" if ended else "Activated")
        self.contracts.add((
            id_, customer.id, self.prices.book, days.date(since), days.date(end or since + 365), 12, owner, *status, at, owner,
            f"{number:08d}", customer.currency, f"ctr-{number:06d}", customer.arr, int(not ended), signer, days.date(since),
            at, owner, at, owner, at,
        ))  # fmt: skip
        return id_

    def _order(self, deal: str, customer: Customer, contract: str | None, kind: str, items: list, at: str, close: int) -> None:
        number, owner, days = self.take_number("Order"), customer.owner, self.days
        id_ = self.orders.next_id()
        label = {"New Business": "New", "Renewal": "Renewal", "Expansion": "Upgrade"}[kind]
        self.orders.add((
            id_, owner, contract, customer.id, self.prices.book, customer.currency, deal, days.date(close),
            days.date(close + 365),
            "Activated", label, at, owner, "Activated", f"{number:08d}", f"ord-{number:06d}", at, owner, at, owner, at,
        ))  # fmt: skip
        for item, quantity, price in items:
            self.order_items.add((
                self.order_items.next_id(), item.product, id_, item.entry, customer.currency, quantity, quantity, price,
                item.price, days.date(close), f"{self.take_number('OrderItem'):010d}", at, owner, at, owner, at,
            ))  # fmt: skip
        self._asset(customer, items[0], close, at)

    def _asset(self, customer: Customer, line: tuple[Item, float, float], close: int, at: str) -> None:
        item, quantity, price = line
        number, owner, days = self.take_number("Asset"), customer.owner, self.days
        person = customer.people[0][0] if customer.people else None
        self.assets.add((
            self.assets.next_id(), customer.id, person, item.product, item.code, item.name, days.date(close), days.date(close),
            days.date(close + 365), "Installed", price, quantity, owner, customer.currency, f"A-{number:07d}",
            f"ast-{number:06d}",
            at, owner, at, owner, at,
        ))  # fmt: skip

    def _quote(self, deal: str, number: int, customer: Customer, items: list, stage: int, at: str, close: int) -> None:
        owner, days = customer.owner, self.days
        id_, mine = self.quotes.next_id(), self.take_number("Quote")
        status = {WON: "Accepted", LOST: "Denied"}.get(stage, "Presented")
        person = customer.people[0][0] if customer.people else None
        self.quotes.add((
            id_, owner, f"{customer.name[:60]} - Quote {mine}", customer.currency, deal, self.prices.book, person,
            f"{mine:08d}", status, days.date(close + 30), customer.id, f"quo-{number:07d}", at, owner, at, owner, at,
        ))  # fmt: skip
        for order, (item, quantity, price) in enumerate(items, 1):
            self.quote_lines.add((
                self.quote_lines.next_id(), f"{self.take_number('QuoteLineItem'):08d}", customer.currency, id_, item.entry,
                item.product, quantity, price, item.price, float(order), at, owner, at, owner, at,
            ))  # fmt: skip

    def take_number(self, name: str) -> int:
        """The next auto-number of an object."""
        self.numbers[name] = self.numbers.get(name, 0) + 1
        return self.numbers[name]
