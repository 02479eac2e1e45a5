"""What a connection's Salesforce holds of our rows, as far as it accepted them."""

from collections.abc import Sequence

from billing.kinds import target_of
from billing.models import BillingSettings
from integrations.lake import reading
from integrations.lake.engine import open_engine

HELD = "SELECT key_, id_ FROM accepted WHERE NOT coalesce(gone_, false) AND {{has($keys, key_)}}"


def held_ids(settings: BillingSettings, object_key: str, keys: Sequence[str]) -> dict[str, str]:
    """Salesforce ids of those of these rows that are there, by key; "" where the id is not known yet."""
    if not settings.prefix_known or not keys:
        return {}
    target = target_of(settings.org, settings, object_key)
    if target.accepted is None:
        return {}
    relation = reading.newest(target.accepted, columns=["key_", "id_", "gone_"])
    if not relation.files:
        return {}
    with open_engine() as engine:
        engine.bind("accepted", relation)
        return {key: found or "" for key, found in engine.rows(HELD, keys=list(keys))}
