"""Who may change what. Everyone signed in sees all objectives (BW-D12); changing is for owners, department leads and admins."""

from typing import Any

from integrations.access import Refusal, has_role, may_change
from okr.models import KeyResult, Objective


class NotAllowed(Refusal):
    """The person may not do this; the API answers 403."""

    status = 403


def may_edit_objective(user: Any, objective: Objective) -> bool:
    """Its owner, the lead of its department, or an admin."""
    if has_role(user, "admin", "okr"):
        return True
    department = objective.department
    return may_change(user) and (objective.owner_id == user.pk or (department is not None and department.lead_id == user.pk))


def may_edit_key_result(user: Any, key_result: KeyResult) -> bool:
    """Its owner, or whoever may edit its objective (BW-D3: unlinking needs no more than this)."""
    return (may_change(user) and key_result.owner_id == user.pk) or may_edit_objective(user, key_result.objective)


def check_objective(user: Any, objective: Objective) -> None:
    """Refuse people who may not edit `objective`."""
    if not may_edit_objective(user, objective):
        raise NotAllowed("not_yours", "Only the objective's owner, the lead of its department or an admin may change it.")


def check_key_result(user: Any, key_result: KeyResult) -> None:
    """Refuse people who may not edit `key_result`."""
    if not may_edit_key_result(user, key_result):
        raise NotAllowed("not_yours", "Only the key result's owner, its objective's owner or an admin may change it.")
