"""The request that an automation sends between compiling and provisioning (ST-35, ST-36, ST-D9): check, render, read. Pure.

Sending it is not done here. A stored request is `{url, method, headers: [{name, value, secret}], body, customer_path,
subscription_path}`; values of secret headers stand apart, sealed.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from integrations.outgoing import TargetRefused, check_target
from integrations.salesforce.values import write_moment
from provisioning.automations.placeholders import (
    PLACEHOLDER,
    TemplateWrong,
    fill_address,
    fill_header,
    fill_json,
    problem_of_names,
)
from provisioning.intent.deal import Deal
from provisioning.intent.result import Intent

METHODS = ("POST", "PUT", "PATCH", "GET", "DELETE")
PARTS = ("url", "method", "body", "customer_path", "subscription_path")
WITH_BODY = frozenset(("POST", "PUT", "PATCH"))
HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
OURS = frozenset((
    "host", "content-length", "content-type", "transfer-encoding", "connection", "idempotency-key", "cookie", "upgrade", "te",
    "expect", "proxy-authorization",
))  # fmt: skip
STEP = re.compile(r"([A-Za-z0-9_$@-]+)((?:\[\d{1,4}\])*)\Z")
MOST_HEADERS, LONGEST_URL, LONGEST_BODY, LONGEST_HEADER = 20, 2_000, 20_000, 4_000
LONGEST_CUSTOMER, LONGEST_SUBSCRIPTION = 255, 40
SHOWN_SECRET = "••••••"  # noqa: S105  what stands in its place


@dataclass(frozen=True)
class Request:
    """A request ready to be sent. `shown` has the headers without secrets, for previews and logs."""

    method: str
    url: str
    headers: Mapping[str, str]
    body: str = ""
    shown: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class CalloutIds:
    """What the answer told: the customer's id, and ids of subscriptions by product; empty where no path asks for them."""

    customer_id: str = ""
    subscription_ids: Mapping[str, str] | None = None


class AnswerWrong(ValueError):
    """The answer has no usable id; the sentence says which path found what."""


def values_of(deal: Deal, intent: Intent, *, key: str, org_id: str = "") -> dict[str, Any]:
    """What placeholders stand for; `key` is the idempotency key of the deal."""
    first = intent.subscriptions[0] if intent.subscriptions else None
    subscriptions = [
        {**each.terms.as_dict(), "product": each.product, "action": each.action, "id": each.subscription,
         "starts_at": write_moment(each.starts_at), "ends_at": each.ends_at and write_moment(each.ends_at),
         "trial_ends_at": each.trial_ends_at and write_moment(each.trial_ends_at)}
        for each in intent.subscriptions
    ]  # fmt: skip
    lines = [
        {"number": each.number, "name": each.name, "type": each.type, "key": each.key, "quantity": each.quantity}
        for each in intent.lines if not each.ignored
    ]  # fmt: skip
    names = ("product", "plan", "seats", "action", "id", "starts_at", "ends_at", "trial_ends_at")
    return {
        **{f"opportunity.{name}": value for name, value in deal.values.items()},
        **{f"account.{name}": value for name, value in deal.account.items()},
        "opportunity.Id": deal.id, "opportunity.Name": deal.name, "account.Id": deal.account_id,
        "account.Name": deal.account_name, "customer.id": intent.customer_id, "customer.name": intent.customer_name,
        "idempotency_key": key, "kind": intent.kind, "org.id": org_id, "lines": lines, "subscriptions": subscriptions,
        **({f"subscription.{name}": subscriptions[0][name] for name in names} if first else {}),
    }  # fmt: skip


def render(callout: Mapping[str, Any], values: Mapping[str, Any], *, secrets: Mapping[str, str] | None = None) -> Request:
    """The request with its values. Raises `TemplateWrong` when a value cannot stand where it should."""
    method = str(callout.get("method") or "POST").upper()
    url = fill_address(str(callout["url"]), values)
    body = fill_json(str(callout.get("body") or "{}"), values) if method in WITH_BODY else ""
    headers: dict[str, str] = {"Accept": "application/json"}
    shown: list[tuple[str, str]] = []
    for each in callout.get("headers") or []:
        name, is_secret = str(each["name"]), bool(each.get("secret"))
        raw = (secrets or {}).get(name.lower(), "") if is_secret else fill_header(str(each.get("value") or ""), values)
        headers[name] = raw
        shown.append((name, SHOWN_SECRET if is_secret else raw))
    headers["Idempotency-Key"] = str(values.get("idempotency_key") or "")
    if body:
        headers["Content-Type"] = "application/json"
    return Request(method, url, headers, body, (*shown, ("Idempotency-Key", headers["Idempotency-Key"])))


def read_answer(callout: Mapping[str, Any], data: Any, *, products: Iterable[str] = ()) -> CalloutIds:
    """The ids in an answer's JSON. A subscription path may lead to one id, to a list in the order of the products, or to an
    object by product. Raises `AnswerWrong`."""
    customer_path, subscription_path = str(callout.get("customer_path") or ""), str(callout.get("subscription_path") or "")
    customer = _id(find(data, customer_path), customer_path, LONGEST_CUSTOMER) if customer_path else ""
    if not subscription_path:
        return CalloutIds(customer, {})
    named, found = list(products), find(data, subscription_path)
    if isinstance(found, Mapping):
        found = [found.get(product) for product in named]
    values = found if isinstance(found, list) else [found]
    if len(values) != len(named):
        raise AnswerWrong(f"{subscription_path} has {len(values)} ids for {len(named)} subscriptions.")
    ids = {product: _id(each, subscription_path, LONGEST_SUBSCRIPTION) for product, each in zip(named, values, strict=True)}
    if len(set(ids.values())) != len(ids):
        raise AnswerWrong(f"{subscription_path} gives one id to several subscriptions.")
    return CalloutIds(customer, ids)


def find(data: Any, path: str) -> Any:
    """What stands at `data.account.ids[0]` in a JSON answer; None when there is nothing."""
    for step in path.removeprefix("$.").split("."):
        match = STEP.match(step)
        if match is None or not isinstance(data, Mapping):
            return None
        data = data.get(match[1])
        for place in re.findall(r"\d+", match[2]):
            data = data[int(place)] if isinstance(data, list) and int(place) < len(data) else None
    return data


def check_callout(given: Mapping[str, Any], *, inner_origins: Collection[str] = ()) -> tuple[dict[str, Any], dict[str, str]]:
    """The request in its stored form, and what is wrong with it by field. An empty address means no request."""
    text = {name: str(given.get(name) or "").strip() for name in PARTS}
    if not text["url"]:
        return {}, {}
    text["method"] = (text["method"] or "POST").upper()
    errors: dict[str, str] = {}
    if problem := _problem_of_url(text["url"], inner_origins):
        errors["url"] = problem
    if text["method"] not in METHODS:
        errors["method"] = f"Choose one of {', '.join(METHODS)}."
    if text["method"] in WITH_BODY and (problem := _problem_of_body(text["body"])):
        errors["body"] = problem
    for name in ("customer_path", "subscription_path"):
        steps = text[name].removeprefix("$.").split(".") if text[name] else []
        if len(text[name]) > LONGEST_CUSTOMER or not all(STEP.match(step) for step in steps):
            errors[name] = "Write it like data.account.id or items[0].id."
    headers, wrong = _headers(given.get("headers") or [])
    return {**text, "headers": headers}, errors | ({"headers": wrong} if wrong else {})


def _problem_of_url(url: str, inner_origins: Collection[str]) -> str:
    if len(url) > LONGEST_URL:
        return f"At most {LONGEST_URL:,} characters."
    if problem := problem_of_names(url):
        return f"The address {problem}."
    parts = urlsplit(PLACEHOLDER.sub("x", url))
    if "{{" in re.split(r"[/?#]", url.partition("://")[2] or url, maxsplit=1)[0]:
        return "The host is fixed: placeholders stand in the path or after the question mark."
    try:
        check_target(parts.geturl(), inner_origins=inner_origins)
    except TargetRefused as error:
        return str(error)
    return ""


def _problem_of_body(body: str) -> str:
    if len(body) > LONGEST_BODY:
        return f"At most {LONGEST_BODY:,} characters."
    if problem := problem_of_names(body):
        return f"The body {problem}."
    try:
        fill_json(body or "{}", {})
    except TemplateWrong as error:
        return str(error)
    return ""


def _headers(given: Any) -> tuple[list[dict[str, Any]], str]:
    """The headers to store (secret ones without a value), and what is wrong with the first bad one."""
    kept: list[dict[str, Any]] = []
    rows = given if isinstance(given, list) else []
    for each in rows:
        row = each if isinstance(each, Mapping) else {}
        name, value = str(row.get("name") or "").strip(), str(row.get("value") or "")
        if not name and not value:
            continue
        if problem := _problem_of_header(name, value, kept):
            return kept, problem
        secret = row.get("secret") is True or row.get("secret") in ("true", "on", "1")
        kept.append({"name": name, "value": "" if secret else value.strip(), "secret": secret})
    return kept, f"At most {MOST_HEADERS} headers." if len(kept) > MOST_HEADERS else ""


def _problem_of_header(name: str, value: str, kept: list[dict[str, Any]]) -> str:
    if not HEADER.match(name):
        return f"“{name[:40]}” is no name of a header."
    if name.lower() in OURS:
        return f"{name} is set by Causeway."
    if any(each["name"].lower() == name.lower() for each in kept):
        return f"{name} stands there twice."
    if len(value) > LONGEST_HEADER or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        return f"The value of {name} is too long or has control characters."
    problem = problem_of_names(value)
    return f"The value of {name} {problem}." if problem else ""


def _id(value: Any, path: str, longest: int) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int):
        what = "nothing" if value is None else "no text"
        raise AnswerWrong(f"The answer has {what} at {path}.")
    text = str(value).strip()
    if not text or len(text) > longest or not text.isprintable():
        raise AnswerWrong(f"At {path} stands no id of 1 to {longest} characters.")
    return text
