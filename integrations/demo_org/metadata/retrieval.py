"""retrieve(): components packed into a zip, as files of a package. Results are kept in memory until they are old."""

import base64
import io
import threading
import weakref
import zipfile
from collections import OrderedDict
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from integrations.demo_org import ids
from integrations.demo_org.metadata.automation import WORKFLOW_PARTS
from integrations.demo_org.metadata.components import (
    DIRECTORIES,
    IN_OBJECTS,
    NESTED,
    WHOLE_FILES,
    file_properties,
    list_components,
    read_component,
)
from integrations.demo_org.metadata.package import Manifest, read_manifest
from integrations.demo_org.metadata.values import NAMESPACE, Refused, Values, as_list, text_of, write_file, write_values
from integrations.demo_org.soap.envelopes import child_text, child_texts, children

if TYPE_CHECKING:
    from integrations.demo_org.org import DemoOrg

PREFIX, KEPT = "09S", 20
FOLDER = "unpackaged/"
_RESULTS: "weakref.WeakKeyDictionary[DemoOrg, OrderedDict[str, Values]]" = weakref.WeakKeyDictionary()
_LOCK = threading.Lock()


def retrieve(org: "DemoOrg", request: Element, *, version: float) -> str:
    """Pack what the request names; the id under which the result can be fetched."""
    named = children(request, "unpackaged")
    manifest = read_manifest(named[0]) if named else Manifest()
    folder = "" if child_text(request, "singlePackage").lower() == "true" else FOLDER
    messages = [
        {"fileName": f"{name}/package.xml", "problem": f"No package named '{name}' found"}
        for name in child_texts(request, "packageNames")
    ]
    result = pack(org, manifest, folder=folder, version=version, messages=messages)
    with org.store.write():
        retrieve_id = ids.make_ids(PREFIX, org.store.instance, org.store.next_numbers("_retrieve", 1), 1)[0]
    with _LOCK:
        kept = _RESULTS.setdefault(org, OrderedDict())
        kept[retrieve_id] = {**result, "id": retrieve_id}
        while len(kept) > KEPT:
            kept.popitem(last=False)
    return retrieve_id


def find_result(org: "DemoOrg", retrieve_id: str) -> Values | None:
    """A result that is still kept."""
    with _LOCK:
        return _RESULTS.get(org, OrderedDict()).get(retrieve_id)


def pack(org: "DemoOrg", manifest: Manifest, *, folder: str, version: float, messages: list[Values]) -> Values:
    """The result of a retrieval: files of the named components, what could not be found as messages."""
    buffer, properties, found = io.BytesIO(), [], Manifest(manifest.version)
    files: dict[str, tuple[str, Values]] = {}
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for kind, members in manifest.members.items():
            for name in _expanded(org, kind, members):
                body = _component(org, kind, name, version=version)
                if body is None:
                    text = f"Entity of type '{kind}' named '{name}' cannot be found"
                    messages.append({"fileName": f"{FOLDER}package.xml", "problem": text})
                    continue
                file_kind = WHOLE_FILES.get(kind, kind)
                own = name.partition(".")[0] if kind in NESTED else name
                directory, suffix = DIRECTORIES[file_kind]
                path = f"{folder}{directory}/{own}.{suffix}"
                files[path] = (file_kind, _joined(files[path][1], body) if path in files else body)
                properties.append({**file_properties(org, kind, name), "fileName": path})
                found.members.setdefault(kind, []).append(name)
        for path, (file_kind, body) in files.items():
            archive.writestr(path, write_file(file_kind, body))
        archive.writestr(f"{folder}package.xml", write_package(found, version))
    packed = base64.b64encode(buffer.getvalue()).decode()
    head: Values = {"done": True, "fileProperties": properties, "id": "", "messages": messages, "status": "Succeeded"}
    return {**head, "success": True, "zipFile": packed}


def _joined(file: Values, part: Values) -> Values:
    """A file with a further part: lists of the parts are put together, and what the whole file says stays."""
    names = {*IN_OBJECTS.values(), *WORKFLOW_PARTS.values()}
    more = {key: [*as_list(file.get(key)), *as_list(part[key])] for key in part if key in names}
    known = {key: {text_of(each, "fullName"): each for each in values} for key, values in more.items()}
    return {**part, **file, **{key: list(each.values()) for key, each in known.items()}}


def _expanded(org: "DemoOrg", kind: str, members: list[str]) -> list[str]:
    """The members, with `*` replaced by the custom components of the type."""
    names = [each for each in members if each != "*"]
    if "*" in members:
        listed = list_components(org, kind)
        names += [each["fullName"] for each in listed if each["id"] and each["fullName"] not in names]
    return list(dict.fromkeys(names))


def _component(org: "DemoOrg", kind: str, name: str, *, version: float) -> Values | None:
    """A component as the content of its file; a field is the object file with only that field."""
    try:
        body = read_component(org, kind, name, version=version)
    except Refused:
        return None
    if body is None:
        return None
    plain = {key: value for key, value in body.items() if key != "fullName"}
    return {NESTED[kind]: [{**plain, "fullName": name.partition(".")[2]}]} if kind in NESTED else plain


def write_package(manifest: Manifest, version: float) -> str:
    """A package.xml."""
    types = "".join(
        "    " + write_values("types", {"members": names, "name": kind}) + "\n" for kind, names in manifest.members.items()
    )
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Package xmlns="{NAMESPACE}">\n{types}'
        f"    <version>{manifest.version or version}</version>\n</Package>\n"
    )
