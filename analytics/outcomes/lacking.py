"""Why an analysis of outcomes cannot be asked yet: no facts, or an attribute that is not mapped and was not derived (FZ-D2)."""

from analytics.attributes.authoring import current_map
from analytics.facts import tables
from analytics.models import FactsState
from analytics.outcomes.questions import NO_FACTS
from integrations.lake.engine import open_engine
from integrations.lake.failures import EngineError
from integrations.models import SalesforceOrg
from integrations.product.segments.records import remembered


def lacks_rows(org: SalesforceOrg, attributes: tuple[str, ...], sentence: str, *, table: str, where: str = "true") -> str:
    """NO_FACTS before the first computation; `sentence` when none of the attributes is mapped and `table` has no such row."""
    if not FactsState.objects.filter(org=org).exists():
        return NO_FACTS
    found = current_map(org)
    if found is None or any(map(found[0].is_mapped, attributes)):
        return ""
    return "" if _has_rows(org, table, where) else sentence


def _has_rows(org: SalesforceOrg, table: str, where: str) -> bool:
    """Whether a table of facts has such a row; yes while the lake does not answer, so that nothing is greyed out by that."""
    stored = tables.facts_table(org, table, make=False)
    if stored.pk is None:
        return False

    def read() -> bool:
        with open_engine() as engine:
            engine.bind("facts", tables.facts(org, table))
            return bool(engine.rows(f"SELECT 1 AS found FROM facts WHERE {where} LIMIT 1"))  # noqa: S608 - our own words

    try:
        return bool(remembered(stored, f"rows of {org.pk} {table} {where}", read))
    except EngineError:
        return True
