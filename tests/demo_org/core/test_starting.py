"""Starting the process: the ready line, TLS, loopback only, a clean end."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from django.core.management import call_command

from integrations.demo_org.__main__ import is_loopback, main
from integrations.demo_org.tls import ensure_certificates

ROOT = Path(__file__).resolve().parents[3]


def free_port() -> int:
    with contextlib.closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "::", "example.com", ""])
def test_s_098_the_demo_org_listens_on_loopback_only(tmp_path, capsys, host):
    assert main(["--host", host, "--data", str(tmp_path / "org")]) == 2
    assert "loopback addresses only" in capsys.readouterr().err
    assert not (tmp_path / "org").exists()
    assert not is_loopback(host)


def test_it_starts_says_so_and_ends_cleanly_on_sigterm(tmp_path):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "integrations.demo_org",
        "--port",
        str(port),
        "--data",
        str(tmp_path),
        "--size",
        "3",
        "--tls",
    ]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONUNBUFFERED": "1"}
    )
    try:
        lines = [process.stdout.readline().strip() for _ in range(2)]
        assert lines[1] == f"demo org ready on https://127.0.0.1:{port}"
        authority = lines[0].removeprefix("certificate authority: ")
        info = requests.get(f"https://127.0.0.1:{port}/__demo__/info", verify=authority, timeout=10).json()
        assert info["base_url"] == f"https://127.0.0.1:{port}"
        with pytest.raises(requests.exceptions.SSLError):
            requests.get(f"https://127.0.0.1:{port}/services/data", timeout=10)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(15) == 0
        assert time.monotonic() - began < 12
    finally:
        if process.poll() is None:
            process.kill()
        process.stdout.close()
    log = tmp_path / "org.sqlite3-wal"
    assert not log.exists() or log.stat().st_size == 0  # everything is in the file itself
    with contextlib.closing(sqlite3.connect(tmp_path / "org.sqlite3")) as file:
        assert file.execute("SELECT COUNT(*) FROM Account").fetchone()[0] >= 3
        assert file.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_s_098_the_django_command_refuses_other_addresses_too(tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        call_command("demo_org", "--host", "0.0.0.0", "--data", str(tmp_path / "org"))
    assert ended.value.code == 2
    assert "loopback addresses only" in capsys.readouterr().err


def test_certificates_are_kept_and_the_key_is_private(tmp_path):
    first = [path.read_bytes() for path in ensure_certificates(tmp_path)]
    assert [path.read_bytes() for path in ensure_certificates(tmp_path)] == first
    assert (tmp_path / "server.key").stat().st_mode & 0o077 == 0
