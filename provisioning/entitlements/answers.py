"""The bytes of an answer: body, ETag, how long it may be kept. The API's view and the front use the same, so they agree."""

import hashlib
from datetime import datetime
from typing import NamedTuple

import orjson

from provisioning.entitlements.deciding import (
    NOT_FOUND,
    CustomerAccess,
    Decision,
    decide,
    decide_all,
    instant_json,
)
from provisioning.metering.asking import read_whole

MAX_AGE = 30
"""Seconds that a caller may keep an answer, less when it changes by itself before (ST-D19)."""
FAR = float("inf")


class Answer(NamedTuple):
    """What goes out. `until` (epoch seconds): until then the same bytes and headers are right if nothing changes."""

    body: bytes
    etag: str
    cache_control: str
    until: float


def answer_check(access: CustomerAccess, feature: str, requested: str | None, *, now: datetime) -> Answer | None:
    """The answer to a check; None for a question that is wrong or about an unknown feature (the view says how)."""
    try:
        wanted = read_whole(requested, "requested")
    except ValueError:
        return None
    decision = decide(access, feature, requested=wanted, now=now)
    if decision.reason in NOT_FOUND:
        return None
    return of_decision(decision, access.external_id, now=now)


def of_decision(decision: Decision, customer: str, *, now: datetime) -> Answer:
    """One decision as it goes out."""
    return _answer({"customer": customer, **decision.as_dict()}, decision.valid_until, now)


def answer_list(access: CustomerAccess, *, now: datetime) -> Answer:
    """Everything that a customer has, or had taken away, as it goes out."""
    found = decide_all(access, now)
    until = min((each.valid_until for each in found if each.valid_until), default=None)
    boundary = access.next_instant(now)
    until = min((each for each in (until, boundary) if each is not None), default=None)
    body = {
        "customer": access.external_id, "valid_until": instant_json(until), "entitlements": [each.as_dict() for each in found],
    }  # fmt: skip
    return _answer(body, until, now)


def _answer(body: object, until: datetime | None, now: datetime) -> Answer:
    data = bytes(memoryview(orjson.dumps(body)))  # its own buffer keeps 8 kB
    etag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    left = FAR if until is None else until.timestamp() - now.timestamp()
    age = MAX_AGE if left > MAX_AGE else max(0, int(left))
    keep = now.timestamp() + (left - MAX_AGE if left != FAR else FAR)
    return Answer(data, etag, f"private, max-age={age}", keep)
