"""Folders, the reports in them and two dashboards."""

from integrations.demo_org.reports.definition import store_definition
from integrations.demo_org.seed.company import OLD, Company
from integrations.demo_org.seed.dice import Days, Dice
from integrations.demo_org.seed.loading import Loader
from integrations.demo_org.seed.report_table import FOLDERS, HIDDEN_FOLDER, REPORTS

FORMATS = {"TABULAR": "Tabular", "SUMMARY": "Summary", "MATRIX": "Matrix", "MULTI_BLOCK": "MultiBlock"}
KEEPERS = {"Board": "ewin", "Customer Success": "sadler", "Marketing": "mrosen", "Finance": "rstone"}
DASHBOARDS = (("Executive", "Company at a glance"), ("Sales", "Pipeline"))


def seed_reports(loader: Loader, dice: Dice, days: Days, company: Company) -> dict[str, str]:
    """Write the folders, `Report` records and definitions; the report ids by name.

    The Board folder is hidden: only its keeper and administrators may see what is in it.
    """
    folders = _add_folders(loader, days, company)
    table = loader.table("Report", "OwnerId FolderName Name Description DeveloperName LastRunDate Format IsDeleted *")
    found = {}
    for number, each in enumerate(REPORTS):
        user = company.users[KEEPERS.get(each.folder, "hcole")]
        at = days.moment(-500 + number * 9, dice)
        run = days.moment(-number % 20, dice)
        found[each.name] = table.next_id()
        table.add((
            found[each.name], folders[each.folder], each.folder, each.name, each.description or None, developer_name(each.name),
            run, FORMATS[each.definition.format], 0, at, user, at, user, at,
        ))  # fmt: skip
        store_definition(loader.connection, found[each.name], each.definition)
    boards = loader.table("Dashboard", "FolderId FolderName Title DeveloperName Type RunningUserId *")
    for folder, title in DASHBOARDS:
        at, user = days.date(-90) + "T12:00:00.000Z", company.users["hcole"]
        row = (folders[folder], folder, title, developer_name(title), "SpecifiedUser", user, at, user, at, user, at)
        boards.add((boards.next_id(), *row))
    return found


def developer_name(name: str) -> str:
    """The API name that Salesforce derives from a report's name: letters, digits and single underscores."""
    words = "".join(letter if letter.isascii() and letter.isalnum() else " " for letter in name).split()
    return "_".join(words)


def _add_folders(loader: Loader, days: Days, company: Company) -> dict[str, str]:
    table = loader.table("Folder", "Name DeveloperName AccessType IsReadonly Type *")
    at, found = days.date(OLD) + "T11:00:00.000Z", {}
    for name in FOLDERS:
        user = company.users[KEEPERS.get(name, "hcole")]
        access = "Hidden" if name == HIDDEN_FOLDER else "Public"
        found[name] = table.next_id()
        table.add((found[name], name, f"{developer_name(name)}_Reports", access, 0, "Report", at, user, at, user, at))
    return found
