"""The control plane's ways to end what is under way: bulk jobs, query cursors, the recycle bin, the day's allowance."""

from typing import Any

from starlette.requests import Request

from integrations.demo_org import removal
from integrations.demo_org.bulk import jobs
from integrations.demo_org.control_access import find_object
from integrations.demo_org.org import DemoOrg
from integrations.demo_org.query import cursors_of

UNFINISHED = frozenset({jobs.OPEN, jobs.UPLOADED, jobs.RUNNING})
DEEDS = ("abort", "fail", "delete")


def manage_jobs(request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {do: "abort" | "fail" | "delete", id?, message?}: an administrator ends a bulk job.

    Without an id it ends all unfinished ones (delete: all). A failed job keeps `message` as its errorMessage; rows not yet
    tried stay unprocessed; a deleted one is 404.

    GET lists all jobs. Expired jobs: move the clock by seven days (one day for jobs that stay Open).
    """
    found = [job for kind in (jobs.INGEST, jobs.QUERY) for job in jobs.list_jobs(org, kind, offset=0)[0]]
    if request.method == "POST":
        deed, wanted = str(body.get("do", "")), str(body.get("id") or "")
        if deed not in DEEDS:
            raise ValueError(f"Say what to do: {', '.join(DEEDS)}")
        chosen = [
            job for job in found if (job.id[:15] == wanted[:15] if wanted else deed == "delete" or job.state in UNFINISHED)
        ]
        if wanted and not chosen:
            raise ValueError(f"There is no job {wanted}")
        for job in chosen:
            _end(org, job, deed, str(body.get("message") or "InternalServerError : ended by an administrator"))
        found = [job for kind in (jobs.INGEST, jobs.QUERY) for job in jobs.list_jobs(org, kind, offset=0)[0]]
    return {"jobs": [jobs.describe_job(job) for job in found]}


def _end(org: DemoOrg, job: jobs.Job, deed: str, message: str) -> None:
    if deed == "delete":
        jobs.remove_job(org, job)
        return
    ending = {"state": jobs.ABORTED} if deed == "abort" else {"state": jobs.FAILED, "error": message}
    if jobs.change_job(org, job, only_from=UNFINISHED, **ending) is None:
        raise ValueError(f"The job {job.id} is finished: {job.state}")


def expire_cursors(_request: Request, org: DemoOrg, _body: dict[str, Any]) -> Any:
    """POST: every query locator that was given out fails from now on with INVALID_QUERY_LOCATOR."""
    return {"expired": cursors_of(org).clear()}


def purge(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {object?}: somebody empties the recycle bin (of one object): the records are gone for good."""
    name = find_object(org, body).name if body.get("object") else ""
    return {"purged": removal.purge_bin(org, name)}


def set_allowance(_request: Request, org: DemoOrg, body: dict[str, Any]) -> Any:
    """POST {left: n}: so many API calls are left today; the next one fails with REQUEST_LIMIT_EXCEEDED."""
    left = body.get("left")
    if not isinstance(left, int) or isinstance(left, bool) or left < 0:
        raise ValueError('Say how many calls are left: {"left": 0} or more')
    used = org.usage.used()
    org.settings.limits = {**org.settings.limits, "DailyApiRequests": used + left}
    return {"used": used, "left": left}
