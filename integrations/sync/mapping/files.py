"""A mapping as a file: what one connection is set up with can be kept, compared and carried to another (R-281)."""

import json
from typing import Any

from integrations.models import Mapping
from integrations.sync.mapping import versions
from integrations.sync.mapping.body import FORMAT, MappingBody, read_body, write_body
from integrations.sync.mapping.problems import Problem, ProblemsFound

MOST_BYTES = 2_000_000


def export_mapping(mapping: Mapping, number: int | None = None) -> dict[str, Any]:
    """The body in force (or of one version) with the version of the format. Nothing in it names a connection or a person."""
    return {"format": FORMAT, **write_body(versions.body_of(mapping, number))}


def read_file(data: bytes | str, *, entity: str) -> MappingBody:
    """The body in an exported file. `ProblemsFound` with the path for what is malformed, unknown or of a newer version."""
    raw = data if isinstance(data, bytes) else data.encode("utf-8", "surrogatepass")
    if len(raw) > MOST_BYTES:
        raise ProblemsFound([Problem("", "too_large", f"A mapping file has at most {MOST_BYTES // 1_000_000} MB.")])
    try:
        parsed = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=_no_doubles)
    except UnicodeDecodeError as error:
        raise ProblemsFound([Problem("", "not_json", "The file is not UTF-8 text.")]) from error
    except RecursionError as error:
        raise ProblemsFound([Problem("", "not_json", "The file is nested too deeply.")]) from error
    except _Double as error:
        raise ProblemsFound([Problem("", "not_json", f"The key {str(error)[:60]!r} stands twice in one object.")]) from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ProblemsFound([Problem("", "not_json", f"The file is not JSON: {error.msg} at {where}.")]) from error
    return read_body(parsed, entity=entity)


class _Double(ValueError):
    """A JSON object names a key twice, so nobody knows which of them counts."""


def _no_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise _Double(key)
        found[key] = value
    return found
