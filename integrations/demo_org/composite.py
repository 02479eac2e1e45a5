"""The composite resource, batch and graph: several requests in one, with references and rollback."""

import re
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from integrations.demo_org.dispatch import Outcome, Part, run_part
from integrations.demo_org.errors import ApiError
from integrations.demo_org.replies import read_json, reply

MOST_PARTS, MOST_QUERIES = 25, 5
MOST_NODES, MOST_GRAPHS = 500, 75
REFERENCE_ID = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
REFERENCE = re.compile(r"@\{([A-Za-z][A-Za-z0-9_]*)((?:\.[A-Za-z0-9_]+|\[\d+\])*)\}")
STEP = re.compile(r"\.([A-Za-z0-9_]+)|\[(\d+)\]")
HALTED = "The transaction was rolled back since another operation in the same transaction failed."
INVALID_REFERENCE = "Invalid reference specified. No value for {} found in {}"
SLOW_PARTS = ("/query", "/queryAll", "/search", "/composite/sobjects")


class Halted(Exception):
    """A part failed and the client wanted all or none."""


def run_composite(request: Request) -> Response:
    """Up to 25 parts in order; with `allOrNone` a failure rolls everything back. The outer answer is always 200."""
    body = read_json(request)
    parts = body.get("compositeRequest") if isinstance(body, dict) else None
    _check_parts(parts)
    with request.app.state.org.locks.one_call():
        outcomes = _run_all(request, parts or [], all_or_none=bool(body.get("allOrNone", False)))
    rows = [_row(part, outcome) for part, outcome in zip(parts or [], outcomes, strict=True)]
    return reply(request, {"compositeResponse": rows})


def _row(part: Mapping[str, Any], outcome: Outcome) -> dict[str, Any]:
    """One part of the answer."""
    return {
        "body": outcome.body,
        "httpHeaders": outcome.headers,
        "httpStatusCode": outcome.status,
        "referenceId": part["referenceId"],
    }


def _check_parts(parts: object) -> None:
    """Refuse the whole request when its parts are not well-formed."""
    if not isinstance(parts, list) or not parts:
        raise ApiError(400, "INVALID_INPUT", "At least one subrequest is required in compositeRequest")
    if len(parts) > MOST_PARTS:
        text = f"The request can't contain more than {MOST_PARTS} operations: {len(parts)}"
        raise ApiError(400, "LIMIT_EXCEEDED", text)
    slow = sum(1 for part in parts if isinstance(part, dict) and any(each in str(part.get("url")) for each in SLOW_PARTS))
    if slow > MOST_QUERIES:
        text = f"Cannot have more than {MOST_QUERIES} query or collection operations in a composite request: {slow}"
        raise ApiError(400, "LIMIT_EXCEEDED", text)
    _check_references(parts)


def _check_references(parts: list[Any]) -> None:
    """Each part needs a method, a URL and a reference id of its own."""
    seen: set[str] = set()
    for part in parts:
        if not isinstance(part, dict) or not isinstance(part.get("method"), str) or not isinstance(part.get("url"), str):
            raise ApiError(400, "INVALID_INPUT", "Each subrequest needs method, url and referenceId")
        name = part.get("referenceId")
        if not isinstance(name, str) or not REFERENCE_ID.fullmatch(name):
            rule = "must start with a letter, and it can contain only letters, numbers and underscores"
            text = f"Provided referenceId ('{name}') {rule}"
            raise ApiError(400, "INVALID_INPUT", text)
        if name in seen:
            raise ApiError(400, "INVALID_INPUT", f"Provided referenceId ('{name}') is not unique")
        seen.add(name)


def _run_all(request: Request, parts: list[dict[str, Any]], *, all_or_none: bool) -> list[Outcome]:
    """Run the parts; roll back if one fails and all or none is wanted."""
    outcomes: list[Outcome] = []
    if not all_or_none:
        _run_in_order(request, parts, outcomes, stop=False)
        return outcomes
    try:
        with request.app.state.org.store.write():
            _run_in_order(request, parts, outcomes, stop=True)
    except Halted:
        halted = [{"errorCode": "PROCESSING_HALTED", "message": HALTED}]
        kept = [each if not each.is_good else Outcome(400, halted, {}) for each in outcomes]
        outcomes = kept + [Outcome(400, halted, {}) for _ in parts[len(outcomes) :]]
    return outcomes


def _run_in_order(request: Request, parts: list[dict[str, Any]], outcomes: list[Outcome], *, stop: bool) -> None:
    """Run the parts one after the other, later ones seeing the answers of earlier ones."""
    known: dict[str, Any] = {}
    failed: set[str] = set()
    for part in parts:
        try:
            ready = Part(
                part["method"],
                fill_text(part["url"], known, failed),
                fill(part.get("body"), known, failed),
                {str(k): str(fill(v, known, failed)) for k, v in (part.get("httpHeaders") or {}).items()},
            )
            outcome = run_part(request, ready)
        except ApiError as error:
            outcome = Outcome(error.status, [{"errorCode": error.code, "message": error.message}], {})
        outcomes.append(outcome)
        if outcome.is_good:
            known[part["referenceId"]] = outcome.body
        else:
            failed.add(part["referenceId"])
            if stop:
                raise Halted


def fill(value: Any, known: Mapping[str, Any], failed: set[str]) -> Any:
    """A JSON value with every `@{ref.path}` replaced by what the earlier part answered."""
    if isinstance(value, str):
        return fill_text(value, known, failed)
    if isinstance(value, list):
        return [fill(each, known, failed) for each in value]
    if isinstance(value, dict):
        return {key: fill(each, known, failed) for key, each in value.items()}
    return value


def fill_text(text: str, known: Mapping[str, Any], failed: set[str]) -> Any:
    """A text with its references replaced; a text that is nothing but one reference keeps the value's type."""
    whole = REFERENCE.fullmatch(text)
    if whole:
        return _follow(whole, known, failed)
    return REFERENCE.sub(lambda match: str(_follow(match, known, failed)), text)


def _follow(match: re.Match[str], known: Mapping[str, Any], failed: set[str]) -> Any:
    """The value that a reference names."""
    name, path = match.group(1), match.group(2)
    if name not in known:
        text = INVALID_REFERENCE.format(path.lstrip("."), name)
        raise ApiError(400, "PROCESSING_HALTED", text if name not in failed else HALTED_REFERENCE.format(name))
    value = known[name]
    for step in STEP.finditer(path):
        key, position = step.groups()
        try:
            value = value[key] if key else value[int(position)]
        except (KeyError, IndexError, TypeError) as problem:
            raise ApiError(400, "PROCESSING_HALTED", INVALID_REFERENCE.format(path.lstrip("."), name)) from problem
    return value


HALTED_REFERENCE = "Invalid reference specified. The operation {} that it refers to has failed"


def run_batch(request: Request) -> Response:
    """Up to 25 independent requests."""
    body = read_json(request)
    requests = body.get("batchRequests") if isinstance(body, dict) else None
    if not isinstance(requests, list) or not requests:
        raise ApiError(400, "INVALID_INPUT", "batchRequests is required and must not be empty")
    if len(requests) > MOST_PARTS:
        raise ApiError(400, "LIMIT_EXCEEDED", f"The batch can't contain more than {MOST_PARTS} requests: {len(requests)}")
    halt = bool(body.get("haltOnError", False))
    results: list[dict[str, Any]] = []
    for each in requests:
        if halt and any(row["statusCode"] >= 400 for row in results):
            halted = [{"errorCode": "BATCH_PROCESSING_HALTED", "message": "Batch processing halted per request"}]
            results.append({"statusCode": 412, "result": halted})
            continue
        outcome = run_part(request, Part(str(each.get("method", "GET")), _batch_url(each), each.get("richInput")))
        results.append({"statusCode": outcome.status, "result": outcome.body})
    return reply(request, {"hasErrors": any(row["statusCode"] >= 400 for row in results), "results": results})


def _batch_url(each: Mapping[str, Any]) -> str:
    """Batch URLs may leave out `/services/data/`."""
    url = str(each.get("url", ""))
    return url if url.startswith("/") else f"/services/data/{url}"


def run_graph(request: Request) -> Response:
    """Graphs of requests; each graph is done as a whole or not at all."""
    body = read_json(request)
    graphs = body.get("graphs") if isinstance(body, dict) else None
    if not isinstance(graphs, list) or not 1 <= len(graphs) <= MOST_GRAPHS:
        raise ApiError(400, "INVALID_INPUT", f"graphs must be a list of 1 to {MOST_GRAPHS} graphs")
    nodes = sum(len(each.get("compositeRequest") or []) for each in graphs if isinstance(each, dict))
    if nodes > MOST_NODES:
        raise ApiError(400, "LIMIT_EXCEEDED", f"The request can't contain more than {MOST_NODES} nodes: {nodes}")
    rows = []
    for graph in graphs:
        parts = graph.get("compositeRequest") if isinstance(graph, dict) else None
        if not isinstance(parts, list) or not parts or not graph.get("graphId"):
            raise ApiError(400, "INVALID_INPUT", "Each graph needs a graphId and a compositeRequest")
        _check_references(parts)
        outcomes = _run_all(request, parts, all_or_none=True)
        shown = [_row(part, outcome) for part, outcome in zip(parts, outcomes, strict=True)]
        done = all(each.is_good for each in outcomes)
        rows.append({"graphId": graph["graphId"], "graphResponse": {"compositeResponse": shown}, "isSuccessful": done})
    return reply(request, {"graphs": rows})


BASE = "/services/data/v{version}/composite"
routes = [
    Route(BASE, run_composite, methods=["POST"]),
    Route(f"{BASE}/batch", run_batch, methods=["POST"]),
    Route(f"{BASE}/graph", run_graph, methods=["POST"]),
]
