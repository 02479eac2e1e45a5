"""Keeps secrets out of the log, whoever wrote the line (I-14, S-002)."""

import logging
import re

import structlog

_TOKEN = re.compile(
    r"00D[A-Za-z0-9]{12,15}![A-Za-z0-9._]+"  # access token
    r"|5Aep861[A-Za-z0-9._]+"  # refresh token
    r"|(?i:(?:bearer|api-key)\s+)[A-Za-z0-9._~+/=!-]{8,}"
    r"|(?i:(?:access_token|refresh_token|client_secret|password|assertion|code_verifier|sessionId)"
    r"[\"']?(?:=|\s*:\s*|>)[\"']?)[^\s\"'&<,}]{4,}"
    r"|cwp_[A-Za-z0-9_-]{16,}"  # integration key at the end of an outbound message's address
    r"|(?i:[?&]code=)[^\s\"'&<]{4,}"  # an authorization code in an address; plain "code" is our own word
)


def without_secrets(text: str) -> str:
    """`text` with anything that looks like a credential replaced by [hidden]."""
    return _TOKEN.sub("[hidden]", text)


class NoSecretsFormatter(structlog.stdlib.ProcessorFormatter):
    """The finished text once more: a traceback quotes what the filter never saw."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, and its traceback, without secrets."""
        return without_secrets(super().format(record))


class NoSecrets(logging.Filter):
    """Rewrites a record's message before any handler sees it."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.msg, dict):
            record.msg = {key: without_secrets(value) if isinstance(value, str) else value for key, value in record.msg.items()}
        else:
            record.msg, record.args = without_secrets(record.getMessage()), ()
        return True
