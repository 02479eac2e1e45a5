"""More deals than a report shows in detail, and folders."""

from tests.demo_org.soql.world import World

MANY = 2500


def add_deals(world: World) -> None:
    """2,500 deals of 10 each for one account, and two folders."""
    won = {
        "StageName": "Closed Won",
        "IsClosed": 1,
        "IsWon": 1,
        "Amount": 10.0,
        "CloseDate": "2026-11-02",
        "AccountId": "oneil",
    }
    world.add("Opportunity", {f"many{k}": {**won, "Name": f"Many {k:04}"} for k in range(MANY)})
    world.add("Folder", {
        "public": {"Name": "Public Reports", "DeveloperName": "Public_Reports", "AccessType": "Public", "Type": "Report", "CreatedById": "ada"},
        "board": {"Name": "Board", "DeveloperName": "Board", "AccessType": "Hidden", "Type": "Report", "CreatedById": "ada"},
    })  # fmt: skip
