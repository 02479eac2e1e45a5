"""How answers look: compact or Java-style pretty JSON, or XML when the client asks for it; and how bodies are read."""

from collections.abc import Mapping
from typing import Any
from xml.sax.saxutils import escape

import orjson
from starlette.requests import Request
from starlette.responses import Response

from integrations.demo_org.errors import ApiError

JSON_TYPE = "application/json;charset=UTF-8"
XML_TYPE = "application/xml;charset=UTF-8"


def reply(
    request: Request,
    data: Any,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    *,
    root: str = "Result",
) -> Response:
    """The answer to a request: JSON, pretty when `X-PrettyPrint` is set, XML (with element `root`) when asked for."""
    if wants_xml(request):
        return Response(to_xml(data, root), status, dict(headers or {}), XML_TYPE)
    body = to_pretty(data) if wants_pretty(request) else orjson.dumps(data)
    return Response(body, status, dict(headers or {}), JSON_TYPE)


def no_content(headers: Mapping[str, str] | None = None) -> Response:
    """204 without a body."""
    return Response(status_code=204, headers=dict(headers or {}))


def all_errors(error: ApiError) -> list[dict[str, object]]:
    """Salesforce's array of errors; a refused row may bring several (its `errors`)."""
    several = getattr(error, "errors", ())
    if len(several) < 2:
        return error_body(error)
    return [{"message": each.message, "errorCode": each.code, "fields": list(each.fields)} for each in several]


def error_body(error: ApiError) -> list[dict[str, object]]:
    """The array with one error; `NOT_FOUND` bodies put the code first, as the real ones do."""
    if error.code == "NOT_FOUND":
        return [{"errorCode": error.code, "message": error.message}]
    body: dict[str, object] = {"message": error.message, "errorCode": error.code}
    if error.fields is not None and error.status != 405:
        body["fields"] = list(error.fields)
    return [body]


def error_reply(request: Request, error: ApiError) -> Response:
    """An ApiError as the client sees it."""
    headers = {"Allow": ",".join(sorted(error.fields or ()))} if error.status == 405 else {}
    if wants_xml(request):
        errors = "".join(
            f"<Error>{_element('errorCode', e['errorCode'])}{_element('message', e['message'])}</Error>"
            for e in error_body(error)
        )
        return Response(f'<?xml version="1.0" encoding="UTF-8"?><Errors>{errors}</Errors>', error.status, headers, XML_TYPE)
    return reply(request, all_errors(error), error.status, headers)


def wants_pretty(request: Request) -> bool:
    """Whether the client asked for indented JSON."""
    return request.headers.get("x-prettyprint", "").lower() in {"1", "true"}


def wants_xml(request: Request) -> bool:
    """Whether the client asked for XML by `.xml` or by `Accept`."""
    suffix = getattr(request.state, "suffix", "")
    accept = request.headers.get("accept", "")
    return suffix == "xml" or (suffix != "json" and accept.strip().lower().startswith("application/xml"))


def origin_of(request: Request) -> str:
    """Scheme, host and port under which the caller reached this org; absolute addresses are built from it."""
    return f"{request.url.scheme}://{request.headers.get('host') or request.url.netloc}"


def read_body(request: Request) -> bytes:
    """The request's body, for handlers that are plain functions (the server reads it before they run)."""
    return request.state.body


def read_json(request: Request) -> Any:
    """The body as JSON. A wrong content type is 415, broken JSON is 400 JSON_PARSER_ERROR."""
    content_type = request.headers.get("content-type", "").split(";")[0].strip().lower()
    body = read_body(request)
    if content_type not in {"application/json", "text/json"}:
        text = f"Content-Type header specified in HTTP request is not supported: {content_type or 'none'}"
        raise ApiError(415, "UNSUPPORTED_MEDIA_TYPE", text)
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as problem:
        raise ApiError(400, "JSON_PARSER_ERROR", _parser_text(problem)) from problem


def _parser_text(problem: orjson.JSONDecodeError) -> str:
    """Where the JSON broke, in the words of Salesforce's parser."""
    if not problem.doc:
        return "No content to map to Object due to end of input"
    if problem.pos >= len(problem.doc):
        return f"Unexpected end-of-input at [line:{problem.lineno}, column:{problem.colno}]"
    found = problem.doc[problem.pos]
    return f"Unexpected character ('{found}' (code {ord(found)})) at [line:{problem.lineno}, column:{problem.colno}]"


def to_pretty(data: Any) -> str:
    """JSON as Java's pretty printer writes it: two spaces, `"key" : value`, `[ {` on one line, `[ ]` when empty."""
    return _pretty(data, "")


def _pretty(data: Any, indent: str) -> str:
    """One value at the given indentation."""
    if isinstance(data, Mapping):
        inner = indent + "  "
        parts = [f"\n{inner}{orjson.dumps(str(key)).decode()} : {_pretty(value, inner)}" for key, value in data.items()]
        return "{" + ",".join(parts) + f"\n{indent}}}" if parts else "{ }"
    if isinstance(data, list | tuple):
        return "[ " + ", ".join(_pretty(each, indent) for each in data) + " ]" if data else "[ ]"
    return orjson.dumps(data).decode()


def to_xml(data: Any, root: str) -> str:
    """A JSON-shaped value as XML: lists repeat their element, null is an empty nil element, attributes become XML ones."""
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    if isinstance(data, list | tuple):
        plural = f"{root}s"
        return f"{head}<{plural}>{''.join(_element(root, each) for each in data)}</{plural}>"
    return head + _element(root, data)


def _element(name: str, value: Any) -> str:
    """One XML element."""
    if value is None:
        return f'<{name} xsi:nil="true" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"/>'
    if isinstance(value, Mapping):
        attributes = value.get("attributes")
        tags = "".join(f" {k}={_quoted(v)}" for k, v in attributes.items()) if isinstance(attributes, Mapping) else ""
        inner = "".join(_element(str(k), v) for k, v in value.items() if not (k == "attributes" and tags))
        return f"<{name}{tags}>{inner}</{name}>"
    if isinstance(value, list | tuple):
        return "".join(_element(name, each) for each in value)
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return f"<{name}>{escape(text)}</{name}>"


def _quoted(value: Any) -> str:
    """An XML attribute value."""
    return '"' + escape(str(value), {'"': "&quot;"}) + '"'
