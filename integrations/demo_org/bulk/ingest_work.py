"""The work of an ingest job: read the upload in chunks, save them, write down what became of each row.

A chunk's records, its part of the counts and the sizes of the result files are committed together, so that a job that was
killed goes on behind the last chunk and no row is saved twice.
"""

import time
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING

from integrations.demo_org import saving
from integrations.demo_org.bulk import jobs
from integrations.demo_org.bulk.csv_files import BadUpload, ResultFile, Upload
from integrations.demo_org.bulk.headers import find_header_problem
from integrations.demo_org.bulk.runner import RUNNERS, Pulse, fail_job, milliseconds_since
from integrations.demo_org.rows import RowError, RowResult

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

CHUNK = 10_000
UPLOAD, SUCCESS, FAILURE = "upload.csv", "successful.csv", "failed.csv"
ID_OF, SUCCESS_OF = attrgetter("id"), attrgetter("success")
LOCKED = RowError("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records")


class Stopped(Exception):
    """The job was aborted or removed while a chunk was being saved: the chunk is rolled back."""


def open_upload(org: "DemoOrg", job: jobs.Job) -> Upload:
    """The job's uploaded file."""
    path = jobs.folder_of(org, job) / UPLOAD
    return Upload(path, delimiter=jobs.DELIMITERS[job.delimiter], line_ending=jobs.LINE_ENDINGS[job.line_ending])


def run_ingest(org: "DemoOrg", job: jobs.Job, pulse: Pulse) -> None:
    """Do the whole job, or what is left of it after a restart."""
    try:
        done = _load(org, job, pulse)
    except Stopped:
        return
    except BadUpload as problem:
        current = jobs.find_job(org, job.id)
        if current is not None:
            fail_job(org, current, str(problem))
        return
    if done is None or not pulse.rest(done):
        return
    told = jobs.switch(org, "bulk_fail", "")
    if told:
        fail_job(org, done, told)
        return
    total = milliseconds_since(org, done)
    jobs.change_job(org, done, only_from=frozenset({jobs.RUNNING}), state=jobs.COMPLETE, total_ms=total)


def _load(org: "DemoOrg", job: jobs.Job, pulse: Pulse) -> jobs.Job | None:
    """Save all chunks. The job as it then is; None when it was stopped on the way."""
    if not job.uploaded:
        return job
    upload = open_upload(org, job)
    upload.check_line_ending()
    limit = int(jobs.switch(org, "bulk_fail_after", 0)) if jobs.switch(org, "bulk_fail", "") else 0
    files: list[ResultFile] = []
    current = job
    try:
        for chunk in upload.chunks(size=min(CHUNK, limit or CHUNK), skip=job.processed):
            files = files or _open_results(org, job, upload)
            if not pulse.go_on():
                return None
            current = _save_chunk(org, current, upload, chunk, files)
            if limit and current.processed >= limit:
                return current
        if not files:
            _open_results(org, job, upload)
    finally:
        for each in files:
            each.close()
    return current


def _open_results(org: "DemoOrg", job: jobs.Job, upload: Upload) -> list[ResultFile]:
    """Check the header, then open the files of good and bad rows."""
    kind = org.schema_for(job.who).find(job.object)
    if kind is None:
        raise BadUpload(f"InvalidBatch : Unable to find object: {job.object}")
    problem = find_header_problem(upload.header, kind=kind, schema=org.schema_for(job.who), operation=job.operation)
    if problem:
        raise BadUpload(problem)
    folder = jobs.folder_of(org, job)
    parts = ((SUCCESS, "sf__Created", job.success_size), (FAILURE, "sf__Error", job.failed_size))
    return [
        ResultFile(
            folder / name,
            header=["sf__Id", second, *upload.header],
            delimiter=upload.delimiter,
            line_ending=upload.line_ending,
            size=size,
        )
        for name, second, size in parts
    ]


def _save_chunk(org: "DemoOrg", job: jobs.Job, upload: Upload, chunk: list[list[str]], files: list[ResultFile]) -> jobs.Job:
    """One chunk with its outcome, in one transaction; Stopped (and nothing saved) if the job was aborted or is gone."""
    begun = time.monotonic()
    with org.store.write():
        locked = _locked_rows(org, len(chunk), job.processed)
        tried = [row for number, row in enumerate(chunk) if number not in locked] if locked else chunk
        results = saving.save_table(
            org,
            job.who,
            job.object,
            upload.header,
            tried,
            operation=job.operation,
            external_id=job.external_id or None,
            source="bulk",
        )
        good, bad = _sort_results(chunk, results, locked, upload.header)
        changed = jobs.change_job(
            org,
            job,
            only_from=frozenset({jobs.RUNNING}),
            processed=job.processed + len(chunk),
            failed=job.failed + len(bad),
            success_size=files[0].append(good),
            failed_size=files[1].append(bad),
            api_ms=job.api_ms + int((time.monotonic() - begun) * 1000),
            total_ms=milliseconds_since(org, job),
        )
        if changed is None:
            raise Stopped
        return changed


def _sort_results(
    chunk: list[list[str]], results: Sequence[RowResult], locked: set[int], header: list[str]
) -> tuple[list[list[str]], list[list[str]]]:
    """The lines for the files of good and of bad rows."""
    if not locked and all(map(SUCCESS_OF, results)):
        words = ["true" if each.created else "false" for each in results]
        return [[made, word, *row] for made, word, row in zip(map(ID_OF, results), words, chunk, strict=True)], []
    answers = iter(results)
    good: list[list[str]] = []
    bad: list[list[str]] = []
    place = next((number for number, name in enumerate(header) if name.lower() == "id"), None)
    for number, row in enumerate(chunk):
        result = RowResult(None, success=False, errors=[LOCKED]) if number in locked else next(answers)
        if result.success:
            good.append([result.id or "", "true" if result.created else "false", *row])
        else:
            given = row[place] if place is not None else ""
            bad.append([result.id or given, error_text(result), *row])
    return good, bad


def error_text(result: RowResult) -> str:
    """`CODE:message:FIELDS --` for each reason (recording bulk-v2-ingest/failed-row-error-text.csv)."""
    return ";".join(f"{each.code}:{each.message}:{','.join(each.fields)} --" for each in result.errors)


def _locked_rows(org: "DemoOrg", rows: int, before: int) -> set[int]:
    """Which rows of a chunk are refused with a row lock, spread evenly over the job by the switch's percentage."""
    share = float(jobs.switch(org, "bulk_lock_percent", 0)) / 100
    if share <= 0:
        return set()
    return {number for number in range(rows) if int((before + number + 1) * share) > int((before + number) * share)}


RUNNERS.register(jobs.INGEST, run_ingest)
