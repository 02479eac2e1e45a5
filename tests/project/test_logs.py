"""No secret reaches the log, whoever wrote the line."""

import logging

import pytest

from project.logs import NoSecrets, without_secrets

TOKEN = "00D5g000004ABCD!AQEAQNfVkW.q8Zx_abcDEF1234567890"


@pytest.mark.parametrize(
    "line",
    [
        f"Authorization: Bearer {TOKEN}",
        f"got {TOKEN} back",
        '{"refresh_token": "5Aep861KIwKdekr90I4iHdZaFHpc3nZ9TZ"}',
        "POST body grant_type=refresh_token&refresh_token=abcdefgh12345&client_secret=topsecretvalue",
        "password=1234567abcdefg",
        "<sessionId>00Dabcdefghijkl</sessionId>",
        "Api-Key Zx81abcd.secretsecretsecret",
        "GET /oauth/complete/salesforce-connection/?state=x&code=secretsecretcode",
    ],
)
def test_s_002_secrets_are_hidden(line):
    shown = without_secrets(line)
    for secret in (
        TOKEN,
        "5Aep861KIwKdekr",
        "abcdefgh12345",
        "topsecretvalue",
        "1234567abcdefg",
        "00Dabcdefghijkl",
        "secretsecret",
    ):
        assert secret not in shown
    assert "[hidden]" in shown


def test_ordinary_lines_stay():
    line = "run.finished code= job=okr.refresh code=rows_failed state=success written=3 org=00D5g000004ABCDEAA"
    assert without_secrets(line) == line


def test_i_14_filter_reads_arguments_too():
    record = logging.LogRecord("x", logging.INFO, "f", 1, "token %s", (TOKEN,), None)
    assert NoSecrets().filter(record)
    assert TOKEN not in record.getMessage()
