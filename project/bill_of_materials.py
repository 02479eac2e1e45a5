"""The bill of materials: every package of the lock file with its files' hashes, as CycloneDX 1.6 JSON (S-097). Pure."""

import re
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

NAMESPACE = uuid.UUID("6f2d1c1e-6f64-5c0e-9d3b-3b8f0c7d2a11")
ROW = re.compile(r"^\|\s*(@?[A-Za-z0-9][\w./-]*)\s*\|\s*(\d[\w.+-]*)\s*\|\s*([^|]+?)\s*\|$", re.MULTILINE)
Package = Mapping[str, Any]
NO_HASH = "has a file without a sha256 hash"


class LockProblem(ValueError):
    """The lock file is not what installs can rely on; the sentence names the package."""


def bill_of(
    lock: Mapping[str, Any], *, vendored: str, now: datetime, license_of: Callable[[str], str] = lambda name: ""
) -> dict[str, Any]:
    """The bill for a parsed `uv.lock`; `vendored` is the text of `static/vendor/VERSIONS.md`.

    What only development needs is listed with scope `excluded`. The serial number follows from the content, so the same lock
    gives the same bill. `LockProblem` when a package comes from elsewhere than a registry, or a file has no hash.
    """
    packages: list[Package] = list(lock.get("package", []))
    root = next(
        (each for each in packages if "virtual" in each.get("source", {}) or "editable" in each.get("source", {})), None
    )
    if root is None:
        raise LockProblem("The lock file names no project.")
    others = [each for each in packages if each is not root]
    shipped = _closure(root, others, dev=False)
    components = [_component(each, shipped=_ref(each) in shipped, license_text=license_of(each["name"])) for each in others]
    front_end = [_front_end(*found) for found in ROW.findall(vendored)]
    content = repr((sorted(map(_ref, others)), sorted(each["purl"] for each in front_end)))
    top = f"pkg:generic/{root['name']}@{root['version']}"
    return {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(NAMESPACE, content)}",
        "version": 1,
        "metadata": {
            "timestamp": now.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
            "component": {"type": "application", "bom-ref": top, "name": root["name"], "version": root["version"]},
        },
        "components": sorted(components + front_end, key=lambda each: each["bom-ref"]),
        "dependencies": _edges(root, others, top, front_end),
    }


def _component(package: Package, *, shipped: bool, license_text: str) -> dict[str, Any]:
    """One Python package. Its files have different hashes, so each stands at its own place of distribution."""
    if "registry" not in package.get("source", {}):
        raise LockProblem(f"{package['name']} does not come from a registry.")
    files = [each for each in [package.get("sdist"), *package.get("wheels", [])] if each]
    about = {
        "type": "library",
        "bom-ref": _ref(package),
        "name": package["name"],
        "version": package["version"],
        "purl": _ref(package),
        "scope": "required" if shipped else "excluded",
        "externalReferences": [
            {"type": "distribution", "url": each["url"], "hashes": [{"alg": "SHA-256", "content": _hash(package, each)}]}
            for each in files
        ],
    }
    return about | ({"licenses": [{"license": {"name": license_text}}]} if license_text else {})


def _front_end(name: str, version: str, license_text: str) -> dict[str, Any]:
    """A vendored browser library; its files lie in the repository."""
    purl = f"pkg:npm/{quote(name, safe='/')}@{version}"
    return {
        "type": "library", "bom-ref": purl, "name": name, "version": version, "purl": purl, "scope": "required",
        "licenses": [{"license": {"name": license_text}}],
    }  # fmt: skip


def _hash(package: Package, file: Mapping[str, Any]) -> str:
    kind, _, digest = str(file.get("hash", "")).partition(":")
    if kind != "sha256" or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise LockProblem(f"{package['name']} {package['version']} {NO_HASH}.")
    return digest


def _ref(package: Package) -> str:
    return f"pkg:pypi/{package['name']}@{package['version']}"


def _needs(package: Package, *, extras: Iterable[str] = (), dev: bool = True) -> Iterator[Mapping[str, Any]]:
    """What a package asks for: its dependencies, those of the asked extras, for the project also its development groups."""
    yield from package.get("dependencies", [])
    for extra in extras:
        yield from package.get("optional-dependencies", {}).get(extra, [])
    if dev:
        for group in package.get("dev-dependencies", {}).values():
            yield from group


def _found(need: Mapping[str, Any], packages: Iterable[Package]) -> list[Package]:
    """The packages that a need means: several when the lock has one version for each Python, unless it names one."""
    wanted = need.get("version")
    return [each for each in packages if each["name"] == need["name"] and (wanted is None or each["version"] == wanted)]


def _closure(root: Package, packages: list[Package], *, dev: bool) -> set[str]:
    """References of everything below the project."""
    seen: set[tuple[str, tuple[str, ...]]] = set()
    waiting: list[tuple[Package, tuple[str, ...]]] = [(root, ())]
    while waiting:
        package, extras = waiting.pop()
        for need in _needs(package, extras=extras, dev=dev):
            for each in _found(need, packages):
                key = (_ref(each), tuple(sorted(need.get("extra", ()))))
                if key not in seen:
                    seen.add(key)
                    waiting.append((each, key[1]))
    return {ref for ref, _ in seen}


def _edges(root: Package, packages: list[Package], top: str, front_end: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Who needs whom, extras included."""

    def below(package: Package) -> set[str]:
        every = package.get("optional-dependencies", {})
        return {_ref(each) for need in _needs(package, extras=every) for each in _found(need, packages)}

    lines = [{"ref": top, "dependsOn": sorted(below(root) | {each["bom-ref"] for each in front_end})}]
    return lines + [{"ref": _ref(each), "dependsOn": sorted(below(each))} for each in sorted(packages, key=_ref)]
