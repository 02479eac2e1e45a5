"""The demo company: complete, consistent with the catalogue, believable, the same every time, and quick to make."""

from datetime import timedelta

import pytest

from integrations.demo_org import ids
from integrations.demo_org.clock import to_text
from integrations.demo_org.metadata.listing import TABLES
from integrations.demo_org.oauth import accounts, clients
from integrations.demo_org.schema.catalogue import definitions
from integrations.demo_org.schema.types import Field, ObjectType
from integrations.demo_org.seed.dice import Days
from integrations.demo_org.seed.showcase import NEAR
from integrations.demo_org.store import has_column, quote
from tests.demo_org.seed.conftest import NOW, seeded

SAME_AS_ARTICLE = {"KnowledgeArticleVersion"}  # another view of the rows of Knowledge__kav, with their ids


def stored(org) -> list[tuple[ObjectType, Field]]:
    return [(kind, field) for kind in org.schema.objects.values() for field in kind.fields if has_column(field)]


def test_size_is_the_number_of_living_accounts_and_the_rest_follows(rows) -> None:
    counts = {name: rows(f"SELECT COUNT(*) FROM {quote(name)} WHERE IsDeleted = 0")[0][0]
              for name in ("Account", "Contact", "Opportunity", "OpportunityLineItem", "Lead", "Case", "Product2")}  # fmt: skip
    assert counts["Account"] == 200
    assert 500 < counts["Contact"] < 700
    assert 400 < counts["Opportunity"] < 600
    assert counts["OpportunityLineItem"] > counts["Opportunity"]
    assert counts["Lead"] == 200
    assert 38 <= counts["Product2"] <= 45


def test_every_object_of_the_catalogue_has_records(org, rows) -> None:
    # events are not kept, and flows, credentials and messages are there once somebody deploys them
    # what tells of the schema and of packages is written when somebody asks for it
    later = {*TABLES, *(kind.name for kind in definitions.objects())}
    kinds = [kind for kind in org.schema.objects.values() if not kind.name.endswith("__e") and kind.name not in later]
    empty = {kind.name for kind in kinds if not rows(f"SELECT 1 FROM {quote(kind.name)} LIMIT 1")}
    assert not empty


def test_required_fields_are_filled_and_texts_fit(org, rows) -> None:
    wrong = []
    for kind, field in stored(org):
        column, table = quote(field.name), quote(kind.name)
        if not field.nillable and rows(f"SELECT 1 FROM {table} WHERE {column} IS NULL LIMIT 1"):
            wrong.append(f"{kind.name}.{field.name} is empty")
        if field.length and field.is_text and rows(f"SELECT 1 FROM {table} WHERE length({column}) > {field.length} LIMIT 1"):
            wrong.append(f"{kind.name}.{field.name} is too long")
    assert not wrong


def test_unique_fields_are_unique_and_ids_pass_their_checksum(org, rows) -> None:
    for kind, field in stored(org):
        if field.unique or field.name == "Id":
            column = quote(field.name)
            assert not rows(
                f"SELECT {column} FROM {quote(kind.name)} WHERE {column} IS NOT NULL GROUP BY 1 HAVING COUNT(*) > 1"
            )
        if field.name == "Id":
            for (record_id,) in rows(f"SELECT Id FROM {quote(kind.name)} LIMIT 50"):
                assert ids.to_18(record_id[:15]) == record_id
                prefix = "ka0" if kind.name in SAME_AS_ARTICLE else kind.key_prefix
                assert record_id.startswith(prefix)


def test_no_id_is_used_by_two_objects(org, rows) -> None:
    seen: dict[str, str] = {}
    for kind in org.schema.objects.values():
        if kind.name in SAME_AS_ARTICLE:
            continue
        for (record_id,) in rows(f"SELECT Id FROM {quote(kind.name)}"):
            assert record_id not in seen, f"{kind.name} and {seen.get(record_id)} share {record_id}"
            seen[record_id] = kind.name


def test_picklist_values_are_of_the_list(org, rows) -> None:
    wrong = []
    for kind, field in stored(org):
        if field.type in {"picklist", "multipicklist"}:
            known = [each.value for each in field.picklist]
            if not known:
                continue  # names of objects and fields, which no catalogue lists
            for (value,) in rows(f"SELECT DISTINCT {quote(field.name)} FROM {quote(kind.name)}"):
                parts = [] if value is None else value.split(";") if field.type == "multipicklist" else [value]
                if not set(parts) <= set(known) or parts != sorted(parts, key=known.index):
                    wrong.append(f"{kind.name}.{field.name}: {value}")
    assert not wrong


def test_references_point_to_records_of_an_allowed_object(org, rows) -> None:
    wrong = []
    for kind, field in stored(org):
        if field.type != "reference":
            continue
        known = [org.schema.find(name) for name in field.reference_to if org.schema.find(name)]
        checks = " AND ".join(
            f"NOT EXISTS (SELECT 1 FROM {quote(to.name)} t WHERE t.Id = x.{quote(field.name)})" for to in known
        )
        sql = f"SELECT COUNT(*) FROM {quote(kind.name)} x WHERE {quote(field.name)} IS NOT NULL" + (
            f" AND {checks}" if checks else ""
        )
        if rows(sql)[0][0]:
            wrong.append(f"{kind.name}.{field.name}")
    assert not wrong


def test_dependent_picklists_fit_their_controller(org, rows) -> None:
    allowed = {each.value: each.valid_for for each in org.schema.find("Account").find("Subregion__c").picklist}
    pairs = rows("SELECT DISTINCT Region__c, Subregion__c FROM Account WHERE Subregion__c IS NOT NULL")
    assert pairs
    assert all(region in allowed[subregion] for region, subregion in pairs)


def test_stage_probability_and_forecast_agree(rows) -> None:
    odd = rows("SELECT o.Id FROM Opportunity o LEFT JOIN OpportunityStage s ON s.MasterLabel = o.StageName AND s.IsWon = o.IsWon"
               " AND s.IsClosed = o.IsClosed AND s.DefaultProbability = o.Probability"
               " AND s.ForecastCategoryName = o.ForecastCategoryName WHERE s.Id IS NULL")  # fmt: skip
    assert not odd


def test_stage_history_ends_at_the_present_stage_and_runs_forward(rows) -> None:
    last = "(SELECT h.StageName FROM OpportunityHistory h WHERE h.OpportunityId = o.Id ORDER BY h.CreatedDate DESC, h.Id DESC LIMIT 1)"
    assert not rows(f"SELECT Id FROM Opportunity o WHERE StageName <> {last}")
    first = "(SELECT MIN(CreatedDate) FROM OpportunityHistory h WHERE h.OpportunityId = o.Id)"
    assert not rows(f"SELECT Id FROM Opportunity o WHERE CreatedDate <> {first}")
    assert not rows("SELECT Id FROM OpportunityHistory WHERE StageName = 'Closed Won' AND PrevCloseDate IS NULL")


def test_amounts_are_the_sum_of_the_lines(rows) -> None:
    total = "(SELECT SUM(TotalPrice) FROM OpportunityLineItem l WHERE l.OpportunityId = o.Id)"
    assert not rows(f"SELECT Id FROM Opportunity o WHERE HasOpportunityLineItem = 1 AND ABS(Amount - {total}) > 0.01")
    assert rows("SELECT 1 FROM Opportunity WHERE HasOpportunityLineItem = 0 AND Amount IS NULL")


def test_dates_lie_around_the_orgs_clock(rows) -> None:
    low, high = rows("SELECT MIN(CloseDate), MAX(CloseDate) FROM Opportunity")[0]
    assert (NOW - timedelta(days=760)).date().isoformat() <= low < (NOW - timedelta(days=600)).date().isoformat()
    assert (NOW + timedelta(days=80)).date().isoformat() < high <= (NOW + timedelta(days=95)).date().isoformat()
    assert rows("SELECT 1 FROM Opportunity WHERE IsWon = 1 AND CloseDate >= ?", f"{NOW.year}-01-01")


def test_nothing_was_changed_in_the_future_or_before_it_was_made(org, rows) -> None:
    for kind in org.schema.objects.values():
        if kind.find("LastModifiedDate") and kind.find("CreatedDate"):
            sql = f"SELECT Id FROM {quote(kind.name)} WHERE LastModifiedDate > ? OR LastModifiedDate < CreatedDate LIMIT 1"
            assert not rows(sql, to_text(NOW)), kind.name


def test_the_awkward_cases_are_there(rows) -> None:
    def some(sql: str) -> bool:
        return bool(rows(sql))

    assert some("SELECT 1 FROM Account WHERE Name LIKE '%\"%'")
    assert some("SELECT 1 FROM Account WHERE Name LIKE '%株%'")
    assert some("SELECT 1 FROM Contact WHERE LastName LIKE '%,%'")
    assert some("SELECT 1 FROM Contact WHERE Email LIKE '%@gmail.com'")
    assert some("SELECT 1 FROM Contact WHERE Email IS NULL")
    assert some("SELECT 1 FROM Account WHERE Website IS NULL AND IsDeleted = 0")
    assert some("SELECT 1 FROM Account WHERE Product_Lines__c LIKE '%;%'")
    assert some(
        "SELECT 1 FROM Lead WHERE IsConverted = 1 AND ConvertedAccountId IS NOT NULL AND ConvertedOpportunityId IS NOT NULL"
    )
    assert some("SELECT Name FROM Account WHERE IsDeleted = 0 GROUP BY Name HAVING COUNT(*) > 1")
    assert some("SELECT 1 FROM Account WHERE Notes__c LIKE '%' || char(10) || '%'")


def test_merged_and_deleted_accounts_lie_in_the_recycle_bin(rows) -> None:
    merged = rows("SELECT a.Id, w.IsDeleted FROM Account a JOIN Account w ON w.Id = a.MasterRecordId WHERE a.IsDeleted = 1")
    assert merged
    assert all(not deleted for _, deleted in merged)
    assert rows("SELECT 1 FROM Account WHERE IsDeleted = 1 AND MasterRecordId IS NULL")
    assert rows("SELECT 1 FROM Contact c JOIN Account a ON a.Id = c.AccountId WHERE c.IsDeleted = 1 AND a.IsDeleted = 1")
    binned = {each[0] for each in rows("SELECT id FROM _deleted")}
    assert {
        each[0] for each in rows("SELECT Id FROM Account WHERE IsDeleted = 1 UNION SELECT Id FROM Contact WHERE IsDeleted = 1")
    } == binned


def test_users_sign_in_as_administrator_integration_sales_and_frozen(org) -> None:
    logins = {each["username"]: each for each in accounts.describe_logins(org)}
    assert logins["admin@harborpine.example"]["profile"] == "System Administrator"
    assert logins["integration@harborpine.example"]["profile"] == "Causeway Integration"
    assert [name for name, each in logins.items() if each["frozen"]] == ["wren.calloway@harborpine.example"]
    sales = [each["time_zone"] for each in logins.values() if each["profile"] == "Standard User" and not each["frozen"]]
    assert {"America/Los_Angeles", "Europe/Berlin"} <= set(sales)
    assert accounts.first_login(org).username == "admin@harborpine.example"
    server = next(each for each in clients.describe_clients(org) if "client_credentials" in each["flows"])
    runner = accounts.find_login(org, user_id=clients.find_client(org, server["client_id"]).run_as)
    assert runner.username == "integration@harborpine.example"


def test_the_managers_form_a_tree(rows) -> None:
    above = dict(rows("SELECT Id, ManagerId FROM User"))
    assert sum(manager is None for manager in above.values()) == 2  # the chief executive and the integration user
    for user, manager in above.items():
        seen, here = {user}, manager
        while here:
            assert here not in seen
            seen.add(here)
            here = above[here]
        assert len(seen) < len(above)
    assert len(above) >= 25


def test_campaign_counts_are_those_of_the_members(rows) -> None:
    odd = rows("SELECT Id FROM Campaign c WHERE NumberOfContacts + NumberOfLeads <>"
               " (SELECT COUNT(*) FROM CampaignMember m WHERE m.CampaignId = c.Id)")  # fmt: skip
    assert not odd
    assert rows("SELECT SUM(NumberOfLeads), SUM(AmountWonOpportunities) FROM Campaign")[0][0] > 0


def test_the_same_seed_and_clock_give_the_same_records(org, tmp_path) -> None:
    again = seeded(tmp_path / "again")
    for kind in org.schema.objects.values():
        sql = f"SELECT * FROM {quote(kind.name)} ORDER BY Id"
        assert again.store.read().execute(sql).fetchall() == org.store.read().execute(sql).fetchall(), kind.name
    again.close()


def test_another_seed_gives_other_records(rows, tmp_path) -> None:
    other = seeded(tmp_path / "other", size=20, seed=2)
    names = [each[0] for each in other.store.read().execute("SELECT Email FROM Contact ORDER BY Id LIMIT 10")]
    assert names != [each[0] for each in rows("SELECT Email FROM Contact ORDER BY Id LIMIT 10")]
    other.close()


def test_new_records_get_new_ids_and_numbers(org) -> None:
    with org.store.write() as connection:
        fresh = org.store.next_ids("Account", 1)[0]
        assert not connection.execute("SELECT 1 FROM Account WHERE Id = ?", (fresh,)).fetchone()
        assert org.store.next_numbers("Account.Customer_Number__c", 1) == 201
        last = connection.execute('SELECT MAX(CaseNumber) FROM "Case"').fetchone()[0]
        assert org.store.next_numbers("Case.CaseNumber", 1) == int(last) + 1


def test_indexes_are_back_after_loading(org, rows) -> None:
    names = {each[0] for each in rows("SELECT name FROM sqlite_master WHERE type = 'index'")}
    assert {"Account__OwnerId", "Contact__AccountId", "Opportunity__SystemModstamp", "Account__External_Id__c"} <= names


@pytest.mark.parametrize("size", [200, 1000])
def test_a_larger_size_seeds_more_accounts_and_contacts(tmp_path, size: int) -> None:
    made = seeded(tmp_path / "larger", size=size)
    count = sum(
        made.store.read().execute(f"SELECT COUNT(*) FROM {quote(name)}").fetchone()[0] for name in ("Account", "Contact")
    )
    made.close()
    assert 3 * size < count < 8 * size


def test_days_never_give_an_instant_in_the_future() -> None:
    class Highest:
        def roll(self) -> float:
            return 0.999999

    days = Days(NOW)
    assert days.moment(0, Highest()) <= to_text(NOW)
    assert days.fiscal(0) == (2026, 1, "2026 1")
    assert days.month(-40) == "2026-01-01"


def test_some_open_deals_close_soon_and_one_is_in_its_proof_of_concept(rows) -> None:
    found = {}
    for near in NEAR:
        [(stage, closed, close, lines)] = rows(
            "SELECT o.StageName, o.IsClosed, o.CloseDate, (SELECT COUNT(*) FROM OpportunityLineItem l WHERE l.OpportunityId = o.Id)"
            " FROM Opportunity o WHERE o.Name LIKE ?", f"% - {near.title}")  # fmt: skip
        assert (stage, closed, lines) == (near.stage, 0, len(near.lines))
        assert f"{NOW:%Y-%m-%d}" < close <= f"{NOW + timedelta(days=31):%Y-%m-%d}"
        found[stage] = near
    assert "Proof of Concept" in found
    assert rows("SELECT IsClosed, IsWon FROM OpportunityStage WHERE MasterLabel LIKE '%Proof of Concept%'") == [(0, 0)]
