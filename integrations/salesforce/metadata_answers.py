"""What the Metadata API answers: results of deployments and saves; what a refused component means, with its fix. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from integrations.salesforce.errors import UnexpectedAnswer, scrub
from integrations.salesforce.metadata_permissions import FieldPermission, ObjectPermission, PermissionSet
from integrations.salesforce.metadata_problems import Explained, explain_problem
from integrations.salesforce.metadata_xml import Values, as_dicts, flag_of, number_of, text_of

ENDED = frozenset({"Succeeded", "SucceededPartial", "Failed", "Canceled", "FinalizingFailed"})
MANIFEST = "package.xml"


@dataclass(frozen=True, slots=True)
class ComponentResult:
    """What became of one component. `problem` is Salesforce's text; a warning leaves `success` true."""

    type: str
    full_name: str
    success: bool
    created: bool = False
    changed: bool = False
    deleted: bool = False
    problem: str = ""
    code: str = ""
    file: str = ""
    line: int = 0

    @property
    def explained(self) -> Explained:
        """The problem in words with its fix."""
        return explain_problem(self.problem, code=self.code)


@dataclass(frozen=True, slots=True)
class DeployResult:
    """A deployment as it stands. `error` is what stopped it as a whole; components say their own problems."""

    id: str
    status: str
    done: bool
    success: bool
    check_only: bool = False
    total: int = 0
    deployed: int = 0
    errors: int = 0
    components: tuple[ComponentResult, ...] = ()
    error: str = ""
    error_code: str = ""

    @property
    def failures(self) -> tuple[ComponentResult, ...]:
        """The components that were refused; those that fail only because another one did come last."""
        refused = [each for each in self.components if not each.success]
        return tuple(sorted(refused, key=lambda each: each.explained.code == "follows_another"))

    @property
    def sentence(self) -> str:
        """How it went, in words."""
        if not self.done:
            return f"Salesforce is still deploying ({self.deployed} of {self.total} components)."
        if self.success and not self.failures:
            done = "could be deployed" if self.check_only else "deployed"
            return f"{self.total} component{'s' if self.total != 1 else ''} {done}."
        if self.status == "Canceled":
            return "The deployment was canceled in Salesforce."
        if self.error:
            explained = explain_problem(self.error, code=self.error_code)
            return f"{explained.sentence} {explained.fix}".strip()
        if not self.failures:
            return f"The deployment ended as {self.status} and named no part. Look at Setup, Deployment Status, for the reason."
        kept = "" if self.status == "SucceededPartial" else " Nothing was changed."
        return f"{len(self.failures)} of {self.total} components were refused.{kept}"


def read_deploy_result(values: Mapping[str, Any]) -> DeployResult:
    """A deploy result from SOAP (`result`) or REST (`deployResult`): there a single element comes without a list."""
    status, found = text_of(values, "status") or text_of(values, "state"), text_of(values, "id")
    if not found or not (status or "success" in values):
        raise UnexpectedAnswer("This is not the answer to a deployment.", code="BAD_DEPLOY_ANSWER")
    inner = values.get("details")
    details: Mapping[str, Any] = inner if isinstance(inner, dict) else {}
    listed = [*as_dicts(details.get("componentFailures")), *as_dicts(details.get("componentSuccesses"))]
    listed += as_dicts(values.get("messages"))  # before API 29.0
    components = tuple(_component(each) for each in listed if text_of(each, "fullName") != MANIFEST or _refused(each))
    done = flag_of(values, "done") or status in ENDED or (not status and "success" in values)
    return DeployResult(
        found, status or ("Succeeded" if flag_of(values, "success") else "Failed"), done, flag_of(values, "success"),
        check_only=flag_of(values, "checkOnly"), total=number_of(values, "numberComponentsTotal"),
        deployed=number_of(values, "numberComponentsDeployed"), errors=number_of(values, "numberComponentErrors"),
        components=components, error=scrub(text_of(values, "errorMessage")), error_code=text_of(values, "errorStatusCode"),
    )  # fmt: skip


def _refused(message: Mapping[str, Any]) -> bool:
    return not flag_of(message, "success")


def _component(message: Mapping[str, Any]) -> ComponentResult:
    warning = text_of(message, "problemType").lower() == "warning"
    return ComponentResult(
        text_of(message, "componentType"), text_of(message, "fullName"), flag_of(message, "success") or warning,
        created=flag_of(message, "created"), changed=flag_of(message, "changed"), deleted=flag_of(message, "deleted"),
        problem=scrub(text_of(message, "problem")), file=text_of(message, "fileName"), line=number_of(message, "lineNumber"),
    )  # fmt: skip


def read_save_results(results: list[Values], *, kind: str) -> list[ComponentResult]:
    """What createMetadata, upsertMetadata or deleteMetadata did with each component."""
    found = []
    for each in results:
        errors = as_dicts(each.get("errors"))
        problem = "; ".join(text_of(error, "message") for error in errors)
        code = text_of(errors[0], "statusCode") if errors else ""
        success, created = flag_of(each, "success"), flag_of(each, "created")
        found.append(
            ComponentResult(kind, text_of(each, "fullName"), success, created, success, problem=scrub(problem), code=code)
        )
    return found


OBJECT_RIGHTS = {
    "read": "allowRead", "create": "allowCreate", "edit": "allowEdit", "delete": "allowDelete", "view_all": "viewAllRecords",
    "modify_all": "modifyAllRecords",
}  # fmt: skip
SET_ELEMENTS = frozenset({
    "fullName", "label", "description", "fieldPermissions", "objectPermissions", "userPermissions", "@xsi:type",
})  # fmt: skip


def read_permission_set(values: Mapping[str, Any]) -> PermissionSet:
    """A permission set from readMetadata. What we do not know of it is kept and goes back as it was."""
    return PermissionSet(
        text_of(values, "fullName"), text_of(values, "label"), text_of(values, "description"),
        fields=tuple(
            FieldPermission(text_of(each, "field"), flag_of(each, "readable"), flag_of(each, "editable"))
            for each in as_dicts(values.get("fieldPermissions"))
        ),
        objects=tuple(
            ObjectPermission(text_of(each, "object"), **{ours: flag_of(each, word) for ours, word in OBJECT_RIGHTS.items()})
            for each in as_dicts(values.get("objectPermissions"))
        ),
        user_permissions=tuple(
            text_of(each, "name") for each in as_dicts(values.get("userPermissions")) if flag_of(each, "enabled")
        ),
        kept={name: value for name, value in values.items() if name not in SET_ELEMENTS and value not in (None, "")},
    )  # fmt: skip
