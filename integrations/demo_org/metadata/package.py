"""Zip files of components: judged by their table of contents before anything is unpacked (S-040), then read file by file.

Nothing is ever written to disk under a name from the archive.
"""

import base64
import binascii
import io
import re
import stat
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import fromstring

from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata.values import as_list, read_values, text_of
from integrations.demo_org.soap.envelopes import local_name

MOST_FILES, MOST_BYTES, MOST_ZIP_BYTES = 10_000, 400_000_000, 39_000_000
LARGEST_FILE = 10_000_000
END_OF_DIRECTORY, END_SIZE = b"PK\x05\x06", 65_557
PLAIN_METHODS = frozenset({zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED})
DRIVE = re.compile(r"[A-Za-z]:")
MANIFEST = "package.xml"
DESTRUCTIVE = ("destructiveChangesPre.xml", "destructiveChanges.xml", "destructiveChangesPost.xml")


def bad_zip(text: str) -> ApiError:
    """A package that is not looked into."""
    return ApiError(400, "INVALID_ZIP_FILE", text)


def too_large(text: str) -> ApiError:
    """A package beyond Salesforce's limits."""
    return ApiError(400, "LIMIT_EXCEEDED", text)


def decode_zip(text: str) -> bytes:
    """The bytes of a zip in base64."""
    if len(text) > MOST_ZIP_BYTES * 4 // 3 + 1_000_000:
        raise too_large(f"Maximum size of request reached. Maximum size of a zip file is {MOST_ZIP_BYTES} bytes.")
    try:
        return base64.b64decode(re.sub(r"\s+", "", text), validate=True)
    except (binascii.Error, ValueError) as problem:
        raise bad_zip("The zip file is not valid base64") from problem


@dataclass
class Manifest:
    """What a package.xml names: members by type."""

    version: str = ""
    members: dict[str, list[str]] = field(default_factory=dict)

    def names(self, kind: str, name: str) -> bool:
        """Whether a component is in the package."""
        listed = self.members.get(kind, [])
        return name in listed or "*" in listed


class Package:
    """One opened package."""

    def __init__(self, data: bytes) -> None:
        """Check the archive. ApiError when it is none, too large, or has names that lead out of it."""
        check_size(data)
        try:
            self.archive = zipfile.ZipFile(io.BytesIO(data))
        except (zipfile.BadZipFile, ValueError, NotImplementedError, struct.error) as problem:
            raise bad_zip("The file is not a valid zip file") from problem
        entries = [each for each in self.archive.infolist() if not each.is_dir()]
        for each in self.archive.infolist():
            check_entry(each)
        names = [each.filename for each in entries]
        if len(set(names)) < len(names):
            raise bad_zip("The zip file has two files of the same name")
        if sum(each.file_size for each in entries) > MOST_BYTES:
            raise too_large(f"The unzipped package would have more than {MOST_BYTES} bytes")
        self.root = next((name.removesuffix(MANIFEST) for name in sorted(names, key=len) if _is_manifest(name)), None)
        self.entries = {each.filename.removeprefix(self.root or ""): each for each in entries}

    def __contains__(self, name: str) -> bool:
        return self.root is not None and name in self.entries

    def files(self) -> Iterator[str]:
        """The names of the component files, relative to the package."""
        special = {MANIFEST, *DESTRUCTIVE}
        return (name for name in self.entries if name not in special)

    def shown(self, name: str) -> str:
        """A file's name as results tell it."""
        return f"{self.root or ''}{name}"

    def read(self, name: str) -> Element:
        """A file as XML; document types are refused. ApiError when it is too large or not well-formed."""
        info = self.entries[name]
        if info.file_size > LARGEST_FILE:
            raise too_large(f"{name} has more than {LARGEST_FILE} bytes")
        try:
            with self.archive.open(info) as stream:
                return fromstring(stream.read(LARGEST_FILE + 1), forbid_dtd=True)
        except (DefusedXmlException, ParseError, LookupError) as problem:
            raise ApiError(400, "INVALID_CONTENT", f"{name} is not well-formed XML, or has a document type") from problem
        except (zipfile.BadZipFile, OSError, EOFError, ValueError) as problem:
            raise bad_zip(f"{name} cannot be unpacked") from problem

    def manifest(self, name: str = MANIFEST) -> Manifest:
        """A package.xml or destructiveChanges.xml."""
        return read_manifest(self.read(name))


def read_manifest(root: Element) -> Manifest:
    """What a Package element names."""
    found = Manifest()
    for child in root:
        if local_name(child) == "version":
            found.version = (child.text or "").strip()
        if local_name(child) == "types":
            values = read_values(child)
            if isinstance(values, dict):
                members = [str(each) for each in as_list(values.get("members"))]
                found.members.setdefault(text_of(values, "name"), []).extend(members)
    return found


def _is_manifest(name: str) -> bool:
    """Whether a file is the package.xml of the package: at the top, or in the one directory below."""
    return name == MANIFEST or (name.endswith(f"/{MANIFEST}") and name.count("/") == 1)


def check_size(data: bytes) -> None:
    """Refuse by size and by the number of entries that the archive's end claims, before its directory is read."""
    if len(data) > MOST_ZIP_BYTES:
        raise too_large(f"Maximum size of request reached. Maximum size of a zip file is {MOST_ZIP_BYTES} bytes.")
    tail = data[-END_SIZE:]
    place = tail.rfind(END_OF_DIRECTORY)
    if place < 0 or len(tail) < place + 22:
        raise bad_zip("The file is not a valid zip file")
    entries, directory_bytes = struct.unpack_from("<HI", tail, place + 10)
    if entries > MOST_FILES or directory_bytes > MOST_FILES * 1_000:
        raise too_large(f"The package has more than {MOST_FILES} files")


def check_entry(info: zipfile.ZipInfo) -> None:
    """Refuse names that lead out of the package, links, encrypted parts and unusual compression."""
    name = info.filename
    parts = name.split("/")
    if name.startswith("/") or "\\" in name or "\0" in name or ".." in parts or DRIVE.match(name):
        raise bad_zip(f"The zip file has a name that leads out of it: {name[:80]}")
    mode = info.external_attr >> 16
    if mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
        raise bad_zip(f"The zip file has an entry that is no plain file: {name[:80]}")
    if info.flag_bits & 0x1 or info.compress_type not in PLAIN_METHODS:
        raise bad_zip(f"The zip file has an entry that is encrypted or packed in an unusual way: {name[:80]}")
