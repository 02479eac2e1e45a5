"""What a compile gives: an intent (what shall be there afterwards) or the problems that stand against it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from integrations.salesforce.values import read_moment, write_moment
from provisioning.subscriptions.spec import TermsSpec

START, CONVERT, AMEND, RENEW, CANCEL = "start", "convert", "amend", "renew", "cancel"
FROM_CALLOUT, FROM_ACCOUNT, FROM_LINK, FROM_ACCOUNT_ID = "callout", "account", "link", "account_id"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why nothing may be created. `line` is the number of the deal's line, 0 when it is about the whole deal."""

    line: int
    code: str
    message: str
    fix: str = ""
    name: str = ""

    def as_dict(self) -> dict[str, Any]:
        return {"line": self.line, "name": self.name, "code": self.code, "message": self.message, "fix": self.fix}


@dataclass(frozen=True)
class Problems:
    """All of them at once, in the order of the lines."""

    items: tuple[Problem, ...]

    def as_list(self) -> list[dict[str, Any]]:
        """JSON, as a provision keeps them."""
        return [each.as_dict() for each in self.items]

    @property
    def sentence(self) -> str:
        """All messages as one text."""
        return " ".join(each.message for each in self.items)

    @property
    def reason_code(self) -> str:
        """The code of the first."""
        return self.items[0].code if self.items else ""


@dataclass(frozen=True, slots=True)
class LineTrace:
    """Where a line led and the place whose mapping counted (ST-D3). `ignored`: left out by the setting."""

    number: int
    name: str
    type: str = ""
    key: str = ""
    key_name: str = ""
    place: str = ""
    quantity: str = ""
    ignored: bool = False
    note: str = ""


@dataclass(frozen=True)
class SubscriptionIntent:
    """One product's subscription. `starts_at` is when it, or the change of it, takes effect; ends are exclusive; UTC.

    `subscription` names the existing one for convert, amend, renew and cancel. `terms` hold from `starts_at`; `later` are
    changes that are agreed now and take effect afterwards (an add-on that starts later, a line that ends earlier). For `cancel`
    the terms are those that end. For `amend`, `ends_at` repeats the end that stays. For `convert`, `trial_ends_at` is the end
    that the trial must have so that there is no gap.
    """

    product: str
    action: str
    terms: TermsSpec
    starts_at: datetime
    ends_at: datetime | None = None
    trial_ends_at: datetime | None = None
    subscription: str = ""
    later: tuple[tuple[datetime, TermsSpec], ...] = ()

    def as_dict(self) -> dict[str, Any]:
        return {
            "product": self.product,
            "action": self.action,
            "terms": self.terms.as_dict(),
            "starts_at": write_moment(self.starts_at),
            "ends_at": _moment(self.ends_at),
            "trial_ends_at": _moment(self.trial_ends_at),
            "subscription": self.subscription,
            "later": [{"at": write_moment(at), "terms": spec.as_dict()} for at, spec in self.later],
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "SubscriptionIntent":
        return cls(
            product=given["product"],
            action=given["action"],
            terms=TermsSpec.from_dict(given["terms"]),
            starts_at=read_moment(given["starts_at"]),
            ends_at=_read(given.get("ends_at")),
            trial_ends_at=_read(given.get("trial_ends_at")),
            subscription=given.get("subscription") or "",
            later=tuple((read_moment(each["at"]), TermsSpec.from_dict(each["terms"])) for each in given.get("later") or ()),
        )


@dataclass(frozen=True)
class Intent:
    """What is to be there afterwards. `customer_source` is callout (id not known yet), account, link or account_id (ST-D8)."""

    kind: str
    customer_source: str
    customer_id: str
    customer_name: str
    subscriptions: tuple[SubscriptionIntent, ...]
    lines: tuple[LineTrace, ...] = ()
    notes: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """JSON, as a provision keeps it."""
        return {
            "kind": self.kind,
            "customer_source": self.customer_source,
            "customer_id": self.customer_id,
            "customer_name": self.customer_name,
            "subscriptions": [each.as_dict() for each in self.subscriptions],
            "lines": [{name: getattr(each, name) for name in LineTrace.__slots__} for each in self.lines],
            "notes": list(self.notes),
        }

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> "Intent":
        """The intent that `as_dict` wrote."""
        return cls(
            kind=given["kind"],
            customer_source=given["customer_source"],
            customer_id=given["customer_id"],
            customer_name=given.get("customer_name") or "",
            subscriptions=tuple(SubscriptionIntent.from_dict(each) for each in given["subscriptions"]),
            lines=tuple(LineTrace(**each) for each in given.get("lines") or ()),
            notes=tuple(given.get("notes") or ()),
        )


def _moment(at: datetime | None) -> str | None:
    return None if at is None else write_moment(at)


def _read(text: str | None) -> datetime | None:
    return read_moment(text) if text else None
