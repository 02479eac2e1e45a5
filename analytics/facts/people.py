"""Accounts, and the subjects that they belong to (FZ-D5): `accounts`, `roads` and `subjects_base` of a computation."""

from analytics.facts import extracting, linking
from analytics.facts.mirrored import bound_name
from analytics.facts.statements import keep, let_go, sql_of
from analytics.facts.working import Work
from analytics.models import AnalyticsSettings
from integrations.lake.types import arrow_schema

ACCOUNT = "Account"
RECORDS = (("record", "text"), ("account", "text"), ("value", "text"), ("ordered", "moment"), ("rank", "whole"))


def bind_people(work: Work) -> None:
    """Accounts by subject. Counts who was linked by what, and who was not; nobody is dropped."""
    engine = work.engine
    linking.bind_spine(engine, work.org)
    keep(engine, "raw_accounts", _accounts_statement(work))
    bind_union(work, "linking_records", "linking_id", "text")
    keep(engine, "linking_values", sql_of(engine, "linking_values"))
    by_field = work.settings.linking != AnalyticsSettings.Linking.LINKS
    by_links = work.settings.linking != AnalyticsSettings.Linking.FIELD
    keep(engine, "accounts", sql_of(engine, "accounts"), by_field=by_field, by_links=by_links)
    let_go(engine, "raw_accounts", "linking_records", "keys", "folded_keys", "links")
    keep(engine, "roads", sql_of(engine, "roads"))
    keep(engine, "subjects_base", sql_of(engine, "subjects"))
    _count(work)


def _accounts_statement(work: Work) -> str:
    has = work.mirrored.has
    if not has(ACCOUNT):
        nothing = ", ".join(f"CAST(NULL AS {{{{{kind}}}}}) AS {name}" for name, kind in _ACCOUNT)
        return f"SELECT * FROM (SELECT {nothing}) AS nothing WHERE 1 = 0"  # noqa: S608
    fields = {"account_id": "Id", "name": "Name", "owner_id": "OwnerId", "created": "CreatedDate"}
    kinds = dict(_ACCOUNT)
    listed = ", ".join(
        f'"{field}" AS {name}' if has(ACCOUNT, field) else f"CAST(NULL AS {{{{{kinds[name]}}}}}) AS {name}"
        for name, field in fields.items()
    )
    return f"SELECT {listed} FROM {bound_name(ACCOUNT)}"  # noqa: S608  names are ours


_ACCOUNT = (("account_id", "text"), ("name", "text"), ("owner_id", "text"), ("created", "moment"))


def bind_union(work: Work, name: str, key: str, kind: str) -> bool:
    """The values of an account attribute as `name` (record, account, value, ordered, rank); whether it is mapped and there."""
    source = work.body.get(key)
    parts, params = [], {}
    for rank, each in enumerate(source.chain() if source is not None else ()):
        made = extracting.extract_attribute(work.mirrored, each, kind, rank)
        if made is not None:
            parts.append(made[0])
            params |= made[1]
    if not parts:
        shape = [(column, kind if column == "value" else of) for column, of in RECORDS]
        work.engine.bind(name, arrow_schema(shape).empty_table())
        return False
    keep(work.engine, name, " UNION ALL ".join(parts), **params)
    return True


def _count(work: Work) -> None:
    rows = work.engine.rows("SELECT linked_by, count(*) FROM accounts GROUP BY linked_by")
    by = {name: int(n) for name, n in rows}
    count = work.count
    folded = "SELECT count(*) FROM linking_values AS v WHERE v.value IS NOT NULL"
    work.health |= {
        "accounts": sum(by.values()),
        "linked_by_linking_id": by.get("linking_id", 0),
        "linked_by_link": by.get("link", 0),
        "unlinked_accounts": by.get("none", 0),
        "subjects": count("SELECT count(*) FROM subjects_base"),
        "customers": count("SELECT count(*) FROM customers"),
        "customers_without_account": count("SELECT count(*) FROM subjects_base WHERE account_id IS NULL"),
        "linking_ids": count(folded),
        "linking_ids_unknown": count(
            "SELECT count(*) FROM accounts WHERE linking_value IS NOT NULL AND linked_by <> 'linking_id'"
        ),
        "customers_with_several_accounts": count(
            "SELECT count(*) FROM subjects_base WHERE customer_id IS NOT NULL AND accounts > 1"
        ),
        "duplicate_accounts": count("SELECT coalesce(sum(accounts - 1), 0) FROM subjects_base WHERE accounts > 1"),
        "merged_accounts": count("SELECT count(*) FROM merged_accounts"),
    }
