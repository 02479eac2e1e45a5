"""Accounts with their people and workspaces: prospects, customers, churned ones, duplicates, merged and deleted ones."""

from dataclasses import dataclass, field

from integrations.demo_org.seed.company import Company
from integrations.demo_org.seed.dice import Days, Dice
from integrations.demo_org.seed.experience import (
    ACCOUNT_FIELDS,
    CONTACT_FIELDS,
    account_values,
    contact_values,
    trial_values,
    write_workspaces,
)
from integrations.demo_org.seed.loading import Loader
from integrations.demo_org.seed.words import (
    COMPANY_FIRST,
    COMPANY_LAST,
    COMPANY_SECOND,
    DEPARTMENTS,
    FIRST_NAMES,
    FREE_MAIL,
    LAST_NAMES,
    PLACES,
    SPECIAL_COMPANIES,
    STREETS,
    TITLES,
)

ACCOUNT_COLUMNS = (
    "IsDeleted MasterRecordId Name Type RecordTypeId ParentId BillingStreet BillingCity BillingState BillingPostalCode"
    " BillingCountry BillingLatitude BillingLongitude Phone AccountNumber Website PhotoUrl Industry AnnualRevenue"
    " NumberOfEmployees Ownership Description Rating OwnerId LastActivityDate CleanStatus AccountSource CurrencyIsoCode"
    " External_Id__c Legacy_Number__c Domain_Key__c Customer_Number__c Segment__c Lifecycle__c Region__c Subregion__c"
    " Product_Lines__c ARR__c Seats__c NPS__c Health__c Trial_Start__c Trial_End__c Customer_Since__c"
    " Renewal_Date__c Churned_On__c Is_Reference__c Support_Url__c Support_Opens__c Headquarters__Latitude__s"
    " Headquarters__Longitude__s Notes__c Summary__c"
    f" {ACCOUNT_FIELDS} *"
)
CONTACT_COLUMNS = (
    "IsDeleted MasterRecordId AccountId LastName FirstName Salutation Name MailingStreet MailingCity MailingState"
    " MailingCountry Phone MobilePhone Email Title Department LeadSource ReportsToId Birthdate OwnerId LastActivityDate"
    " IsEmailBounced PhotoUrl CleanStatus CurrencyIsoCode External_Id__c Member_Number__c Product_Role__c Languages__c"
    f" Last_Seen__c NPS__c Newsletter__c {CONTACT_FIELDS} *"
)
LIVES = ["Prospect"] * 9 + ["Onboarding"] + ["Live"] * 8 + ["At Risk"] + ["Churned"]
SEGMENTS = ["Enterprise"] * 3 + ["Mid-Market"] * 7 + ["Small Business"] * 10
SEATS = {"Enterprise": (180, 1200), "Mid-Market": (40, 240), "Small Business": (5, 50)}
STAFF = {"Enterprise": (1200, 38000), "Mid-Market": (180, 1500), "Small Business": (8, 190)}
SEAT_PRICE = 310
SOURCES = ("Web", "Phone Inquiry", "Partner Referral", "Purchased List", "Other")
LINES = ("Planning", "Forecasting", "Workspace", "Connect", "Insights")
LANGUAGE_SETS = ("English", "English;German", "German", "English;French", "English;Spanish", "Japanese", "English;Portuguese")
MERGED_EVERY, BIN_EVERY, DOUBLE_EVERY, SPECIAL_EVERY = 67, 59, 43, 41
SAME_DOMAIN_EVERY, SAME_NAME_EVERY, FREE_DOMAIN_EVERY = 47, 53, 61


@dataclass(slots=True)
class Customer:
    """What the deals, cases and activities of an account need to know about it. Days are offsets from today."""

    id: str
    number: int
    name: str
    domain: str
    segment: str
    life: str
    region: str
    owner: str
    created: int
    since: int | None
    renewal: int | None
    churned: int | None
    arr: float
    seats: int
    currency: str
    people: list[tuple[str, str]] = field(default_factory=list)


def seed_customers(loader: Loader, dice: Dice, days: Days, company: Company, numbers: range) -> list[Customer]:
    """One chunk of accounts with about three contacts each. The living ones are returned."""
    made, before = [], None
    for number in numbers:
        customer = _invent(loader, dice, company, number)
        twin = before if before and number % DOUBLE_EVERY == 0 else None
        _share(customer, before, is_twin=twin is not None)
        _write_account(loader, dice, days, company, customer, made, twin)
        _write_people(loader, dice, days, customer)
        if customer.since is not None:
            at = days.date(customer.since) + "T09:00:00.000Z"
            write_workspaces(
                loader, days, customer.id, number, name=customer.name, domain=customer.domain, owner=customer.owner, at=at
            )
        made.append(customer)
        if number % MERGED_EVERY == 0:
            _write_gone(loader, dice, days, company, customer, merged=True)
        if number % BIN_EVERY == 0:
            _write_gone(loader, dice, days, company, customer, merged=False)
        before = customer
    return made


def _share(customer: Customer, before: Customer | None, *, is_twin: bool) -> None:
    """Let some accounts share the domain or the name of the one before, and some have no domain of their own."""
    if before and (is_twin or customer.number % SAME_DOMAIN_EVERY == 0):
        customer.domain = before.domain
    elif before and customer.number % SAME_NAME_EVERY == 0:
        customer.name = before.name
    elif customer.number % FREE_DOMAIN_EVERY == 0:
        customer.domain = FREE_MAIL[0]


def _invent(loader: Loader, dice: Dice, company: Company, number: int) -> Customer:
    segment, life = dice.pick(SEGMENTS), dice.pick(LIVES)
    region = PLACES[number * 5 % len(PLACES)][3]
    created = -dice.between(30, 1200)
    since = renewal = churned = None
    if life in ("Live", "At Risk", "Churned"):
        since = -dice.between(100, 1100)
        renewal = since + 365 * (-since // 365 + 1)
    elif life == "Onboarding":
        since = -dice.between(2, 75)
        renewal = since + 365
    if life == "Churned" and since is not None:
        churned = -dice.between(5, min(-since - 60, 640))
        renewal = None
    if since is not None:
        created = min(created, since - dice.between(20, 120))
    seats = dice.between(*SEATS[segment])
    arr = float(seats * SEAT_PRICE // 100 * 100) if since is not None else 0.0
    name = company_name(number, dice)
    id_ = loader.table("Account", ACCOUNT_COLUMNS).next_id()
    currency = "EUR" if region == "EMEA" and number % 3 == 0 else "USD"
    owner = dice.pick(company.reps[region])
    return Customer(id_, number, name, domain_of(name, number), segment, life, region, owner, created, since, renewal,
                    churned, arr, seats, currency)  # fmt: skip


def company_name(number: int, dice: Dice) -> str:
    """An invented company; now and then one with quotes, accents or other scripts."""
    if number % SPECIAL_EVERY == 7:
        turn = number // SPECIAL_EVERY
        ending = "" if turn < len(SPECIAL_COMPANIES) else f" ({turn})"
        return SPECIAL_COMPANIES[turn % len(SPECIAL_COMPANIES)] + ending
    first = COMPANY_FIRST[number * 37 % len(COMPANY_FIRST)]
    second = COMPANY_SECOND[number * 13 // 7 % len(COMPANY_SECOND)][0]
    last = dice.pick(COMPANY_LAST)
    round_ = number // (len(COMPANY_FIRST) * len(COMPANY_SECOND))
    return f"{first} {second} {last}".rstrip() + (f" {round_ + 1}" if round_ else "")


def domain_of(name: str, number: int) -> str:
    """The invented web domain of a company; the top level `example` belongs to nobody."""
    words = [word for word in name.lower().replace("&", " ").split() if word.isascii() and word.isalpha()]
    return f"{''.join(words[:2]) or 'company'}{number}.example"


def _write_account(
    loader: Loader, dice: Dice, days: Days, company: Company, customer: Customer, made: list[Customer], twin: Customer | None
) -> None:
    number, place = customer.number, PLACES[customer.number * 5 % len(PLACES)]
    is_customer = customer.since is not None and customer.churned is None
    name, domain = (twin.name.upper(), twin.domain) if twin else (customer.name, customer.domain)
    website = (None, f"https://www.{domain}/", f"http://{domain}", domain, f"www.{domain}")[(number % 5) if number % 8 else 0]
    staff = dice.between(*STAFF[customer.segment])
    changed = dice.between(customer.created, 0) // (1 if number % 3 else 6)
    created_at = days.moment(customer.created, dice)
    changed_at = max(created_at, days.moment(changed, dice))
    parent = made[-3].id if number % 23 == 0 and len(made) > 3 else None
    kind = "Customer - Direct" if is_customer else "Prospect"
    loader.table("Account", ACCOUNT_COLUMNS).add((
        customer.id, 0, None, name, kind, company.record_types["Account", "Company"], parent,
        f"{dice.between(1, 240)} {dice.pick(STREETS)}", place[0], place[1] or None, f"{10000 + number * 77 % 89999}", place[2],
        place[5], place[6], f"{place[7]}{number % 90 + 10}", f"HP{number:06d}", website,
        f"/services/images/photo/{customer.id}",
        COMPANY_SECOND[number * 13 // 7 % len(COMPANY_SECOND)][1], float(staff * 180_000), staff,
        "Private" if number % 6 else "Public",
        None, (None, "Hot", "Warm", "Cold")[number % 4], customer.owner, days.date(max(changed, -90)), "Pending",
        dice.pick(SOURCES),
        customer.currency, None if number % 9 == 0 else f"cust-{number:06d}", float(100_000 + number) if number % 4 else None,
        f"D{number:06d}" if number % 2 else None, f"CUST-{number:06d}", customer.segment, customer.life, customer.region,
        place[4],
        _lines(dice, number) if is_customer else None, customer.arr if is_customer else 0.0,
        float(customer.seats) if is_customer else None,
        float(dice.between(-20, 80)) if is_customer else None, float(dice.between(30, 98)) if is_customer else None,
        *trial_values(number, days, since=customer.since, created=customer.created),
        days.date(customer.since) if customer.since is not None else None,
        days.date(customer.renewal) if customer.renewal is not None else None,
        days.date(customer.churned) if customer.churned is not None else None, int(is_customer and number % 7 == 0),
        f"https://{domain}/support" if is_customer else None, "08:30:00.000Z" if is_customer else None, place[5], place[6],
        f"Plans for {customer.segment.lower()} needs.\nSecond line with “quotes”, a comma, a ; semicolon." if number % 5 == 0
        else None, f"<p><b>{customer.segment}</b> account in {place[0]}</p>" if is_customer else None,
        *account_values(number, days, key=twin.number if twin else number),
        created_at, customer.owner, changed_at, customer.owner, changed_at,
    ))  # fmt: skip


def _lines(dice: Dice, number: int) -> str:
    """One to three product lines, in the order of the picklist."""
    wanted = {number % 5, dice.between(0, 4), dice.between(0, 4)}
    return ";".join(LINES[each] for each in sorted(wanted))


def _write_people(loader: Loader, dice: Dice, days: Days, customer: Customer) -> None:
    table = loader.table("Contact", CONTACT_COLUMNS)
    place = PLACES[customer.number * 5 % len(PLACES)]
    boss = None
    for turn in range(dice.between(1, 5)):
        first, last = dice.pick(FIRST_NAMES), dice.pick(LAST_NAMES)
        number = customer.number * 10 + turn
        first_name = None if number % 97 == 0 else first
        full = f"{first} {last}" if first_name else last
        created = dice.between(customer.created, 0)
        created_at = days.moment(created, dice)
        changed_at = max(created_at, days.moment(dice.between(created, 0), dice))
        id_ = table.next_id()
        is_user = customer.since is not None and customer.churned is None
        table.add((
            id_, 0, None, customer.id, last, first_name, "Dr." if number % 31 == 0 else None, full, None, place[0],
            place[1] or None,
            place[2], f"{place[7]}{number % 90 + 10}", None, _mail(first, last, number, customer.domain), dice.pick(TITLES),
            dice.pick(DEPARTMENTS), dice.pick(SOURCES), boss, None, customer.owner, None, int(number % 113 == 0),
            f"/services/images/photo/{id_}", "Pending", customer.currency, f"user-{number:07d}" if is_user else None,
            float(number) if number % 3 else None, ("Owner", "Admin", "Editor", "Viewer")[turn % 4] if is_user else None,
            dice.pick(LANGUAGE_SETS), days.moment(-dice.between(0, 60), dice) if is_user else None, None, int(number % 4 == 0),
            *contact_values(number, days),
            created_at, customer.owner, changed_at, customer.owner, changed_at,
        ))  # fmt: skip
        boss = boss or id_
        customer.people.append((id_, full))


def _mail(first: str, last: str, number: int, domain: str) -> str | None:
    """An address at the company, now and then one of a free-mail provider, none, or one in capitals."""
    if number % 29 == 0:
        return None
    local = "".join(letter for letter in f"{first}.{last}".lower() if (letter.isascii() and letter.isalnum()) or letter == ".")
    if number % 13 == 0 or domain in FREE_MAIL:
        return f"demo-{local}.{number}@{domain if domain in FREE_MAIL else FREE_MAIL[number % len(FREE_MAIL)]}"
    return f"{local}.{number}@{domain}".upper() if number % 37 == 0 else f"{local}.{number}@{domain}"


def _write_gone(loader: Loader, dice: Dice, days: Days, company: Company, winner: Customer, *, merged: bool) -> None:
    """A deleted account: the loser of a merge into `winner`, or one that just lies in the recycle bin."""
    id_ = loader.table("Account", ACCOUNT_COLUMNS).next_id()
    place = PLACES[winner.number * 5 % len(PLACES)]
    gone = days.moment(-dice.between(0, 12), dice)
    created_at = days.moment(winner.created, dice)
    name = winner.name if merged else f"{winner.name} (test)"
    blank = dict.fromkeys(loader.table("Account", ACCOUNT_COLUMNS).columns)
    row = blank | {
        "Id": id_, "IsDeleted": 1, "MasterRecordId": winner.id if merged else None, "Name": name, "Type": "Prospect",
        "RecordTypeId": company.record_types["Account", "Company"], "BillingCity": place[0], "BillingCountry": place[2],
        "Website": f"https://{winner.domain}", "OwnerId": winner.owner, "CleanStatus": "Pending",
        "CurrencyIsoCode": winner.currency,
        "Customer_Number__c": f"CUST-{winner.number + (5_000_000 if merged else 6_000_000)}", "Segment__c": winner.segment,
        "Lifecycle__c": "Prospect", "PX_Is_Active__c": 0,
        "Region__c": winner.region, "ARR__c": 0.0, "Is_Reference__c": 0, "CreatedDate": created_at, "CreatedById": winner.owner,
        "LastModifiedDate": gone, "LastModifiedById": winner.owner, "SystemModstamp": gone,
    }  # fmt: skip
    loader.table("Account", ACCOUNT_COLUMNS).add(tuple(row.values()))
    loader.deleted(id_, "Account", gone)
    if not merged:
        _write_gone_person(loader, winner, id_, gone, created_at)


def _write_gone_person(loader: Loader, winner: Customer, account: str, gone: str, created_at: str) -> None:
    """The contact that went into the recycle bin together with its account."""
    table = loader.table("Contact", CONTACT_COLUMNS)
    id_ = table.next_id()
    row = dict.fromkeys(table.columns) | {
        "Id": id_, "IsDeleted": 1, "AccountId": account, "LastName": "Test", "FirstName": "Terry", "Name": "Terry Test",
        "Email": f"terry.test@{winner.domain}", "OwnerId": winner.owner, "IsEmailBounced": 0, "CleanStatus": "Pending",
        "CurrencyIsoCode": winner.currency, "Newsletter__c": 0, "PX_Is_Active__c": 0,
        "CreatedDate": created_at, "CreatedById": winner.owner,
        "LastModifiedDate": gone, "LastModifiedById": winner.owner, "SystemModstamp": gone,
    }  # fmt: skip
    table.add(tuple(row.values()))
    loader.deleted(id_, "Contact", gone, account)
