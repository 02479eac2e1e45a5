"""Every example of docs/api.md, as a stranger would copy it, against a running installation."""

import json
import os
import shutil
import subprocess
from datetime import timedelta

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from integrations.access import SCOPES
from integrations.api_keys import create_key
from okr import demo as okr_demo
from okr.licenses import grant_license
from tests.project.documents import Example, examples, mismatches, read

SPLIT = "\n=== example {} ===\n"


@pytest.fixture
def installation(live_server, connected_org, cast, now, monkeypatch) -> str:
    """A connected org, somebody with a seat and a linked key result, and a key with all scopes; returns its address."""
    for user in (cast.ada, cast.jane):
        grant_license(connected_org, user=user, actor=cast.ada, now=now)
    oliver = User.objects.create(username="oliver")
    users = {"admin": cast.ada, "jane": cast.jane, "marsha": cast.marsha, "ana": cast.ana, "oliver": oliver}
    monkeypatch.setattr(okr_demo, "GOALS", okr_demo.GOALS[:1])
    okr_demo.fill(org=connected_org, users=users, now=now)
    _, secret = create_key(owner=cast.ada, name="docs", scopes=list(SCOPES), expires=timezone.now() + timedelta(days=1))
    monkeypatch.setenv("CAUSEWAY", live_server.url)
    monkeypatch.setenv("KEY", secret)
    monkeypatch.setenv("ORG", str(connected_org.pk))  # as the page's own line finds it, which runs too
    return live_server.url


def is_preparation(example: Example) -> bool:
    """What reads the demonstration's key; this test has its own."""
    return "demo.json" in example.text


def run_curl(given: list[Example]) -> dict[int, str]:
    """What each block answered, by number; one shell runs them in order."""
    parts = [f"printf '%s' '{SPLIT.format(each.number)}'\n{each.text}" for each in given]
    done = subprocess.run(
        [shutil.which("bash") or "bash", "-eu", "-o", "pipefail", "-c", "\n".join(parts)],
        capture_output=True, text=True, timeout=120, env=dict(os.environ), check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr + done.stdout[-500:]
    pieces = done.stdout.split("\n=== example ")[1:]
    return {int(number): text for number, text in (piece.split(" ===\n", 1) for piece in pieces)}


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.django_db(transaction=True)
def test_every_example_of_the_api_runs_and_answers_what_it_shows(installation, capsys) -> None:
    given = [each for each in examples(read("api.md")) if not is_preparation(each)]
    shell, python = ([each for each in given if each.language == language] for language in ("sh", "python"))
    assert len(shell) > 20
    assert len(python) > 20
    names: dict[str, object] = {}
    # Python examples build on what the shell ones above them sent, so both run in the order of the page.
    before = 0
    for each in python:
        check_answers([block for block in shell if before <= block.number < each.number])
        before = each.number
        exec(compile(each.text, f"docs/api.md, example {each.number}", "exec"), names)
    check_answers([block for block in shell if block.number > before])
    assert "409 key_taken" not in capsys.readouterr().out


def check_answers(given: list[Example]) -> None:
    """Run these and compare the last line of each with what the page shows."""
    if not given:
        return
    answers = run_curl(given)
    for each in given:
        text = answers[each.number].strip()
        decoder, values, place = json.JSONDecoder(), [], 0
        while place < len(text):
            value, place = decoder.raw_decode(text, place)
            values.append(value)
            place += len(text[place:]) - len(text[place:].lstrip())
        is_refusal = isinstance(each.answer, dict) and "error" in each.answer
        for value in values:
            assert is_refusal or not (isinstance(value, dict) and "error" in value), (each.text, value)
        if each.answer is not None:
            assert mismatches(each.answer, values[-1]) == [], each.text
