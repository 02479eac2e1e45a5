"""Matching customers with accounts at size: all five rules, against SQL written by hand and against pandas over the same files.

1. ROWS customers, ROWS accounts and 3 x ROWS end users; the first match by the product's own steps (normalize, cascade).
2. The same cascade written by hand in DuckDB SQL over the same Parquet files: ours takes at most 1.5 times as long.
3. The same in pandas (skipped without it), with its classic strings (a Python object each) and with those of Arrow that it
   takes by default since version 3: ours is at least 8 times as quick. All find the same pairs.
4. 1 % new accounts: matching again takes at most a tenth of the first match. The same for the whole job with its links.

Run: `python benchmarks/match.py [--rows 1000000] [--memory 1024] [--no-pandas]`. Database and lake are thrown away.
"""

import argparse
import gc
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from benchmarks.measuring import Usage, machine, measuring, memory_of, start_django  # noqa: E402

USERS_OF_ONE = 55  # of every 20th customer: the rule about recent users needs 51
Pairs = dict[int, tuple[str, str]]


def main() -> int:
    """All parts; 1 when a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--memory", type=int, default=1024, help="MB for DuckDB, ours and the hand-written alike")
    parser.add_argument("--no-pandas", action="store_true")
    wanted = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        start_django(Path(folder), queue_at_once=True, LAKE_MEMORY_MB=str(wanted.memory))
        return measure(wanted.rows, pandas=not wanted.no_pandas)


# --- Believable rows ------------------------------------------------------------------------------------------------------

CUSTOMERS = """
INSERT INTO integrations_customer (external_id, name, website, attributes, created_at, updated_at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {rows} - 1)
SELECT 'cust-' || i,
    CASE WHEN i % 20 IN (10, 11, 12) THEN ' company number ' || i || '  LTD' ELSE 'Unheard of ' || i END,
    CASE WHEN i % 20 IN (6, 7, 8, 9) THEN 'https://company' || i || '.example/about'
         WHEN i % 20 > 15 THEN 'other' || i || '.test' ELSE '' END,
    CASE WHEN i % 20 < 4 THEN '{{"sfdc_id": "' || {short} || '", "plan": "pro"}}'
         WHEN i % 20 IN (4, 5, 6) THEN '{{"crm": "C-' || printf('%08d', i) || '"}}' ELSE '{{"plan": "basic"}}' END,
    '2025-01-01 00:00:00', datetime(1740000000 + i, 'unixepoch') FROM n
"""
END_USERS = """
INSERT INTO integrations_enduser
    (external_id, name, email, phone, customer_id, attributes, last_seen_at, created_at, updated_at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {users} - 1)
SELECT 'user-' || i, 'User ' || i,
    CASE WHEN i < {shared} THEN 'User.' || i || '@Company' || ((i / {each}) * 20 + 13) || '.example'
         WHEN i % 9 = 0 THEN ''
         ELSE 'u' || i || '@' || CASE WHEN i % 2 THEN 'gmail.com' ELSE 'x' || (i % 977) || '.test' END END,
    '', 1 + CASE WHEN i < {shared} THEN (i / {each}) * 20 + 13 ELSE i % {rows} END, '{{}}',
    datetime(1750000000 + (i * 7919) % 20000000, 'unixepoch'), '2025-01-01 00:00:00', datetime(1740000000 + i, 'unixepoch')
FROM n
"""
ACCOUNTS = """
SELECT {id} AS "Id", make_timestamptz(2020, 1, 1, 0, 0, 0) + to_seconds((i * 7919) % 100000000) AS "CreatedDate",
    make_timestamptz(2025, 1, 1, 0, 0, 0) + to_seconds(i) AS "SystemModstamp", false AS "IsDeleted",
    CASE WHEN i >= {rows} THEN 'UNHEARD OF ' || ((i - {rows}) * 20 + 14) WHEN i % 5 = 0 THEN 'COMPANY NUMBER ' || n || ' LTD'
         ELSE 'Company  Number ' || n || ' Ltd' END AS "Name",
    ['https://www.', 'http://', 'www.', ''][i % 4 + 1] || 'company' || n || '.example'
        || CASE WHEN i % 3 = 0 THEN '/' ELSE '' END AS "Website",
    CASE WHEN i % 2 = 0 THEN 'C-' || lpad(n::VARCHAR, 8, '0') END AS "Customer_Number__c"
FROM (SELECT range AS i, CASE WHEN range % 50 = 49 THEN range - 1 ELSE range END AS n FROM range({begin}, {end}))
"""


def account_id(number: str) -> str:
    """SQL of an 18-character id: of digits alone the checksum is AAA."""
    return f"'001' || lpad(({number})::VARCHAR, 12, '0') || 'AAA'"


def fill(rows: int) -> Any:
    """Database rows, the mirror's file, the mapping, the spine's files; returns the connection."""
    from django.db import connection
    from django.utils import timezone

    from integrations.models import Attribute, SalesforceOrg
    from integrations.sync.matching import spine

    org = SalesforceOrg.objects.create(name="Bench", state=SalesforceOrg.State.CONNECTED)
    for key in ("crm", "sfdc_id", "plan"):
        Attribute.objects.create(entity="customer", key=key, label=key, type="STRING")
    short = "'001' || printf('%012d', i) || CASE WHEN i % 3 THEN 'AAA' ELSE '' END"
    with connection.cursor() as cursor:
        cursor.execute(CUSTOMERS.format(rows=rows, short=short))
        shared = rows // 20 * USERS_OF_ONE
        cursor.execute(END_USERS.format(users=3 * rows, shared=min(shared, 3 * rows), each=USERS_OF_ONE, rows=rows))
    mirror_accounts(org, 0, rows, rows=rows, kind="base")
    make_mapping(org)
    with measuring() as used:
        spine.refresh_spine(now=timezone.now())
    report("Spine into the lake (database rows)", used, 4 * rows)
    return org


def mirror_accounts(org: Any, begin: int, end: int, *, rows: int, kind: str) -> None:
    """Accounts with these numbers as a file of the mirror; those after `rows` have names of customers that match nothing."""
    from django.db import transaction
    from django.utils import timezone

    from integrations.lake.engine import open_engine
    from integrations.lake.writing import register
    from integrations.models import MirrorField, MirrorObject
    from integrations.sync.mirror.tables import ensure_mirror_table

    fields = {"Name": "string", "Website": "url", "Customer_Number__c": "string"}
    kinds = {"Id": "text", "CreatedDate": "moment", "SystemModstamp": "moment", "IsDeleted": "flag"}
    columns = [*kinds.items(), *((name, "text") for name in fields)]
    table = ensure_mirror_table(org, "Account", columns, version="SystemModstamp")
    mirror, _ = MirrorObject.objects.update_or_create(org=org, name="Account", defaults={"table": table})
    for name, each in fields.items():
        MirrorField.objects.update_or_create(object=mirror, name=name, defaults={"type": each})
    with open_engine() as engine, transaction.atomic():
        select = ACCOUNTS.format(id=account_id("i"), begin=begin, end=end, rows=rows)
        register(table, engine.copy_to(select, table, kind=kind), now=timezone.now())


def make_mapping(org: Any) -> None:
    """All five rules on."""
    from integrations.models import Mapping, MappingVersion
    from integrations.sync.mapping.body import read_body, write_body

    body = write_body(read_body({"entity": "customer"}))
    for rule in body["rules"]:
        rule["on"] = True
        if rule["name"] == "custom_field":
            rule |= {"source_field": "attributes.crm", "salesforce_field": "Customer_Number__c"}
    mapping = Mapping.objects.create(org=org, entity="customer", state=Mapping.State.ACTIVE, version=1)
    MappingVersion.objects.create(mapping=mapping, number=1, body=body)


# --- Ours -----------------------------------------------------------------------------------------------------------------


def evaluate(org: Any) -> Pairs:
    """What a match run does before it stores links: keys, affected records, cascade."""
    from integrations.lake.engine import open_engine
    from integrations.models import MappingVersion
    from integrations.sync.mapping.body import read_body
    from integrations.sync.matching import changes, rounds
    from integrations.sync.matching.cascade import Cascade

    body = read_body(MappingVersion.objects.get().body)
    table = changes.mirrored(org, "Account")
    assert table is not None
    about = rounds.open_round(org, rounds.load_plan(org, body), table, state=changes.state_of(org, "customer"))
    found: Pairs = {}
    tables = []
    with open_engine() as engine:
        engine.bind("spine", about.ours.relation)
        if about.users is not None:
            engine.bind("users", about.users.relation)
        theirs = rounds.refresh_keys(engine, about)
        chosen = rounds.affected_records(engine, about, theirs)
        engine.bind("theirs", theirs.relation)
        cascade = Cascade(engine, about.plan, chosen=chosen, done=rounds.held_records(about, chosen))
        tables = [(each.rule, each.pairs) for each in cascade.found()]
    evaluate.seconds = time.perf_counter() - evaluate.begun  # type: ignore[attr-defined]
    for rule, pairs in tables:
        ids, records = pairs.column("id").to_pylist(), pairs.column("best").to_pylist()
        found |= {id_: (record, rule) for id_, record in zip(ids, records, strict=True)}
    return found


def job(org: Any) -> tuple[Any, Usage]:
    """The whole job with spine, links, journal and state."""
    from django.utils import timezone

    from integrations.sync import runs

    with measuring() as used:
        run = runs.request_run("customers.match", org=org, now=timezone.now())
    if run.state != "success":
        raise SystemExit(f"The run ended {run.state}: {run.sentence}")
    return run, used


# --- By hand --------------------------------------------------------------------------------------------------------------

HOST = "regexp_extract(lower({0}), '^(?:https?://)?(?:www[.])?([a-z0-9.-]+[.][a-z]+)', 1)"
NAME = "regexp_replace(lower(trim({0})), ' +', ' ', 'g')"
BEST = "SELECT {0} AS k, arg_min(sf, (created, sf)) AS sf FROM theirs WHERE {0} IS NOT NULL GROUP BY 1"


def hand_steps(accounts: list[str], customers: list[str], users: list[str]) -> list[str]:
    """The cascade as somebody would write it for exactly this configuration."""
    left = "ours.id NOT IN (SELECT id FROM matched)"
    return [
        f"""CREATE TEMP TABLE theirs AS SELECT "Id" AS sf, "CreatedDate" AS created, "Id"[1:15] AS short,
            nullif(trim("Customer_Number__c"), '') AS crm, nullif({HOST.format('"Website"')}, '') AS host,
            nullif({NAME.format('"Name"')}, '') AS name FROM read_parquet({accounts}) WHERE NOT "IsDeleted" """,
        f"""CREATE TEMP TABLE ours AS SELECT id, attributes->>'sfdc_id' AS sf, nullif(trim(attributes->>'crm'), '') AS crm,
            nullif({HOST.format("website")}, '') AS host, nullif({NAME.format("name")}, '') AS name
            FROM read_parquet({customers})""",
        """CREATE TEMP TABLE matched AS SELECT ours.id, theirs.sf, 'sfdc_id' AS rule
            FROM ours JOIN theirs ON theirs.short = ours.sf[1:15]""",
        *(
            f"""INSERT INTO matched SELECT ours.id, best.sf, '{rule}' FROM ours JOIN ({BEST.format(column)}) AS best
                ON best.k = ours.{column} WHERE {left}"""
            for rule, column in (("custom_field", "crm"), ("website_domain", "host"), ("name", "name"))
        ),
        f"""INSERT INTO matched SELECT shared.customer_id, best.sf, 'recent_user_domain' FROM (
                SELECT customer_id, domain FROM (
                    SELECT customer_id, nullif(split_part(lower(email), '@', 2), '') AS domain, row_number() OVER (
                        PARTITION BY customer_id ORDER BY last_seen_at DESC NULLS LAST, id) AS place
                    FROM read_parquet({users}) AS users WHERE customer_id NOT IN (SELECT id FROM matched))
                WHERE place <= 100 AND domain IS NOT NULL AND domain <> 'gmail.com'
                GROUP BY ALL HAVING count(*) > 50) AS shared
            JOIN ({BEST.format("host")}) AS best ON best.k = shared.domain""",
    ]


def by_hand(org: Any) -> Pairs:
    """DuckDB with the same memory and threads over the same files."""
    import duckdb
    from django.conf import settings

    accounts, customers, users = (files_of(name) for name in (f"mirror/{org.pk}/Account", "spine/customers", "spine/end_users"))
    scratch = tempfile.mkdtemp()
    config: Any = {"memory_limit": f"{settings.LAKE_MEMORY_MB}MB", "threads": os.cpu_count() or 1, "temp_directory": scratch}
    with duckdb.connect(":memory:", config=config | {"preserve_insertion_order": False}) as connection:
        for step in hand_steps(accounts, customers, users):
            connection.execute(step)
        rows = connection.sql("SELECT id, sf, rule FROM matched").to_arrow_table()
    by_hand.seconds = time.perf_counter() - by_hand.begun  # type: ignore[attr-defined]
    columns = (rows.column(name).to_pylist() for name in ("id", "sf", "rule"))
    return {id_: (sf, rule) for id_, sf, rule in zip(*columns, strict=True)}


def files_of(name: str) -> list[str]:
    """Paths of the live files of a table."""
    from django.conf import settings

    from integrations.models import LakeFile

    root = settings.LAKE_URL.removeprefix("file://")
    return [
        f"{root}/{each}" for each in LakeFile.objects.filter(table__name=name, retired_at=None).values_list("path", flat=True)
    ]


def by_pandas(org: Any) -> Pairs:
    """The same steps in pandas."""
    import pandas as pd

    def read(name: str, columns: list[str]) -> Any:
        return pd.concat([pd.read_parquet(each, columns=columns) for each in files_of(name)])

    theirs = read(f"mirror/{org.pk}/Account", ["Id", "CreatedDate", "Name", "Website", "Customer_Number__c"])
    theirs = theirs.sort_values(["CreatedDate", "Id"])
    host = r"^(?:https?://)?(?:www[.])?([a-z0-9.-]+[.][a-z]+)"
    theirs["host"] = theirs["Website"].str.lower().str.extract(host, expand=False)
    theirs["name"] = theirs["Name"].str.lower().str.strip().str.replace(" +", " ", regex=True)
    theirs["short"], theirs["crm"] = theirs["Id"].str[:15], theirs["Customer_Number__c"].str.strip()
    ours = read("spine/customers", ["id", "name", "website", "attributes"])
    ours["sfdc_id"] = ours["attributes"].str.extract('"sfdc_id": "([^"]*)"', expand=False).str[:15]
    ours["crm"] = ours["attributes"].str.extract('"crm": "([^"]*)"', expand=False)
    ours["host"] = ours["website"].str.lower().str.extract(host, expand=False)
    ours["name"] = ours["name"].str.lower().str.strip().str.replace(" +", " ", regex=True)
    found: list[Any] = []
    for rule, left, right in (
        ("sfdc_id", "sfdc_id", "short"), ("custom_field", "crm", "crm"), ("website_domain", "host", "host"),
        ("name", "name", "name"),
    ):  # fmt: skip
        best = theirs.dropna(subset=[right]).drop_duplicates(right)[[right, "Id"]]
        pairs = ours.dropna(subset=[left])[["id", left]].merge(best, left_on=left, right_on=right)[["id", "Id"]]
        found.append(pairs.assign(rule=rule))
        ours = ours[~ours["id"].isin(pairs["id"])]
    users = read("spine/end_users", ["id", "customer_id", "email", "last_seen_at"])
    users = users[users["customer_id"].isin(ours["id"])].sort_values(["last_seen_at", "id"], ascending=[False, True])
    users = users.groupby("customer_id").head(100)
    users["host"] = users["email"].str.lower().str.split("@").str[1]
    counts = users[users["host"] != "gmail.com"].groupby(["customer_id", "host"]).size()
    shared = counts[counts > 50].reset_index()
    best = theirs.dropna(subset=["host"]).drop_duplicates("host")[["host", "Id"]]
    pairs = shared.merge(best, on="host").rename(columns={"customer_id": "id"})[["id", "Id"]].assign(rule="recent_user_domain")
    everything = pd.concat([*found, pairs])
    by_pandas.seconds = time.perf_counter() - by_pandas.begun  # type: ignore[attr-defined]
    return {int(id_): (sf, rule) for id_, sf, rule in everything.itertuples(index=False)}


# --- Figures --------------------------------------------------------------------------------------------------------------


def report(name: str, used: Usage, rows: int) -> None:
    """One line."""
    print(f"{name:44} {used.seconds:8.2f} s  {used.processor:8.2f} cpu s  {rows / used.seconds:>12,.0f} rows/s", flush=True)


def measure(rows: int, *, pandas: bool) -> int:
    """All figures and their verdicts."""
    org = fill(rows)
    checks: list[tuple[str, bool]] = []
    ours, first = timed(evaluate, org)
    report(f"First match ({len(ours):,} pairs)", first, 2 * rows)
    print(f"{'':44} {memory_of(None)}")
    hand, hands = timed(by_hand, org)
    report("The same by hand in DuckDB", hands, 2 * rows)
    checks.append(at_most("ours / by hand", first.seconds / hands.seconds, 1.5))
    checks.append(("pairs identical to those by hand", ours == hand))
    if pandas:
        checks += compare_pandas(org, ours, first, rows)
    run, whole = job(org)
    report("The whole job, links and journal included", whole, 2 * rows)
    more = max(rows // 100, 1)
    mirror_accounts(org, rows, rows + more, rows=rows, kind="delta")
    again, second = timed(evaluate, org)
    report(f"Match after {more:,} new accounts ({len(again):,} pairs)", second, 2 * more)
    checks.append(at_most("match again / first match", second.seconds / first.seconds, 0.1))
    late = {id_: pair for id_, pair in timed(by_hand, org)[0].items() if id_ not in ours}
    checks.append(("new pairs identical to those that a full match by hand finds", bool(again) and again == late))
    run, wholly = job(org)
    report(f"The whole job after them (#{run.pk})", wholly, 2 * more)
    checks.append(at_most("whole job again / first whole job", wholly.seconds / whole.seconds, 0.1))
    print(memory_of(None))
    for text, holds in checks:
        print(f"{'ok  ' if holds else 'MISS'}  {text}")
    return 0 if all(holds for _, holds in checks) else 1


def compare_pandas(org: Any, ours: Pairs, first: Usage, rows: int) -> list[tuple[str, bool]]:
    """pandas, where it is installed."""
    try:
        import pandas
    except ImportError:
        print("pandas is not installed: that comparison is skipped")
        return []
    checks = []
    for name, arrow in (("classic strings", False), ("Arrow strings", True)):
        with warnings.catch_warnings(action="ignore"), pandas.option_context("future.infer_string", arrow):
            theirs, used = timed(by_pandas, org)
        report(f"The same in pandas {pandas.__version__}, {name}", used, 2 * rows)
        ratio = used.seconds / first.seconds
        checks.append((f"pandas with {name} / ours: {ratio:.1f} (at least 8)", ratio >= 8))
        checks.append((f"pairs identical to those of pandas with {name}", ours == theirs))
    return checks


def timed(work: Callable[[Any], Pairs], org: Any) -> tuple[Pairs, Usage]:
    """`work` and what it took; the dictionary of pairs, which is only for comparing, is not counted."""
    gc.collect()
    work.begun = time.perf_counter()  # type: ignore[attr-defined]
    with measuring() as used:
        pairs = work(org)
    used.seconds = work.seconds  # type: ignore[attr-defined]
    return pairs, used


def at_most(name: str, ratio: float, most: float) -> tuple[str, bool]:
    """A verdict on a ratio."""
    return f"{name}: {ratio:.3f} (at most {most:g})", ratio <= most


if __name__ == "__main__":
    sys.exit(main())
