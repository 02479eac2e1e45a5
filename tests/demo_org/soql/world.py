"""A small world whose every record is known, for queries and reports."""

from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from integrations.demo_org.oauth.accounts import create_login
from integrations.demo_org.org import Caller, DemoOrg
from tests.demo_org.core.served_org import open_core_org

NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)  # a Wednesday; in Los Angeles 4 o'clock in the morning
ZONE = "America/Los_Angeles"
LONG_AGO = "2020-01-01T00:00:00.000Z"


class World:
    """The org, the ids of its records by a short name, and a caller in Los Angeles."""

    def __init__(self, directory: Path) -> None:
        self.org: DemoOrg = open_core_org(directory)
        self.ids: dict[str, str] = {"ada": self._first("User")}
        self.org.clock.set(NOW, frozen=True)
        self.caller = Caller(self.ids["ada"], "ada@core.example", time_zone=ZONE, is_admin=True)

    def _first(self, object_name: str) -> str:
        return self.org.store.read().execute(f'SELECT "Id" FROM "{object_name}"').fetchone()[0]

    def add(self, object_name: str, records: Mapping[str, Mapping[str, Any]]) -> None:
        """Store records under short names; values that name another record become its id."""
        kind = self.org.schema.objects[object_name.lower()]
        usual = {each: LONG_AGO for each in ("CreatedDate", "LastModifiedDate", "SystemModstamp") if kind.find(each)}
        usual |= {"OwnerId": self.ids["ada"]} if kind.find("OwnerId") else {}
        with self.org.store.write():
            made = self.org.store.next_ids(object_name, len(records))
            for key, (name, fields) in zip(made, records.items(), strict=True):
                self.ids[name] = key
                known = {
                    field: self.ids.get(value, value) if field.endswith("Id") else value for field, value in fields.items()
                }
                self.org.store.insert(object_name, [{**usual, **known, "Id": key}])


def build_world(directory: Path) -> World:
    """Users, accounts, contacts, deals, cases, tasks."""
    world = World(directory)
    world.add("UserRole", {"chief": {"Name": "Chief"}})
    world.add("User", {"bob": {"Username": "bob@core.example", "LastName": "Bobson", "FirstName": "Bob", "Name": "Bob Bobson",
                               "Alias": "bob", "IsActive": 1, "ManagerId": "ada", "UserRoleId": "chief"}})  # fmt: skip
    create_login(world.org, world.ids["bob"], "bob@core.example", "pw", "token")
    world.add("Group", {"desk": {"Name": "Support desk", "Type": "Queue"}})
    world.add("Account", {
        "acme": {"Name": "Acme", "Industry": "Banking", "AnnualRevenue": 1000.5, "NumberOfEmployees": 10, "BillingCity": "Paris",
                 "BillingPostalCode": "75001", "Product_Lines__c": "Planning;Connect", "Domain_Key__c": "ABC", "Region__c": "EMEA",
                 "CreatedDate": "2026-11-18T05:00:00.000Z", "OwnerId": "bob", "Description": "line one\nline two"},
        "emile": {"Name": "Émile & Söhne", "Industry": "Energy", "AnnualRevenue": 2000000.0, "NumberOfEmployees": 200,
                  "Product_Lines__c": "Planning", "Domain_Key__c": "abd", "Region__c": "EMEA", "ParentId": "acme",
                  "CreatedDate": "2026-11-01T12:00:00.000Z"},
        "oneil": {"Name": "O'Neil 100%_x", "AnnualRevenue": 139000000.0, "Region__c": "AMER", "Is_Reference__c": 1,
                  "CreatedDate": "2025-12-31T23:30:00.000Z"},
        "gone": {"Name": "Gone Ltd", "IsDeleted": 1, "Industry": "Energy"},
    })  # fmt: skip
    world.add("Contact", {
        "ann": {"FirstName": "Ann", "LastName": "Archer", "Name": "Ann Archer", "AccountId": "acme", "Email": "ann@acme.example"},
        "ben": {"FirstName": "Ben", "LastName": "Baker", "Name": "Ben Baker", "AccountId": "acme", "Phone": "555-0100"},
        "cid": {"LastName": "Cole", "Name": "Cole", "AccountId": "emile", "Email": "cole@söhne.example"},
        "dee": {"LastName": "Dee", "Name": "Dee"},
    })  # fmt: skip
    deal = {"StageName": "Prospecting", "IsClosed": 0, "IsWon": 0, "Probability": 10.0}
    won = {"StageName": "Closed Won", "IsClosed": 1, "IsWon": 1, "Probability": 100.0}
    world.add("Opportunity", {
        "d1": {**deal, "Name": "One", "Amount": 100.0, "CloseDate": "2026-11-18", "AccountId": "acme", "Type": "New Business"},
        "d2": {**deal, "Name": "Two", "Amount": 250.5, "CloseDate": "2026-12-01", "AccountId": "acme", "OwnerId": "bob"},
        "d3": {**won, "Name": "Three", "Amount": 1000.0, "CloseDate": "2026-10-31", "AccountId": "emile", "OwnerId": "bob"},
        "d4": {**won, "Name": "Four", "Amount": 4000.0, "CloseDate": "2025-02-28", "AccountId": "emile"},
        "d5": {**deal, "Name": "Five", "StageName": "Qualification", "CloseDate": "2027-01-15", "IsPrivate": 1},
    })  # fmt: skip
    world.add("Case", {"k1": {"CaseNumber": "00001001", "Subject": "Help", "AccountId": "acme", "OwnerId": "desk",
                              "Status": "New", "Priority": "High"}})  # fmt: skip
    world.add("Lead", {"lee": {"LastName": "Lee", "Name": "Lee", "Company": "Leeway"}})
    world.add("Task", {
        "t1": {"Subject": "Call", "WhatId": "acme", "WhoId": "ann"},
        "t2": {"Subject": "Mail", "WhatId": "d1", "WhoId": "lee"},
        "t3": {"Subject": "Fix", "WhatId": "k1"},
        "t4": {"Subject": "Rest"},
    })  # fmt: skip
    return world
