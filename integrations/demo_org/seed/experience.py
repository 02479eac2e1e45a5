"""What a product experience tool finds in the org: its own fields with a few old values, keys of the product, workspaces.

Everything follows from a record's number, so that no dice are thrown and the rest of the company stays as it is.
"""

from integrations.demo_org.seed.dice import Days
from integrations.demo_org.seed.loading import Loader

ACCOUNT_FIELDS = (
    "PX_Active_Users_30d__c PX_Health__c PX_Plan__c PX_Last_Seen__c PX_NPS_Score__c PX_Is_Active__c Product_Account_Id__c"
)
CONTACT_FIELDS = "PX_Last_Seen__c PX_Role__c PX_Sessions_30d__c PX_NPS_Score__c PX_Is_Active__c Product_User_Id__c"
WORKSPACE_COLUMNS = (
    "OwnerId IsDeleted Name Website__c Account__c Workspace_Key__c PX_Active_Users_30d__c PX_Health__c PX_Plan__c"
    " PX_Last_Seen__c PX_NPS_Score__c PX_Is_Active__c *"
)
PLANS, HEALTH = ("Free", "Starter", "Team", "Enterprise"), ("Good", "Fair", "Poor")
ROLES = ("Analyst", "Planner", "Approver", "Guest")
TRIAL_DAYS = 14
KNOWN_SHARE, OLD_SHARE, SECOND_WORKSPACE_EVERY, LOOSE_EVERY = 60, 20, 9, 37


def scatter(number: int) -> int:
    """A number that looks random and is the same every time."""
    return number * 2_654_435_761 % 2**32


def account_values(number: int, days: Days, *, key: int) -> tuple[object, ...]:
    """The values of ACCOUNT_FIELDS: mostly empty, some left by an earlier tool. `key` is the number behind the product's id."""
    return (*_state(number, days), f"pa-{scatter(key):08x}" if scatter(key) % 100 < KNOWN_SHARE else None)


def _state(number: int, days: Days) -> tuple[object, ...]:
    """Users, health, plan, last seen, score, active."""
    seed = scatter(number)
    if seed // 100 % 100 >= OLD_SHARE:
        return (None, None, None, None, None, 0)
    seen = f"{days.date(-(seed % 190) - 1)}T08:{seed % 60:02d}:00.000Z"
    score = float(seed % 150 - 50) if seed % 3 else None
    return (float(seed % 240), HEALTH[seed % 3], PLANS[seed % 4], seen, score, int(seed % 190 < 30))


def trial_values(number: int, days: Days, *, since: int | None, created: int) -> tuple[str | None, str | None]:
    """First and last day of the trial. Two of three customers tried before they bought, half of the prospects did and left.

    `since` (bought) and `created` are offsets from today.
    """
    seed = scatter(number + 7)
    if since is not None:
        start = since - 5 - seed % 24 if seed // 64 % 3 else None
    else:
        start = created + seed % -created if seed // 64 % 2 else None
    return (None, None) if start is None else (days.date(start), days.date(start + TRIAL_DAYS))


def contact_values(number: int, days: Days) -> tuple[object, ...]:
    """The values of CONTACT_FIELDS."""
    seed = scatter(number)
    known = f"pu-{seed:08x}" if seed % 100 < KNOWN_SHARE else None
    if seed // 100 % 100 >= OLD_SHARE:
        return (None, None, None, None, 0, known)
    seen = f"{days.date(-(seed % 190) - 1)}T09:{seed % 60:02d}:00.000Z"
    return (seen, ROLES[seed % 4], float(seed % 80), float(seed % 11) if seed % 3 else None, int(seed % 190 < 30), known)


def write_workspaces(
    loader: Loader, days: Days, account: str, number: int, *, name: str, domain: str, owner: str, at: str
) -> None:
    """The workspaces of a customer: one, now and then two; now and then one that nobody has linked to its account."""
    table = loader.table("Workspace__c", WORKSPACE_COLUMNS)
    for turn in range(2 if number % SECOND_WORKSPACE_EVERY == 0 else 1):
        own = f"{name[:60]} {('Production', 'Sandbox')[turn]}"
        linked = None if number % LOOSE_EVERY == 0 else account
        key = f"ws-{number:06d}-{turn + 1}"
        row = (owner, 0, own, f"https://{domain}", linked, key, *_state(number * 3 + turn, days))
        table.add((table.next_id(), *row, at, owner, at, owner, at))
