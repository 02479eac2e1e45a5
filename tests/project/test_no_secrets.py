"""S-012: no secret stands in the history, the files, the images or the samples of this repository."""

import math
import re
import shutil
import struct
import subprocess
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MOST_HISTORY = 80_000_000  # bytes, the newest first: about 5 seconds
SKIPPED = (":!static/vendor", ":!*.lock", ":!package-lock.json", ":!*.min.js", ":!benchmarks/*.csv")

PATTERNS = (  # kind, the letters to look for, what must begin there
    ("private key", b"-----BEGIN ", rb"-----BEGIN (?:[A-Z]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\s|\\n)*[A-Za-z0-9+/=]{40,}"),
    ("Salesforce access token", b"00D", rb"00D[A-Za-z0-9]{12}(?:[A-Za-z0-9]{3})?![A-Za-z0-9._]{60,}"),
    ("Salesforce refresh token", b"5Aep861", rb"5Aep861[A-Za-z0-9._]{50,}"),
    ("Salesforce consumer key", b"3MVG9", rb"3MVG9[A-Za-z0-9._]{60,}"),
    ("AWS key", b"AKIA", rb"AKIA[0-9A-Z]{16}\b"),
    ("AWS key", b"ASIA", rb"ASIA[0-9A-Z]{16}\b"),
    ("GitHub token", b"ghp_", rb"ghp_[A-Za-z0-9]{36}"),
    ("GitHub token", b"github_pat_", rb"github_pat_[A-Za-z0-9_]{60,}"),
    ("Slack token", b"xox", rb"xox[abprs]-[A-Za-z0-9-]{20,}"),
    ("Google key", b"AIza", rb"AIza[A-Za-z0-9_-]{35}\b"),
    ("Stripe key", b"k_live_", rb"k_live_[A-Za-z0-9]{20,}"),
    ("JSON web token", b"eyJ", rb"eyJ[A-Za-z0-9_-]{20,}\.eyJ[A-Za-z0-9_-]{20,}\.[A-Za-z0-9_-]{20,}"),
    ("password in an address", b"://", rb"://[^\s:/@\"'<>{}?#]{1,40}:[^\s:/@\"'<>{}$?#]{3,60}@[A-Za-z0-9.-]{3,}"),
)
SHAPES = tuple((kind, start, re.compile(shape)) for kind, start, shape in PATTERNS)
WORDS = (b"secret", b"token", b"password", b"passwd", b"apikey", b"api_key", b"encryption_key", b"credential")
VALUE = re.compile(rb"[A-Za-z_]{0,30}[\"']?\s{0,3}[:=]\s{0,3}[\"'\[]{0,2}([A-Za-z0-9+/_=.!-]{24,200})")
ENTROPY = 4.25  # bits a character: random base64 of 32 characters has about 4.6, words and identifiers stay below 4
HEX_ENTROPY = 3.2  # of 16 digits: random ones have about 3.7
ALLOWED = re.compile(
    rb"(?i)user:password@|user:pass@|://[a-z]+:(?:secret|password|pass|change-me|causeway|pw|postgres|hunter2|s3cret)@|canary|example|"
    rb"only-for-the-tests|u:topsecret@127|MDEyMzQ1Njc4OTAxMjM0NTY3|5Aep861KIwKdekr90I4iHdZaFHpc3nZ9TZ|not-a-real|fake|dummy|0123456789|abcdef|change-me|placeholder"
)
"""Values that are made up: they say so."""


def entropy(text: bytes) -> float:
    """Shannon's measure, in bits a character."""
    return -sum(count / len(text) * math.log2(count / len(text)) for count in Counter(text).values())


def is_random(text: bytes) -> bool:
    """Whether a value looks drawn and not written: long, mixed, and without the shape of a path or a name."""
    if len(re.sub(rb"[^A-Za-z0-9]", b"", text)) < 24 or not (re.search(rb"\d", text) and re.search(rb"[A-Za-z]", text)):
        return False
    if re.fullmatch(rb"[A-Za-z_]+(?:[._-][A-Za-z_0-9]+)*", text) and sum(map(str.isdigit, text.decode())) < 4:
        return False
    if re.fullmatch(rb"[0-9a-f]{32,}|[0-9A-F]{32,}", text):
        return entropy(text) >= HEX_ENTROPY
    return entropy(text) >= ENTROPY


def secrets_in(text: bytes) -> Iterator[tuple[str, bytes]]:
    """What looks like a secret in a text, with the kind. Looks for letters first, which is a hundred times quicker."""
    for kind, start, shape in SHAPES:
        for at in places(text, start):
            hit = shape.match(text, at)
            if hit and not ALLOWED.search(text[max(0, at - 40) : hit.end() + 40]):
                yield kind, hit[0][:60]
    lower = text.lower()
    for word in WORDS:
        for at in places(lower, word):
            hit = VALUE.match(text, at + len(word))
            if hit and is_random(hit[1]) and not ALLOWED.search(text[at : hit.end()]):
                yield "random value of a telling name", text[at : hit.end()][:90]


def places(text: bytes, letters: bytes) -> Iterator[int]:
    """Where the letters stand."""
    at = text.find(letters)
    while at >= 0:
        yield at
        at = text.find(letters, at + 1)


def texts_of_png(data: bytes) -> Iterator[bytes]:
    """The text chunks of a PNG: where tools leave names, paths and comments."""
    at = 8
    while at + 8 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind in (b"tEXt", b"iTXt", b"eXIf"):
            yield body
        elif kind == b"zTXt":
            name, _, packed = body.partition(b"\0")
            yield name + b"=" + zlib.decompress(packed[1:])
        at += 12 + length


def git(*arguments: str) -> bytes:
    program = shutil.which("git")
    if program is None or not (ROOT / ".git").exists():
        pytest.skip("not a checkout with git: there is no history to look at")
    found = subprocess.run([program, "-C", str(ROOT), *arguments], capture_output=True, timeout=60, check=False)
    if found.returncode:
        pytest.skip(f"git does not answer here: {found.stderr[:120]!r}")
    return found.stdout


def test_s_012_no_secret_in_the_history():
    log = git("log", "-p", "--all", "HEAD", "-U0", "--no-color", "--text", "--", ".", *SKIPPED)[:MOST_HISTORY]
    added = b"\n".join(dict.fromkeys(line for line in log.split(b"\n") if line.startswith(b"+")))
    assert added, "the history has lines"
    assert sorted(set(secrets_in(added))) == []


def test_s_012_no_secret_in_files_that_are_there():
    names = [
        name for name in git("ls-files", "-co", "--exclude-standard", "-z", "--", ".", *SKIPPED).decode().split("\0") if name
    ]
    found = []
    for name in names:
        path = ROOT / name
        if path.is_file() and path.stat().st_size < 2_000_000 and path.suffix not in {".png", ".woff2", ".parquet", ".ico"}:
            found += [(name, *each) for each in secrets_in(path.read_bytes())]
    assert found == []
    forbidden = re.compile(r"(^|/)(\.env|id_rsa|id_ed25519|[^/]*\.(pem|key|p12|pfx|sqlite3|jks))$")
    assert [name for name in names if forbidden.search(name)] == []


def test_s_012_no_secret_in_images():
    images = [path for folder in ("docs", "static") for path in (ROOT / folder).rglob("*.png")]
    found = [(path.name, *each) for path in images for text in texts_of_png(path.read_bytes()) for each in secrets_in(text)]
    assert found == []
    paths = [
        path.name for path in images for text in texts_of_png(path.read_bytes()) if re.search(rb"/(home|root|Users)/", text)
    ]
    assert paths == []


def test_s_012_sample_settings_hold_no_value_that_works():
    lines = (ROOT / ".env.example").read_text().splitlines()
    values = dict(line.lstrip("# ").split("=", 1) for line in lines if re.match(r"#? ?[A-Z_]+=", line))
    for name in ("SECRET_KEY", "FIELD_ENCRYPTION_KEYS"):
        assert values[name] == "change-me", name


@pytest.mark.parametrize(
    "text",
    [
        b"-----BEGIN ~PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQ",
        b"token 00D~5g00000AbCdE!AQ8AQPx9kz7VYt2mDLh4Wc1uRs0nBf6JgKeTqXyZoMwPi3SvHdGlCaNrUjEb5_F8k2L9m4Qp7R",
        b"5Aep861~x9kz7VYt2mDLh4Wc1uRs0nBf6JgKeTqXyZoMwPi3SvHdGlCaNrUjEb5F8k",
        b"AKIA~J7QX2LMN4PRSTUVW",
        b"postgres:~//causeway:Tr0ub4dor3@db.internal.acme:5432/x",
        b"ghp_~a8Kd0sLq2Wm4Nx6Bv8Cz1Xy3Tu5Rw7Qp9Eo1I",
        b"FIELD_ENCRYPTION_KEYS~=~Zk3v9QxT1mB7sLw2RyUe8NcJd5HgFa0PoVi6KtXbYqM=",
        b'"client_secret~": "~7c1e9f08b6d42573a1c0e9f7b5d8a2466e19f2a91c7b3e64"',
    ],
)
def test_s_012_the_scan_finds_what_it_looks_for(text):
    whole = text.replace(b"~", b"")  # apart, so that this file passes its own scan
    assert list(secrets_in(whole)), whole


@pytest.mark.parametrize(
    "text",
    [
        b"SECRET_KEY=change-me", b"DATABASE_URL=postgres://user:password@host:5432/name",
        b"token = vault.read_access_token_of_connection(org)", b"password_reset_token_generator = PasswordResetTokenGenerator()",
        b"api_key = request.headers.get('Authorization')", b"secret = 'canary-secret-0123456789-aB3dE5fG7hJ9'",
    ],
)  # fmt: skip
def test_s_012_the_scan_leaves_words_alone(text):
    assert not list(secrets_in(text)), text


def test_s_012_text_in_an_image_is_read():
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + b"\0\0\0\0"

    image = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", b"\0" * 13) + chunk(b"tEXt", b"Comment\0plain")
    image += chunk(b"zTXt", b"Note\0\0" + zlib.compress(b"AKI" + b"AJ7QX2LMN4PRSTUVW"))
    assert [found for text in texts_of_png(image) for found, _ in secrets_in(text)] == ["AWS key"]
