"""A deployment: the package's components tried in order, then kept together (or, if asked for, those that are good)."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from integrations.demo_org.errors import ApiError
from integrations.demo_org.metadata.automation import KINDS, WORKFLOW_PARTS
from integrations.demo_org.metadata.components import DIRECTORIES, IN_OBJECTS, PREFIXES, Outcome, Workshop, component_id
from integrations.demo_org.metadata.package import DESTRUCTIVE, MANIFEST, Manifest, Package
from integrations.demo_org.metadata.screens import SCREENS, is_screen
from integrations.demo_org.metadata.values import Refused, Values, as_list, read_values, text_of
from integrations.demo_org.soap.envelopes import local_name

if TYPE_CHECKING:
    from integrations.demo_org.org import Caller, DemoOrg

SUFFIXES = {suffix: kind for kind, (_, suffix) in DIRECTORIES.items()}
NO_MANIFEST = "No package.xml found"
SETS_REPLACE_SINCE = 40.0  # before, a deployed permission set was merged into the one in the org
NO_TESTS: dict[str, Any] = {"numFailures": 0, "numTestsRun": 0, "totalTime": 0.0}


def _version_of(manifest: Manifest) -> float:
    """The API version that a package names; the newest when it names none."""
    try:
        return float(manifest.version)
    except ValueError:
        return SETS_REPLACE_SINCE


@dataclass(frozen=True, slots=True)
class Task:
    """One component to save: its type, its values, the file it came from."""

    kind: str
    values: Values
    file: str


@dataclass
class Deployment:
    """One run. `messages` become componentSuccesses and componentFailures."""

    org: "DemoOrg"
    caller: "Caller"
    options: dict[str, Any]
    messages: list[Values] = field(default_factory=list)
    messages_of_files: list[tuple[str, str]] = field(default_factory=list)
    """Whole files of which only the parts are saved: their type and name."""

    def run(self, data: bytes) -> Values:
        """Do it; the parts of the deploy result that are known when it ends."""
        workshop = Workshop(self.org, self.caller)
        try:
            package = Package(data)
            if MANIFEST not in package:
                self._note(Outcome(MANIFEST, changed=False, refusal=Refused("", NO_MANIFEST)), "", MANIFEST)
            else:
                self._work(workshop, package)
        except ApiError as problem:
            return {"errorMessage": problem.message, "errorStatusCode": problem.code, **self._result("Failed", 0)}
        failed = sum(not each["success"] for each in self.messages)
        keep_none = self.options["checkOnly"] or (failed and self.options["rollbackOnError"])
        if not keep_none and len(self.messages) > failed:
            try:
                workshop.keep()
            except Refused as problem:
                return {"errorMessage": problem.message, "errorStatusCode": problem.code, **self._result("Failed", 0)}
            except ApiError as problem:
                return {"errorMessage": problem.message, "errorStatusCode": problem.code, **self._result("Failed", 0)}
            self._add_new_ids()
        if not failed:
            return self._result("Succeeded", 0)
        return self._result("Failed" if self.options["rollbackOnError"] else "SucceededPartial", failed)

    def _work(self, workshop: Workshop, package: Package) -> None:
        """Try every component of a package: deletions, objects, fields, permission sets, late deletions."""
        manifest = package.manifest()
        workshop.replaces_sets = _version_of(manifest) >= SETS_REPLACE_SINCE
        self._note(Outcome(MANIFEST), "", package.shown(MANIFEST))
        for name in DESTRUCTIVE[:2]:
            self._drop(workshop, package, name)
        tasks = list(self._tasks(package, manifest))
        for task in tasks:
            self._note(workshop.save(task.kind, task.values), task.kind, task.file)
        self._check_members(package, manifest, tasks)
        self._drop(workshop, package, DESTRUCTIVE[2])

    def _drop(self, workshop: Workshop, package: Package, name: str) -> None:
        """The deletions that a destructiveChanges file names; what is not there is a warning, not an error."""
        if name not in package:
            return
        for kind, members in sorted(package.manifest(name).members.items()):
            for member in members:
                outcome = workshop.drop(kind, member)
                missing = outcome.refusal is not None and outcome.refusal.message.startswith("No ")
                self._note(outcome, kind, package.shown(name), warning=missing)

    def _tasks(self, package: Package, manifest: Manifest) -> Iterator[Task]:
        """The components of all files: objects, fields (calculated ones last), rules, screens, automation, permission sets."""
        objects: list[Task] = []
        fields: list[Task] = []
        rules: list[Task] = []
        sets: list[Task] = []
        shown: list[Task] = []
        flows: list[Task] = []
        for name in package.files():
            kind = SUFFIXES.get(name.rpartition(".")[2])
            if kind is None:
                text = f"This org does not imitate components of this kind: {name.partition('/')[0]}"
                self._fail(name.rpartition("/")[2], "", package.shown(name), text)
                continue
            values = self._read(package, name, kind)
            if values is None:
                continue
            own = name.rpartition("/")[2].rpartition(".")[0]
            values["fullName"] = own
            target = sets if kind == "PermissionSet" else shown if is_screen(kind) else flows if kind in KINDS else objects
            if kind == "Workflow":
                flows += self._workflow_tasks(own, values, manifest, package.shown(name))
                continue
            if kind == "CustomObject":
                inner = [
                    Task(part, {**each, "fullName": f"{own}.{text_of(each, 'fullName')}"}, package.shown(name))
                    for part, element in IN_OBJECTS.items() for each in as_list(values.pop(element, None))
                ]  # fmt: skip
                fields += [task for task in inner if task.kind == "CustomField"]
                rules += [task for task in inner if task.kind == "ValidationRule"]
                if inner and not manifest.names(kind, own):
                    continue  # only its fields are in the package
            if not manifest.names(kind, own):
                self._fail(own, kind, package.shown(name), f"Object {own} is not in package.xml")
                continue
            target.append(Task(kind, values, package.shown(name)))
        fields.sort(key=lambda task: bool(task.values.get("formula")) or task.values.get("type") == "Summary")
        shown.sort(key=lambda task: list(SCREENS).index(task.kind))  # an app names tabs
        flows.sort(key=lambda task: list(KINDS).index(task.kind))  # each names only what comes before it
        yield from (*objects, *fields, *rules, *shown, *flows, *sets)

    def _workflow_tasks(self, own: str, values: Values, manifest: Manifest, file: str) -> list[Task]:
        """The parts of an object's workflow file; what is not imitated in it is refused by name."""
        parts = [
            Task(part, {**each, "fullName": f"{own}.{text_of(each, 'fullName')}"}, file)
            for part, element in WORKFLOW_PARTS.items() for each in as_list(values.pop(element, None))
        ]  # fmt: skip
        for element in sorted(values.keys() - {"fullName"}):
            self._fail(own, "Workflow", file, f"This org does not imitate {element} of Workflow components")
        if manifest.names("Workflow", own):
            self.messages_of_files.append(("Workflow", own))
            self._note(Outcome(own), "Workflow", file)
            return parts
        for each in parts:
            if not manifest.names(each.kind, text_of(each.values, "fullName")):
                self._fail(text_of(each.values, "fullName"), each.kind, file, f"{each.kind} {text_of(each.values, 'fullName')} "
                           "is not in package.xml")  # fmt: skip
        return [each for each in parts if manifest.names(each.kind, text_of(each.values, "fullName"))]

    def _read(self, package: Package, name: str, kind: str) -> Values | None:
        """A component file, or None with the reason noted."""
        try:
            root: Element = package.read(name)
        except ApiError as problem:
            self._fail(name.rpartition("/")[2], kind, package.shown(name), problem.message)
            return None
        values = read_values(root)
        if local_name(root) != kind or not isinstance(values, dict):
            self._fail(name.rpartition("/")[2], kind, package.shown(name), f"Unexpected element {local_name(root)}")
            return None
        return values

    def _check_members(self, package: Package, manifest: Manifest, tasks: list[Task]) -> None:
        """What package.xml names must be among the files."""
        there = {(task.kind, text_of(task.values, "fullName")) for task in tasks} | set(self.messages_of_files)
        failed = {each["fullName"] for each in self.messages if not each["success"]}
        for kind, members in manifest.members.items():
            for member in members:
                if member != "*" and (kind, member) not in there and member not in failed:
                    text = (
                        f"An object '{member}' of type {kind} was named in package.xml, but was not found in zipped directory"
                    )
                    self._fail(member, kind, package.shown(MANIFEST), text)

    def _fail(self, full_name: str, kind: str, file: str, text: str) -> None:
        self._note(Outcome(full_name, changed=False, refusal=Refused("", text)), kind, file)

    def _note(self, outcome: Outcome, kind: str, file: str, *, warning: bool = False) -> None:
        """One component message, its keys in the order of the recordings."""
        refused = outcome.refusal is not None
        message: Values = {
            "changed": outcome.changed and not refused,
            "componentType": kind,
            "created": outcome.created,
            "createdDate": self.org.clock.stamp(),
            "deleted": outcome.deleted,
            "fileName": file,
            "fullName": outcome.full_name,
            **({} if refused else self._id_of(kind, outcome.full_name)),
        }
        if outcome.refusal is not None:
            message |= {"problem": outcome.refusal.message, "problemType": "Warning" if warning else "Error"}
        self.messages.append({**message, "success": not refused or warning})

    def _id_of(self, kind: str, name: str) -> Values:
        """Components that are stored tell their id; settings and package.xml have none."""
        own_id = component_id(self.org, kind, name) if kind in PREFIXES else ""
        return {"id": own_id} if own_id else {}

    def _add_new_ids(self) -> None:
        """A permission set is a record, so a new one has its id only once it is stored."""
        for each in self.messages:
            if each["success"] and not each["deleted"] and not {"id", "problem"} & each.keys():
                last = each.pop("success")
                each |= {**self._id_of(each["componentType"], each["fullName"]), "success": last}

    def _result(self, status: str, failed: int) -> Values:
        """The counts and messages; package.xml is told but not counted."""
        good = [each for each in self.messages if each["success"]]
        bad = [each for each in self.messages if not each["success"]]
        counted = sum(each["fullName"] != MANIFEST for each in good)
        kept = counted if status != "Failed" else 0
        return {
            "componentSuccesses": good, "componentFailures": bad, "numberComponentErrors": len(bad),
            "numberComponentsDeployed": kept, "numberComponentsTotal": counted + len(bad), "status": status,
        }  # fmt: skip
