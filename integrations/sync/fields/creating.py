"""Create fields in Salesforce for a mapping: one run a connection, resumable at every step, with a result for each field.

The job's id is kept before the first look, so that a killed run goes on waiting instead of deploying again; and deploying again
would change nothing. Nobody's field is ever changed: what exists with the same type is only made visible.
"""

from collections.abc import Mapping as Map
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.utils import timezone

from integrations import audit
from integrations.access import Refusal
from integrations.models import Mapping, Run
from integrations.orgs.connect import OrgClient, client_for
from integrations.salesforce import metadata
from integrations.salesforce.errors import (
    InvalidType,
    NoAccess,
    NotFound,
    RowRefused,
    SalesforceError,
    UpstreamUnavailable,
    Verdict,
)
from integrations.salesforce.metadata import CustomField, DeployPending, DeployResult, MetadataPackage
from integrations.salesforce.metadata_problems import explain_problem
from integrations.sync.fields import granting, lines
from integrations.sync.fields.wishes import Wish, stored_wish
from integrations.sync.mapping import facts, versions
from integrations.sync.mapping.problems import ProblemsFound
from integrations.sync.mirror.describing import describe_object, forget_description
from integrations.sync.runs import Recorder, RunStopped

JOB, LABEL = "mapping.fields", "Creation of fields in Salesforce"
PATIENCE = 3.0  # seconds that a worker waits for the end itself; longer deployments give it back
LOOK_AGAIN, TRY_AGAIN = timedelta(seconds=10), timedelta(minutes=1)
LONGEST = timedelta(minutes=30)
UNSEEN = "or the connected user cannot see it"


@dataclass
class Work:
    """One run's order and its tools."""

    recorder: Recorder
    client: OrgClient
    mapping: Mapping
    object: str
    wishes: list[Wish]
    check_only: bool

    @property
    def fields(self) -> list[CustomField]:
        """All fields of the order."""
        return [each.field for each in self.wishes]


def perform(recorder: Recorder) -> None:
    """Look what is there, deploy the rest with the permission set, wait, assign, look again, add lines to the mapping."""
    org, asked = recorder.org, recorder.run.arguments
    assert org is not None
    mapping = versions.find_mapping(org, str(asked.get("entity") or ""))
    wishes = [stored_wish(each) for each in asked.get("fields", ())]
    if not wishes:
        return
    recorder.expect(len(wishes))
    client = client_for(org, domain=facts.DOMAIN)
    work = Work(recorder, client, mapping, wishes[0].field.object, wishes, bool(asked.get("check_only")))
    try:
        done = _perform(work)
    except NoAccess as error:
        explained = explain_problem(error.message, code="INSUFFICIENT_ACCESS")
        raise RunStopped("no_right", f"{explained.sentence} {explained.fix}", Run.State.FAILED) from None
    except UpstreamUnavailable as error:
        _try_later(recorder, error)
        raise
    finally:
        recorder.spent(client.calls)
        client.close()
    if done and not work.check_only:
        _tell(work, done, asked)


def _try_later(recorder: Recorder, error: UpstreamUnavailable) -> None:
    """No schedule would do this work again, so the run itself waits; what was sent already is found when it goes on."""
    now = timezone.now()
    if error.verdict is not Verdict.STOP and now - recorder.run.queued_at < LONGEST:
        recorder.wait(until=now + TRY_AGAIN, sentence=f"Salesforce cannot be reached; tried again in a minute. {error}")


def _perform(work: Work) -> list[Wish]:
    """The wishes whose field is there and writable now (or, only checked, could be)."""
    kept = dict(work.recorder.checkpoint)
    if "job" not in kept:
        kept = _begin(work)
    refused = set(kept["refused"])
    good = [each for each in work.wishes if each.field.full_name not in refused]
    if kept["job"]:
        _await(work, kept, good)
    present = set(kept["present"])
    if work.check_only:
        for each in good:
            state = "is there already" if each.field.full_name in present else "could be created"
            _rows(work).skipped(each.field.full_name, "check_only", f"{each.field.name} {state}; nothing was changed.",
                                label=each.field.label)  # fmt: skip
        return good
    return _finish(work, good, present)


def _begin(work: Work) -> dict[str, Any]:
    """What exists already is sorted out, the rest is sent; the checkpoint to go on from. Refused fields are told at once."""
    there = metadata.read_components(work.client, "CustomField", [each.full_name for each in work.fields])
    types = {name.lower(): str(each.get("type") or "") for name, each in there.items()}
    present, refused = [], []
    for each in work.fields:
        had = types.get(each.full_name.lower())
        if had is None:
            continue
        if had == each.type:
            present.append(each.full_name)
            continue
        refused.append(each.full_name)
        text = (
            f"{each.name} is there already as {had}, not as {each.type}. Choose another API name, or map the field that exists."
        )
        _rows(work).failed(each.full_name, "other_type", text, label=each.label)
    wanted = [each for each in work.fields if each.full_name not in {*present, *refused}]
    usable = [each for each in work.fields if each.full_name not in refused]
    job = _send(work, wanted, usable) if usable else ""
    kept = {"job": job, "since": timezone.now().isoformat(), "present": present, "refused": refused}
    work.recorder.save(kept)
    return kept


def _send(work: Work, wanted: Sequence[CustomField], usable: Sequence[CustomField]) -> str:
    """Start the deployment; its id, empty when nothing has to be deployed."""
    sets = () if granting.find_set(work.client) else (granting.new_set(usable),)
    if not wanted and not sets:
        return ""
    return metadata.start_deploy(
        work.client, MetadataPackage(fields=tuple(wanted), permission_sets=sets), check_only=work.check_only
    )


def _await(work: Work, kept: Map[str, Any], good: Sequence[Wish]) -> None:
    """Wait for the end. A refused package is told field by field and ends the run."""
    try:
        result = metadata.deploy(work.client, MetadataPackage(), job_id=kept["job"], deadline=PATIENCE)
    except DeployPending as pending:
        now = timezone.now()
        if now - datetime.fromisoformat(kept["since"]) > LONGEST:
            _give_up(work, kept["job"])
        work.recorder.wait(until=now + LOOK_AGAIN, sentence=str(pending))
        raise AssertionError("unreachable: wait always raises") from None
    if not result.success or result.failures:
        _tell_refusals(work, result, kept, good)


def _give_up(work: Work, job: str) -> None:
    """Stop a deployment that takes too long, so that it does not take effect behind our back."""
    text = "Salesforce did not end the deployment within 30 minutes; it was canceled. Look at Setup, Deployment Status."
    try:
        metadata.cancel_deploy(work.client, job)
    except SalesforceError as error:
        text = f"Salesforce did not end the deployment within 30 minutes, and it could not be canceled: {error.message}"
    raise RunStopped("deploy_timeout", text, Run.State.FAILED)


def _tell_refusals(work: Work, result: DeployResult, kept: Map[str, Any], good: Sequence[Wish]) -> None:
    """All or nothing: the refused components say why, the others that they were not created because of them."""
    problems = {each.full_name: each for each in result.failures}
    for each in good:
        name, label = each.field.full_name, each.field.label
        own = problems.pop(name, None)
        if own is not None:
            explained = own.explained
            _rows(work).failed(name, explained.code, f"{explained.sentence} {explained.fix}".strip(), label=label)
        else:
            text = "Not created, because Salesforce takes all or nothing and refused another part."
            _rows(work).not_attempted(name, "refused_together", text, label=label)
    for name, own in problems.items():
        explained = own.explained
        row = work.recorder.object("Permission set")
        row.failed(name, explained.code, f"{explained.sentence} {explained.fix}".strip())
    work.recorder.save(dict(kept))
    raise RunStopped("deploy_failed", result.sentence, Run.State.FAILED)


def _finish(work: Work, good: Sequence[Wish], present: set[str]) -> list[Wish]:
    """Assign the permission set, look with fresh eyes, and say of each field whether it can be written now."""
    _grant(work, good)
    _assign(work)
    org = work.mapping.org
    forget_description(org, work.object)
    try:
        info = describe_object(org, work.client, work.object, fresh=True)
    except (NotFound, InvalidType) as error:
        raise RunStopped(
            "unknown_object", f"{work.object} cannot be seen any more: {error.message}", Run.State.FAILED
        ) from None
    done = []
    for each in good:
        field, name, label = info.field(each.field.name), each.field.full_name, each.field.label
        if field is None or not field.updateable:
            state = "cannot be seen" if field is None else "can only be read"
            text = f"It is there, but {state}: give the integration user the permission set {granting.SET_NAME}."
            _rows(work).failed(name, "not_visible", text, label=label)
            continue
        done.append(each)
        if name in present:
            _rows(work).unchanged()
        else:
            _rows(work).written(name, label)
    work.recorder.save()
    return done


def _grant(work: Work, good: Sequence[Wish]) -> None:
    """Put the fields into a permission set that was there before; what is refused is told with Salesforce's reason."""
    row = work.recorder.object("Permission set")
    try:
        refused = granting.grant(work.client, [each.field for each in good])
    except LookupError:
        return  # told by `_assign`
    for name, error in refused:
        row.failed(f"{granting.SET_NAME} {name}", error.code.lower() or "refused", f"Not granted: {error.message}")


def _assign(work: Work) -> None:
    """Give the set to the integration user; a refusal is told with what an administrator can do."""
    row, user = work.recorder.object("Permission set"), work.mapping.org.user_id
    cure = f"In Salesforce, Setup › Permission Sets › {granting.SET_LABEL} › Manage Assignments, add the integration user."
    try:
        if granting.assign(work.client, user):
            row.written(granting.SET_NAME, granting.SET_LABEL)
        else:
            row.unchanged()
    except ValueError:
        row.failed(granting.SET_NAME, "unknown_user", f"The id of the integration user is not known. {cure}")
    except LookupError:
        row.failed(granting.SET_NAME, "no_set", f"The permission set is not there. {cure}")
    except (NoAccess, NotFound, InvalidType, RowRefused) as error:
        row.failed(granting.SET_NAME, error.code.lower() or "refused", f"It could not be assigned: {error.message} {cure}")


def _tell(work: Work, done: Sequence[Wish], asked: Map[str, Any]) -> None:
    """The audit, and lines of the mapping if they are wanted."""
    run = work.recorder.run
    audit.record(
        "fields.created", actor=run.requested_by, target=f"{work.object} of {work.mapping.org.name} (run {run.pk})",
        after={"fields": {each.field.name: each.field.type for each in done}, "permission_set": granting.SET_NAME},
    )  # fmt: skip
    if not asked.get("add_lines"):
        return
    row = work.recorder.object("Mapping")
    try:
        version = lines.add_lines(work.mapping, done, run=run, now=timezone.now())
    except (ProblemsFound, Refusal) as error:
        text = f"The fields are there, but their lines could not be added to the mapping; add them by hand. {error}"
        row.failed("lines", "lines_not_added", text)
        return
    if version is None:
        row.unchanged()
    else:
        row.written(f"v{version.number}", f"Version {version.number} of the mapping")


def _rows(work: Work) -> Any:
    return work.recorder.object("Fields")
