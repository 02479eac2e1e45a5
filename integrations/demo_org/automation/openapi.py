"""External services: the operations and types that an OpenAPI description of a registration offers to flows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from integrations.demo_org.automation.facts import stored
from integrations.demo_org.automation.formulas import as_text
from integrations.demo_org.nested import Refused, Values, as_list, text_of

INVALID = "FIELD_INTEGRITY_EXCEPTION"
METHODS = ("get", "post", "put", "patch", "delete")
PLACES = frozenset({"path", "query", "header"})
NAME = re.compile(r"[A-Za-z][A-Za-z0-9]{0,79}")
CLASS_PREFIX = "ExternalService__"
LONGEST_SCHEMA, DEEPEST = 100_000, 30


@dataclass(frozen=True, slots=True)
class Parameter:
    """One input that is no body."""

    name: str
    place: str
    required: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One call that flows can make: `Service.name`."""

    name: str
    method: str
    path: str
    parameters: tuple[Parameter, ...]
    body: Values | None
    body_required: bool
    responses: dict[str, Values | None]


@dataclass
class Service:
    """What a registration offers. `classes` are the types by the name under which flow variables use them."""

    name: str
    credential: str
    base_path: str
    operations: dict[str, Operation]
    classes: dict[str, Values] = field(default_factory=dict)

    def find(self, operation: str) -> Operation | None:
        """The operation of that name, as it is written in the description or encoded."""
        return next((each for each in self.operations.values() if matches(operation, each.name)), None)


def encode(name: str) -> str:
    """A name as generated classes have it: what is neither a letter nor a digit becomes its code, `-` is x2d."""
    return re.sub(r"[^A-Za-z0-9_]", lambda match: f"x{ord(match.group()):x}", name)


def matches(given: str, name: str) -> bool:
    """Whether a flow's name means this one."""
    return given.lower() in {name.lower(), encode(name).lower(), re.sub(r"[^a-z0-9]", "_", name.lower())}


def read_service(name: str, values: Mapping[str, Any]) -> Service:
    """The operations of a registration. Refused when its description is not one, or says what is not imitated."""
    if not NAME.fullmatch(name):
        raise Refused("INVALID_FIELD", f"The name of an external service can only contain letters and digits: {name[:40]}")
    if text_of(values, "schemaType", "OpenApi3") not in {"OpenApi3", "OpenApi"}:
        raise Refused(INVALID, f"This org does not imitate schemas of type {values.get('schemaType')}")
    described = _parse(text_of(values, "schema"))
    service = Service(name, text_of(values, "namedCredentialReference") or text_of(values, "namedCredential"),
                      _base_path(described), {})  # fmt: skip
    schemas = (described.get("components") or {}).get("schemas") or described.get("definitions") or {}
    for own, schema in schemas.items():
        service.classes[f"{CLASS_PREFIX}{name}_{encode(own)}"] = _expanded(schema, schemas)
    for path, item in (described.get("paths") or {}).items():
        for method in METHODS:
            if isinstance(item, dict) and isinstance(item.get(method), dict):
                made = _operation(service, path, method, item, schemas)
                service.operations[made.name] = made
    if not service.operations:
        raise Refused(INVALID, "The schema of the external service has no operations")
    return service


def _parse(text: str) -> dict[str, Any]:
    """The description from JSON or YAML."""
    if not text:
        raise Refused("REQUIRED_FIELD_MISSING", "Required field is missing: schema")
    if len(text) > LONGEST_SCHEMA:
        raise Refused("STRING_TOO_LONG", f"Schema: data value too large (max length={LONGEST_SCHEMA})")
    try:
        found = orjson.loads(text)
    except orjson.JSONDecodeError:
        found = _parse_yaml(text)
    if not isinstance(found, dict) or not isinstance(found.get("paths"), dict):
        raise Refused(INVALID, "The schema of the external service is not a valid OpenAPI document: it has no paths")
    return found


def _parse_yaml(text: str) -> Any:
    import yaml  # slow to import, and seldom needed

    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as problem:
        raise Refused(INVALID, "The schema of the external service is neither valid JSON nor valid YAML") from problem


def _base_path(described: dict[str, Any]) -> str:
    """What stands before the paths: that of the first server (OpenAPI 3) or basePath (2)."""
    servers = described.get("servers")
    first = servers[0].get("url", "") if isinstance(servers, list) and servers and isinstance(servers[0], dict) else ""
    path = re.sub(r"^[a-z]+://[^/]+", "", str(first)) or str(described.get("basePath") or "")
    return path.rstrip("/")


def _expanded(schema: Any, schemas: Mapping[str, Any], depth: int = 0) -> Values:
    """A schema with its references put in; deep recursion ends in an object that may hold anything."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return {}
    reference = schema.get("$ref")
    if isinstance(reference, str):
        own = reference.rpartition("/")[2]
        if own not in schemas:
            raise Refused(INVALID, f"The schema of the external service refers to {reference}, which it does not have")
        return {**_expanded(schemas[own], schemas, depth + 10), "x-name": own}
    found: Values = {key: schema[key] for key in ("type", "format", "required", "nullable", "enum") if key in schema}
    if isinstance(schema.get("properties"), dict):
        found["type"] = "object"
        found["properties"] = {key: _expanded(each, schemas, depth + 1) for key, each in schema["properties"].items()}
    if isinstance(schema.get("items"), dict):
        found["items"] = _expanded(schema["items"], schemas, depth + 1)
    return found


def _json_schema(holder: Any, schemas: Mapping[str, Any]) -> Values | None:
    """The schema of a JSON body, from `content` (OpenAPI 3) or `schema` (2)."""
    if not isinstance(holder, dict):
        return None
    content = holder.get("content")
    media = next((each for key, each in content.items() if "json" in key), None) if isinstance(content, dict) else holder
    schema = media.get("schema") if isinstance(media, dict) else None
    return _expanded(schema, schemas) if isinstance(schema, dict) else None


def _operation(service: Service, path: str, method: str, item: dict[str, Any], schemas: Mapping[str, Any]) -> Operation:
    given = item[method]
    name = str(given.get("operationId") or "")
    if not name:
        raise Refused(INVALID, f"The operation {method.upper()} {path} of the external service has no operationId")
    listed = [each for each in [*(item.get("parameters") or []), *(given.get("parameters") or [])] if isinstance(each, dict)]
    body_holder = given.get("requestBody") or next((each for each in listed if each.get("in") == "body"), None)
    parameters = tuple(
        Parameter(str(each.get("name")), str(each.get("in")), bool(each.get("required")))
        for each in listed if each.get("in") in PLACES
    )  # fmt: skip
    body = _json_schema(body_holder, schemas)
    if body is not None and "x-name" not in body:
        service.classes[f"{CLASS_PREFIX}{service.name}_{encode(name)}_IN_body"] = body
    responses = {str(code): _json_schema(each, schemas) for code, each in (given.get("responses") or {}).items()}
    for code, schema in responses.items():
        if schema and "x-name" not in schema and schema.get("properties"):
            service.classes[f"{CLASS_PREFIX}{service.name}_{encode(name)}_OUT_{code}"] = schema
    required = bool(body_holder.get("required")) if isinstance(body_holder, dict) else False
    return Operation(name, method.upper(), path, parameters, body, required, responses)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that an operation makes: the path with its query, headers, and the body."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None


class BadInput(Exception):
    """An operation that lacks an input, or got one that does not fit."""


def make_call(service: Service, operation: Operation, inputs: Mapping[str, Any]) -> Call:
    """The request for these inputs. BadInput names what is missing or does not fit."""
    path, query, headers = operation.path, [], {"Accept": "application/json"}
    for each in operation.parameters:
        value = next((inputs[name] for name in inputs if matches(name, each.name)), None)
        if value is None:
            if each.required:
                raise BadInput(f"Missing required input parameter: {each.name}")
            continue
        text = as_text(value)
        if each.place == "path":
            path = path.replace(f"{{{each.name}}}", quote(text, safe=""))
        elif each.place == "query":
            query.append((each.name, text))
        else:
            headers[each.name] = text
    body = inputs.get("body")
    if operation.body is not None and body is None and operation.body_required:
        raise BadInput("Missing required input parameter: body")
    data = None
    if operation.body is not None and body is not None:
        data = orjson.dumps(fit_value(body, operation.body, "body"))
        headers["Content-Type"] = "application/json"
    tail = f"?{urlencode(query)}" if query else ""
    return Call(operation.method, f"{service.base_path}{path}{tail}", headers, data)


def fit_value(value: Any, schema: Values, where: str) -> Any:
    """A value as JSON of the schema's type. BadInput when it cannot be."""
    kind = schema.get("type")
    if value is None:
        return None
    if kind == "object" or isinstance(value, dict):
        if not isinstance(value, dict):
            raise BadInput(f"{where} is not an object")
        properties = schema.get("properties") or {}
        return {key: fit_value(each, properties.get(key) or {}, f"{where}.{key}") for key, each in value.items()
                if each is not None}  # fmt: skip
    if kind == "array" or isinstance(value, list):
        return [fit_value(each, schema.get("items") or {}, where) for each in (value if isinstance(value, list) else [value])]
    try:
        if kind == "integer":
            return int(value)
        if kind == "number":
            return float(value)
    except (TypeError, ValueError) as problem:
        raise BadInput(f"{where} is not a number") from problem
    if kind == "boolean":
        return value is True or str(value).lower() == "true"
    return as_text(value) if kind == "string" else stored(value)


def read_answer(operation: Operation, status: int, body: bytes) -> dict[str, Any]:
    """The outputs of a call: `responseCode`, and the parsed body under the response's name (200, 2XX, default)."""
    name = next((each for each in (str(status), f"{status // 100}XX", f"{status // 100}xx", "default")
                 if each in operation.responses), "")  # fmt: skip
    outputs: dict[str, Any] = {"responseCode": float(status)}
    if name:
        try:
            outputs[name] = orjson.loads(body) if body else None
        except orjson.JSONDecodeError:
            outputs[name] = body.decode("utf-8", "replace")
    return outputs


def property_schema(schema: Values, path: list[str]) -> Values | None:
    """The schema of a part of a type (`lines.quantity`), or None if there is no such part."""
    for each in path:
        properties = (schema.get("items") or schema).get("properties")
        if properties is None:
            return {} if schema.get("type") in {None, "object"} else None
        found = next((part for key, part in properties.items() if matches(each, key)), None)
        if found is None:
            return None
        schema = found
    return schema


def listed_operations(values: Mapping[str, Any]) -> list[str]:
    """The operations that a registration names as active, if it names any."""
    return [text_of(each, "name") for each in as_list(values.get("operations")) if isinstance(each, dict)]
