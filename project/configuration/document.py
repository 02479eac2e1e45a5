"""The file itself: read with every problem at its place, and written so that the same data gives the same bytes. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from integrations.sync.mapping.problems import Problem
from project.configuration.section import CONNECTIONS, LIST, NAMED, ONE, Entry, Section
from provisioning.catalogue import yaml_text

FORMAT = 1
VERSION = "causeway"
MOST_ENTRIES = 5_000
NAME_OF_CONNECTION = "name"


@dataclass(frozen=True)
class Wanted:
    """One entry of a file: where it stands there, and what it says. `org` is the name of its connection, "" for the company."""

    section: Section
    org: str
    key: str
    given: Entry
    path: str


@dataclass
class Document:
    """A file that was read. `named` are the places (section title, connection) that it has, also those without entries."""

    entries: list[Wanted] = field(default_factory=list)
    named: set[tuple[str, str]] = field(default_factory=set)
    orgs: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    renamed: dict[str, str] = field(default_factory=dict)


def read_document(text: str | bytes, sections: Sequence[Section], *, renames: Mapping[str, str] | None = None) -> Document:
    """Read a file. `renames` says which connection of this installation a connection of the file stands for.

    Problems are gathered, all of them; entries that have one are left out.
    """
    reader = _Reader(sections, dict(renames or {}))
    try:
        body = yaml_text.read(text)
    except yaml_text.BadYaml as bad:
        reader.refuse("", "not_yaml", str(bad))
        return reader.document
    reader.read(body)
    return reader.document


def write_document(entries: Iterable[tuple[Section, str, Mapping[str, Entry]]], *, head: Sequence[str] = ()) -> str:
    """The text of a file: comment lines, then every part in the order given, those of connections below them."""
    body: dict[str, Any] = {VERSION: FORMAT}
    orgs: dict[str, dict[str, Any]] = {}
    for section, org, found in entries:
        if section.place == (CONNECTIONS,):
            orgs |= {name: dict(each) for name, each in found.items()}
            body[CONNECTIONS] = list(orgs.values())
            continue
        _put(orgs[org] if section.per_org else body, section, found)
    if CONNECTIONS in body:  # last: it is by far the longest
        body[CONNECTIONS] = body.pop(CONNECTIONS)
    return "".join(f"# {line}".rstrip() + "\n" for line in head) + yaml_text.write(body)


def _put(body: dict[str, Any], section: Section, found: Mapping[str, Entry]) -> None:
    if not found and section.form != LIST:
        return
    *outer, last = section.place
    for name in outer:
        body = body.setdefault(name, {})
    body[last] = list(found.values()) if section.form == LIST else dict(found) if section.form == NAMED else found[""]


class _Reader:
    """Walks through the data of a file."""

    def __init__(self, sections: Sequence[Section], renames: dict[str, str]) -> None:
        self.sections, self.renames = sections, renames
        self.document = Document(renamed=renames)
        self.company = [each for each in sections if not each.per_org and each.place != (CONNECTIONS,)]
        self.connections = next(each for each in sections if each.place == (CONNECTIONS,))
        self.below = [each for each in sections if each.per_org]

    def refuse(self, path: str, code: str, message: str) -> None:
        self.document.problems.append(Problem(path, code, message))

    def read(self, body: object) -> None:
        if not isinstance(body, dict):
            self.refuse("", "not_an_object", f"The file must begin with “{VERSION}: {FORMAT}”.")
            return
        version = body.get(VERSION)
        if version != FORMAT or isinstance(version, bool):
            words = f"is {str(version)[:20]}" if VERSION in body else "is missing"
            self.refuse(VERSION, "version", f"The version of the format {words}; {FORMAT} is the one that can be read.")
            return
        rest = {name: value for name, value in body.items() if name not in (VERSION, CONNECTIONS)}
        self.walk(rest, self.company, "", "")
        if CONNECTIONS in body:
            self.read_connections(body[CONNECTIONS])

    def read_connections(self, given: object) -> None:
        if not isinstance(given, list) or len(given) > MOST_ENTRIES:
            self.refuse(CONNECTIONS, "not_a_list", "must be a list of connections, each with a name.")
            return
        seen: dict[str, str] = {}
        for number, each in enumerate(given):
            path = f"{CONNECTIONS}[{number}]"
            if not isinstance(each, dict) or not isinstance(each.get("name"), str) or not each["name"].strip():
                self.refuse(path, "no_name", "must be an object with the name of a connection.")
                continue
            name = str(self.renames.get(each["name"], each["name"]))
            if name in seen:
                self.refuse(path, "twice", f"{name} stands in the file already, at {seen[name]}.")
                continue
            seen[name] = path
            self.read_connection(each, name, path)
        for wanted in self.renames:
            if wanted not in {each.get("name") for each in given if isinstance(each, dict)}:
                self.refuse(CONNECTIONS, "no_such", f"--map names {wanted}, which is no connection of the file.")

    def read_connection(self, given: dict[str, Any], name: str, path: str) -> None:
        outer = {each.place[0] for each in self.below}
        own = {part: value for part, value in given.items() if part not in outer}
        if name != given["name"]:  # stands for another one: where and how that signs in is its own matter
            own = {part: value for part, value in own.items() if part not in self.connections.own_facts}
        self.document.orgs.append(name)
        self.take(self.connections, "", {**own, "name": name}, path)
        below = [each for each in self.below if name == given["name"] or not each.stays]
        inner = {part: value for part, value in given.items() if part in outer}
        if name != given["name"]:
            inner = {part: value for part, value in inner.items() if part in {each.place[0] for each in below}}
        self.walk(inner, below, name, path)

    def walk(self, given: dict[str, Any], sections: Sequence[Section], org: str, path: str, depth: int = 0) -> None:
        """Parts at one level of the document; a name with several sections below it is gone into."""
        by_name: dict[str, list[Section]] = {}
        for section in sections:
            by_name.setdefault(section.place[depth], []).append(section)
        for name, value in given.items():
            here = f"{path}.{name}" if path else name
            found = by_name.get(name)
            if found is None:
                self.refuse(here, "unknown", f"is not known here; {', '.join(by_name)} are.")
            elif len(found[0].place) == depth + 1:
                self.take_all(found[0], org, value, here)
            elif not isinstance(value, dict):
                inner = ", ".join(each.place[depth + 1] for each in found)
                self.refuse(here, "not_an_object", f"must be an object with {inner}.")
            else:
                self.walk(value, found, org, here, depth + 1)

    def take_all(self, section: Section, org: str, value: object, path: str) -> None:
        """The entries of one section."""
        self.document.named.add((section.title, org))
        if section.form == ONE:
            self.take(section, org, value, path)
        elif section.form == NAMED:
            self.take_named(section, org, value, path)
        elif not isinstance(value, list) or len(value) > MOST_ENTRIES:
            self.refuse(path, "not_a_list", f"must be a list of at most {MOST_ENTRIES:,} entries.")
        else:
            seen: dict[str, int] = {}
            for number, each in enumerate(value):
                key = self.take(section, org, each, f"{path}[{number}]")
                if key is not None and key in seen:
                    self.refuse(f"{path}[{number}]", "twice", f"{key} stands in the file already, at {path}[{seen[key]}].")
                elif key is not None:
                    seen[key] = number

    def take_named(self, section: Section, org: str, value: object, path: str) -> None:
        if not isinstance(value, dict):
            self.refuse(path, "not_an_object", "must be an object with a name for each entry.")
            return
        for name, each in value.items():
            if name not in section.names:
                self.refuse(f"{path}.{name}", "unknown", f"is not known; {', '.join(section.names)} are.")
            elif isinstance(each, dict):
                self.take(section, org, each, f"{path}.{name}", key=name)
            else:
                self.refuse(f"{path}.{name}", "not_an_object", "must be an object.")

    def take(self, section: Section, org: str, value: object, path: str, *, key: str | None = None) -> str | None:
        """One entry; its key, or None when it has a problem."""
        if not isinstance(value, dict):
            self.refuse(path, "not_an_object", "must be an object.")
            return None
        before = len(self.document.problems)
        for name, each in value.items():
            if name not in section.known:
                self.refuse(f"{path}.{name}", "unknown", f"is not known; {', '.join(section.known)} are.")
            elif message := section.known[name].problem_of(each):
                self.refuse(f"{path}.{name}", "type", message)
        missing = [name for name in section.keys if section.form == LIST and value.get(name) in (None, "")]
        for name in missing:
            self.refuse(f"{path}.{name}", "required", "is needed.")
        if len(self.document.problems) > before:
            return None
        found = key if key is not None else section.key_of(value)
        entry = section.renamed(value, self.renames) if self.renames else value
        self.document.entries.append(Wanted(section, org, found, entry, path))
        return found
