"""S-097: bill of materials from the lock file, hashes pinned, and an audit that never calls a failed look-up a success."""

import importlib.util
import json
import tomllib
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from types import ModuleType

import pytest
from django.core.management import call_command

from project.bill_of_materials import LockProblem, bill_of

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2027, 1, 2, 3, 4, 5, tzinfo=UTC)
HASH = "sha256:" + "a1" * 32


def package(name: str, version: str = "1.0", needs: tuple = (), **extra) -> dict:
    about = {
        "name": name, "version": version, "source": {"registry": "https://pypi.org/simple"},
        "dependencies": [need if isinstance(need, dict) else {"name": need} for need in needs],
        "sdist": {"url": f"https://files.example/{name}-{version}.tar.gz", "hash": HASH},
    }  # fmt: skip
    return about | extra


def lock_of(*packages: dict, needs: tuple = (), dev: tuple = ()) -> dict:
    project = {
        "name": "ours", "version": "9", "source": {"virtual": "."},
        "dependencies": [need if isinstance(need, dict) else {"name": need} for need in needs],
        "dev-dependencies": {"dev": [{"name": name} for name in dev]},
    }  # fmt: skip
    return {"package": [project, *packages]}


def bill(lock: dict, **extra) -> dict:
    return bill_of(lock, vendored="", now=NOW, **extra)


def scopes(made: dict) -> dict[str, str]:
    return {f"{each['name']} {each['version']}": each["scope"] for each in made["components"]}


def test_s_097_the_command_writes_every_locked_package_with_the_hash_of_every_file(tmp_path):
    target = tmp_path / "bill.json"
    call_command("sbom", "--output", str(target), stderr=StringIO())
    made = json.loads(target.read_text())
    lock = tomllib.loads((ROOT / "uv.lock").read_text())
    packages = {f"pkg:pypi/{each['name']}@{each['version']}": each for each in lock["package"] if "registry" in each["source"]}
    listed = {each["bom-ref"]: each for each in made["components"] if each["purl"].startswith("pkg:pypi/")}
    assert listed.keys() == packages.keys()
    for ref, each in listed.items():
        files = [file for file in [packages[ref].get("sdist"), *packages[ref].get("wheels", [])] if file]
        stated = {place["url"]: place["hashes"][0]["content"] for place in each["externalReferences"]}
        assert stated == {file["url"]: file["hash"].removeprefix("sha256:") for file in files}
        assert stated
    assert listed[next(ref for ref in listed if ref.startswith("pkg:pypi/django@"))]["scope"] == "required"
    assert listed[next(ref for ref in listed if ref.startswith("pkg:pypi/pytest@"))]["scope"] == "excluded"
    assert any(each["purl"].startswith("pkg:npm/%40fontsource-variable/inter@") for each in made["components"])


def test_s_097_every_dependency_that_is_named_is_a_component():
    out = StringIO()
    call_command("sbom", stdout=out)
    made = json.loads(out.getvalue())
    known = {each["bom-ref"] for each in made["components"]} | {made["metadata"]["component"]["bom-ref"]}
    named = {each["ref"] for each in made["dependencies"]} | {ref for each in made["dependencies"] for ref in each["dependsOn"]}
    assert named <= known
    assert (made["bomFormat"], made["specVersion"]) == ("CycloneDX", "1.6")


def test_scope_follows_what_is_really_shipped():
    packages = (
        package("web", needs=("shared",)), package("shared"), package("runner", needs=("shared", "plugin")), package("plugin"),
        package("driver") | {"optional-dependencies": {"fast": [{"name": "speedup"}], "slow": [{"name": "snail"}]}},
        package("speedup"), package("snail"),
    )  # fmt: skip
    made = bill(lock_of(*packages, needs=("web", {"name": "driver", "extra": ["fast"]}), dev=("runner",)))
    assert scopes(made) == {
        "web 1.0": "required", "shared 1.0": "required", "driver 1.0": "required", "speedup 1.0": "required",
        "runner 1.0": "excluded", "plugin 1.0": "excluded", "snail 1.0": "excluded",
    }  # fmt: skip


def test_one_version_for_each_python_lists_both_and_a_named_one_only_that():
    twice = (package("fork", "1.0"), package("fork", "2.0"), package("picky", needs=({"name": "fork", "version": "2.0"},)))
    assert scopes(bill(lock_of(*twice, needs=("fork",))))["fork 1.0"] == "required"
    made = scopes(bill(lock_of(*twice, needs=("picky",))))
    assert (made["fork 1.0"], made["fork 2.0"]) == ("excluded", "required")


def test_the_same_lock_gives_the_same_serial_number():
    one, two = bill(lock_of(package("a"), package("b"))), bill(lock_of(package("b"), package("a")))
    assert one == two
    assert one["serialNumber"].startswith("urn:uuid:")
    assert one["serialNumber"] != bill(lock_of(package("a", "1.1"), package("b")))["serialNumber"]
    assert one["metadata"]["timestamp"] == "2027-01-02T03:04:05Z"


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        ({"sdist": {"url": "https://x/y.tar.gz"}}, "has a file without a sha256 hash"),
        ({"sdist": {"url": "https://x/y.tar.gz", "hash": "md5:00"}}, "has a file without a sha256 hash"),
        ({"wheels": [{"url": "https://x/y.whl", "hash": ""}]}, "has a file without a sha256 hash"),
        ({"source": {"git": "https://example.com/x.git"}}, "does not come from a registry"),
    ],
)
def test_s_097_a_lock_without_pinned_hashes_is_refused_by_name(broken, words):
    with pytest.raises(LockProblem, match=f"^loose.*{words}"):
        bill(lock_of(package("loose", **broken), needs=("loose",)))


# --- the audit ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def audit() -> ModuleType:
    spec = importlib.util.spec_from_file_location("audit", ROOT / ".ci" / "audit.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def answer(*packages: dict) -> str:
    return json.dumps({"dependencies": list(packages), "fixes": []})


CLEAN = {"name": "fine", "version": "1", "vulns": []}
BAD = {
    "name": "django",
    "version": "1.2",
    "vulns": [{"id": "PYSEC-1", "fix_versions": ["1.3"]}, {"id": "GHSA-2", "fix_versions": []}],
}
UNKNOWN = {"name": "strange", "skip_reason": "Dependency not found on PyPI and could not be audited"}


@pytest.mark.parametrize(
    ("output", "errors", "verdict", "words"),
    [
        (answer(CLEAN, CLEAN), "", "ok", "2 packages, no known vulnerability"),
        (answer(CLEAN, BAD), "", "found", "django 1.2: PYSEC-1, fixed in 1.3"),
        (answer(BAD, UNKNOWN), "", "found", "GHSA-2, fixed in no version yet"),
        # A mirror without vulnerability data: the tool says "No known vulnerabilities found" and exits with 0.
        (answer(UNKNOWN, UNKNOWN), "No known vulnerabilities found", "skipped", "knows none of the 2 packages"),
        (answer(CLEAN, UNKNOWN), "", "skipped", "1 packages are clean, but 1 are unknown there: strange"),
        ("", "Traceback\nConnectionError: no route to host\n", "skipped", "ConnectionError: no route to host"),
        ("", "", "skipped", "no answer"),
        ("[]", "", "skipped", "could not be asked"),
        (answer(), "", "skipped", "none of the 0 packages"),
    ],
)
def test_s_097_a_look_up_that_failed_is_never_a_success(audit, output, errors, verdict, words):
    found, said = audit.judge(output, errors)
    assert found == verdict
    assert words in said


@pytest.mark.parametrize(
    ("verdict", "required", "code"), [("ok", True, 0), ("found", False, 1), ("skipped", False, 0), ("skipped", True, 1)]
)
def test_s_097_a_release_may_insist_on_the_audit(audit, verdict, required, code):
    assert audit.exit_code(verdict, required=required) == code


def test_s_097_without_a_network_it_says_that_it_was_skipped(audit, monkeypatch, capsys, tmp_path):
    tool = tmp_path / "uv"
    tool.write_text('#!/bin/sh\n[ "$1" = export ] && exit 0\necho "error: could not resolve host" >&2\nexit 2\n')
    tool.chmod(0o755)
    monkeypatch.setattr(audit.shutil, "which", lambda name: str(tool))
    monkeypatch.delenv("AUDIT_REQUIRED", raising=False)
    assert audit.main() == 0
    assert "Audit SKIPPED, nothing is proved: the vulnerability database could not be asked" in capsys.readouterr().out
    monkeypatch.setenv("AUDIT_REQUIRED", "yes")
    assert audit.main() == 1


def test_s_097_the_check_list_runs_both():
    steps = (ROOT / ".ci" / "run").read_text()
    assert ".ci/audit.py" in steps
    assert "manage.py sbom" in steps
