"""What Salesforce's refusals of components mean, with the fix. Pure.

One table; the first line that fits decides. Texts are those of the Metadata API guide and of recorded answers; what no line
knows is shown in Salesforce's own words.
"""

import re
from dataclasses import dataclass

RIGHTS_NEEDED = (
    "Customize Application, Modify Metadata Through Metadata API Functions, Manage Profiles and Permission Sets, "
    "and Assign Permission Sets"
)


@dataclass(frozen=True, slots=True)
class Explained:
    """A stable code, what is wrong, and what to do about it."""

    code: str
    sentence: str
    fix: str


@dataclass(frozen=True, slots=True)
class _Rule:
    code: str
    pattern: re.Pattern[str]
    sentence: str
    fix: str


def _rule(code: str, pattern: str, sentence: str, fix: str) -> _Rule:
    return _Rule(code, re.compile(pattern, re.IGNORECASE), sentence, fix)


PROBLEMS = (
    _rule("no_right", r"INSUFFICIENT_ACCESS|do not have permission to modify|requires a user with the|insufficient access",
          "The connected user may not change the setup of this org.",
          f"Give the integration user a permission set with {RIGHTS_NEEDED}; or let a Salesforce administrator do it."),
    _rule("other_type", r"cannot (?:change|update) (?:a |the )?(?:field )?type|cannot change which type|change the type of",
          "A field of this name exists with another type.",
          "Choose another API name, or change the field in Salesforce (Setup, Object Manager, Fields) and map it."),
    _rule("name_taken", r"already a field named|DUPLICATE_DEVELOPER_NAME|duplicate developer name|name is already in use"
          r"|already in use: |already used",
          "Something in the org has this name already.", "Choose another API name, or map the field that exists."),
    _rule("label_taken", r"label.{0,40}(?:already|duplicate)", "Another field has this label.", "Choose another label."),
    _rule("too_many_fields", r"maximum number of .{0,12}custom fields|custom field limit|maximum custom fields",
          "The object has as many custom fields as the org's edition allows.",
          "Delete custom fields that nobody uses (Setup, Object Manager; empty the deleted fields too), or choose fewer."),
    _rule("too_many_external_ids", r"external ID fields", "The object has as many external ids as Salesforce allows.",
          "Take the mark External ID from a field that needs it no more."),
    _rule("too_many_links", r"maximum (?:number of )?(?:relationships|lookups|reference|master)",
          "The object has as many relationships as Salesforce allows.", "Delete a relationship that nobody uses."),
    _rule("follows_another", r"no CustomField named .+ found|In field: field\b",
          "It names a field that is not there.", "This goes away once the field itself can be created."),
    _rule("no_object", r"no CustomObject named|does not resolve to a valid sObject type|sObject type .+ is not supported",
          "It names an object that the org does not have, or that the connected user cannot see.",
          "Check the object's API name and the user's access to it."),
    _rule("bad_name", r"API Name can only contain|Name \(length of name|begin with a letter",
          "Salesforce does not take this API name.", "Use letters, digits and single underscores, 40 characters at most."),
    _rule("namespace", r"same namespace as the organization", "The name looks like that of a package.",
          "Leave out the double underscore."),
    _rule("too_long", r"data value too large|STRING_TOO_LONG|max length", "A text of it is too long.", "Shorten the label."),
    _rule("required_field", r"cannot deploy to a required field", "Required fields take no field permissions.",
          "Leave the field out of the permission set; everybody sees required fields."),
    _rule("depends", r"depends on permission", "It needs another permission as well.",
          "Add the permission that Salesforce names to the permission set, in Setup, and try again."),
    _rule("locked", r"ALREADY_IN_PROCESS|another deployment|in progress|UNABLE_TO_LOCK_ROW|currently being deployed",
          "Another deployment is going on in this org.", "Try again when it has ended (Setup, Deployment Status)."),
    _rule("needs_tests", r"test coverage|RunLocalTests|code coverage", "The org wants Apex tests with each deployment.",
          "Let a Salesforce administrator deploy, or create the fields in Setup by hand."),
    _rule("license", r"license|not enabled|feature is not", "The org or the user lacks a license for it.",
          "Ask a Salesforce administrator which edition or license it needs."),
)  # fmt: skip


def explain_problem(problem: str, *, code: str = "") -> Explained:
    """What a component's problem means. Salesforce's own words stay in the sentence: they name what it is about."""
    said = " ".join(problem.split()).rstrip(".")
    rule = next((each for each in PROBLEMS if each.pattern.search(f"{code} {said}")), None)
    if rule is None:
        return Explained("refused", f"Salesforce says: {said or code or 'no reason'}.", "")
    return Explained(rule.code, f"{rule.sentence} Salesforce says: {said}." if said else rule.sentence, rule.fix)
