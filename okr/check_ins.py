"""Check-ins: what a person says about a key result, with a value where no report speaks for it (BW-D15)."""

from datetime import datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Exists, OuterRef

from integrations.access import Refusal
from okr import rights
from okr.models import CheckIn, KeyResult, Reading, ReportLink
from okr.objectives import LARGEST, note_activity, plain


def check_in(
    key_result: KeyResult, *, user: Any, now: datetime, value: Decimal | None = None, confidence: str = "", note: str = ""
) -> CheckIn:
    """Note how it goes. A value is refused while a report feeds the key result; note and confidence are always welcome."""
    rights.check_key_result(user, key_result)
    if value is None and not confidence and not note.strip():
        raise Refusal("empty_check_in", "Give a value, a confidence or a note.")
    if confidence and confidence not in KeyResult.Confidence.values:
        raise Refusal("unknown_confidence", f"Confidence is one of: {', '.join(KeyResult.Confidence.values)}.")
    if value is not None and (not value.is_finite() or abs(value) >= LARGEST):
        raise Refusal("not_a_number", "The value must be a number below 10^18.")
    with transaction.atomic():
        current = _locked(key_result)
        if value is not None and current.is_linked:  # pyright: ignore[reportAttributeAccessIssue]
            raise Refusal(
                "linked",
                "A Salesforce report updates this key result, so its value cannot be entered by hand. Unlink it first.",
            )
        entry = CheckIn.objects.create(
            key_result=current, author=user, value=value, confidence=confidence, note=note.strip(), at=now
        )
        _apply(current, value=value, confidence=confidence, now=now)
        said = [f"value {plain(value)}"] if value is not None else []
        said += [KeyResult.Confidence(confidence).label.lower()] if confidence else []
        note_activity(current, verb="checked_in", text=f"Check-in: {', '.join(said) or 'note'}.", actor=user, now=now)
    return entry


def _locked(key_result: KeyResult) -> KeyResult:
    """The row, locked, with whether a link exists at this moment (a link made meanwhile waits for us or is seen)."""
    linked = Exists(ReportLink.objects.filter(key_result=OuterRef("pk")))
    return KeyResult.objects.select_for_update(of=("self",)).annotate(is_linked=linked).get(pk=key_result.pk)


def _apply(key_result: KeyResult, *, value: Decimal | None, confidence: str, now: datetime) -> None:
    changed = []
    if value is not None:
        if key_result.current != value:
            Reading.objects.create(key_result=key_result, value=value, at=now, source=Reading.Source.CHECK_IN)
        key_result.current, key_result.current_at = value, now
        changed += ["current", "current_at"]
    if confidence:
        key_result.confidence = confidence
        changed.append("confidence")
    if changed:
        key_result.save(update_fields=changed)
