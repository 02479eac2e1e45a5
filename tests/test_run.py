"""The contract of `./run`: one command gives a connected, filled, working installation; Ctrl-C ends all of it."""

import contextlib
import importlib.machinery
import importlib.util
import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests

from tests.demo import ROOT, free_port

START = 900


def load_run(monkeypatch, data: Path):
    """The script as a module."""
    monkeypatch.setenv("CAUSEWAY_DATA", str(data))
    loader = importlib.machinery.SourceFileLoader("run_script", str(ROOT / "run"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("run_script", loader))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    loader.exec_module(module)
    return module


def test_keys_are_made_once_and_private(monkeypatch, tmp_path):
    run = load_run(monkeypatch, tmp_path)
    first = run._keys()
    assert run._keys() == first
    assert len(first["SECRET_KEY"]) >= 50
    assert stat.S_IMODE((tmp_path / "keys.json").stat().st_mode) == 0o600


def test_busy_port_is_named_with_the_way_out(monkeypatch, tmp_path, capsys):
    run = load_run(monkeypatch, tmp_path)
    with contextlib.closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        with pytest.raises(SystemExit):
            run.check_port("PORT", port)
    assert f"PORT={int(port) + 1} ./run" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        run.check_port("DEMO_ORG_PORT", "abc")
    assert "DEMO_ORG_PORT must be a port number" in capsys.readouterr().err


def test_dotenv_is_not_overridden(monkeypatch, tmp_path):
    run = load_run(monkeypatch, tmp_path)
    (tmp_path / ".env").write_text("# SECRET_KEY=commented\nexport BASE_URL=http://localhost:9000\nEMAIL_URL=smtp://x\n")
    assert run._names_in(tmp_path / ".env") == {"BASE_URL", "EMAIL_URL"}


def test_only_the_standard_library_is_imported():
    names = {
        line.split()[1].split(".")[0]
        for line in (ROOT / "run").read_text().splitlines()
        if line.startswith(("import ", "from "))
    }
    assert names <= set(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def installation(tmp_path_factory):
    """`./run` on free ports with a data folder of its own, ready."""
    data = tmp_path_factory.mktemp("run")
    port, demo_port = free_port(), free_port()
    env = {key: value for key, value in os.environ.items() if not key.startswith(("PYTEST", "TEST_", "DJANGO_", "DATABASE_"))}
    for name in (
        "SECRET_KEY",
        "FIELD_ENCRYPTION_KEYS",
        "BASE_URL",
        "ALLOWED_HOSTS",
        "EMAIL_URL",
        "DEMO_MODE",
        "DEBUG",
        "LOG_LEVEL",
    ):
        env.pop(name, None)
    env |= {"PORT": str(port), "DEMO_ORG_PORT": str(demo_port), "CAUSEWAY_DATA": str(data), "WORKERS": "1"}
    log = (data / "run.log").open("wb")
    process = subprocess.Popen([sys.executable, "run"], cwd=ROOT, env=env, stdout=log, stderr=log, start_new_session=True)
    base = f"http://127.0.0.1:{port}"
    deadline = time.monotonic() + START
    while True:
        with contextlib.suppress(requests.RequestException):
            if requests.get(f"{base}/readyz", timeout=5).status_code == 200:
                break
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError((data / "run.log").read_text()[-4000:])
        time.sleep(0.5)
    yield process, base, data
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.worker
@pytest.mark.xdist_group("run")
def test_run_gives_a_filled_installation_and_stops_at_ctrl_c(installation):
    process, base, data = installation
    demo = json.loads((data / "demo.json").read_text())
    assert demo["base_url"] == base
    assert {user["role"] for user in demo["users"]} >= {"admin", "license holder", "member"}
    assert stat.S_IMODE((data / "demo.json").stat().st_mode) == 0o600

    key = {"Authorization": f"Api-Key {demo['api_key']}"}
    connections = requests.get(f"{base}/api/v1/connections/", headers=key, timeout=10).json()["results"]
    assert [each["state"] for each in connections] == ["connected"]
    runs = requests.get(f"{base}/api/v1/runs/?job=okr.refresh", headers=key, timeout=10).json()["results"]
    assert runs[-1]["state"] == "success"
    results = requests.get(f"{base}/api/v1/key-results/", headers=key, timeout=10).json()["results"]
    assert sum(1 for each in results if each["link"] and each["current"]) >= 5

    session = requests.Session()
    admin = next(user for user in demo["users"] if user["role"] == "admin")
    page = session.get(f"{base}/accounts/login/", timeout=10)
    assert page.status_code == 200
    token = page.text.split('name="csrfmiddlewaretoken" value="')[1].split('"')[0]
    answer = session.post(
        f"{base}/accounts/login/",
        data={"username": admin["username"], "password": admin["password"], "csrfmiddlewaretoken": token},
        timeout=10,
    )
    assert answer.url == f"{base}/"
    assert "Overview" in answer.text
    style = next(part for part in answer.text.split('"') if part.startswith("/static/css/app"))
    assert session.get(base + style, timeout=10).status_code == 200

    os.killpg(process.pid, signal.SIGINT)
    assert process.wait(40) == 0
    for url in (f"{base}/healthz", f"{demo['demo_org_url']}/__demo__/info"):
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=2)
