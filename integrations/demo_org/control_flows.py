"""The control plane's view of automation: flows, what they did, what waits; and the CPQ package."""

from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request

from integrations.demo_org.automation import waiting
from integrations.demo_org.org import DemoOrg

LONGEST_WAIT = 60.0


def manage_flows(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """The flows with their versions, the last 500 runs and messages, and what waits. DELETE forgets the runs.

    GET ?wait=5 or POST {"wait": 5} first waits up to so many seconds until nothing that is due is left to do; `idle` tells.
    """
    text = str(body.get("wait") or request.query_params.get("wait") or "0")
    try:
        seconds = min(float(text), LONGEST_WAIT)
    except ValueError as problem:
        raise ValueError(f"wait takes seconds, not {text[:40]}") from problem
    idle = org.automation.wait_until_idle(max(seconds, 0.0))
    if request.method == "DELETE":
        org.automation.runs.clear()
    flows = [
        _described(key.partition(":")[2], note) for key, note in sorted(org.draft.notes.items()) if key.startswith("Flow:")
    ]
    waits = [
        {"number": job.number, "kind": job.kind, "due": datetime.fromtimestamp(job.due, UTC).isoformat(),
            "attempts": job.attempts,
         "name": job.body.get("flow") or job.body.get("message"), "problem": job.problem or None}
        for job in waiting.all_jobs(org.store.read())
    ]  # fmt: skip
    return {"idle": idle, "flows": flows, "runs": list(org.automation.runs), "waiting": waits}


def _described(name: str, note: dict[str, Any]) -> dict[str, Any]:
    """A flow in short."""
    versions = [
        {"number": each["number"], "status": each["values"].get("status", "Draft"), "label": each["values"].get("label")}
        for each in note["versions"]
    ]  # fmt: skip
    return {"name": name, "label": versions[-1]["label"], "active": note["active"] or None, "versions": versions}
