"""The accounts behind a number of drivers: numpy and Arrow only, because a web request asks it."""

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from analytics.drivers.design import Design
from analytics.drivers.matrix import build_study
from analytics.drivers.study import Study

if TYPE_CHECKING:
    from integrations.lake.engine import Engine
    from integrations.models import SalesforceOrg


def accounts_of(
    engine: "Engine", org: "SalesforceOrg", design: Design, cell: Mapping[str, Any], *, as_of: datetime
) -> pa.Table:
    """Accounts that did something (`adopted`) or not, with the outcome (`outcome`) or without; KeyError for an unknown cell."""
    key = str(cell["behavior"])
    study = build_study(engine, org, design, as_of=as_of, only=key)
    wanted = ~np.isnan(study.outcome) & (_adopted(study, key) == bool(cell["adopted"]))
    if cell.get("outcome") is not None:
        wanted &= (study.outcome > 0) == bool(cell["outcome"])
    chosen = [study.subjects[int(place)] for place in np.flatnonzero(wanted)]
    return pa.table({"subject": pa.array(chosen, pa.string())})


def _adopted(study: Study, key: str) -> np.ndarray:
    if not key.startswith("attribute:"):
        place = next((number for number, each in enumerate(study.behaviors) if each.key == key), None)
        return study.adopted(place) if place is not None else np.zeros(study.size, dtype=bool)
    attribute, _, value = key.removeprefix("attribute:").partition("=")
    levels = study.attributes[attribute]
    return levels.codes == (levels.labels.index(value) if value in levels.labels else -1)
