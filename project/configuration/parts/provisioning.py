"""Provisioning: the catalogue, and for each connection its settings, automations and where products lead. No secret, no key."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

from integrations.access import Refusal
from integrations.models import SalesforceOrg
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.mirror.needs import NAME
from project.configuration.section import ONE, Entry, Part, Section, Work, flag, json_ready, plain, text, whole
from provisioning import connection
from provisioning.automations import authoring, finding, stages
from provisioning.catalogue import files, yaml_text
from provisioning.catalogue.checking import CatalogueProblems
from provisioning.mapping import leads, saving
from provisioning.mapping.kind import fresh_wishes
from provisioning.models import Automation

FROM = "from_environment"


class Catalogue(Section):
    """Products, features, plans and add-ons, as the catalogue's own file has them. What a file does not name stays."""

    place, label, form = ("catalogue",), "Catalogue", ONE
    parts = {name: Part("list", []) for name in files.SECTIONS}

    def read(self, work: Work) -> dict[str, Entry]:
        """What is on sale, drafts and archived entries included."""
        found = yaml_text.read(files.dump())
        return {"": {name: found[name] for name in files.SECTIONS}}

    def complete(self, given: Mapping[str, Any], before: Mapping[str, Any] | None) -> Entry:
        """Only entries that the file names, each with what it does not say as before."""
        known = before or {name: [] for name in files.SECTIONS}
        return {name: [_over(known[name], each) for each in entries] for name, entries in given.items()}

    def differs(self, entry: Entry, before: Entry | None) -> bool:
        """Whether an entry of the file is not there as the file says."""
        known = before or {name: [] for name in files.SECTIONS}
        return any(each not in known[name] for name, entries in entry.items() for each in entries)

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Other contents of a plan become a new version; customers keep theirs."""
        told = files.load(yaml_text.write(entry), actor=work.actor, now=work.now)
        if told.problems:
            raise CatalogueProblems(told.problems)


def _over(known: Sequence[Any], entry: Any) -> Any:
    if not isinstance(entry, dict):
        return entry
    return {**next((each for each in known if each["key"] == entry.get("key")), {}), **entry}


class ProvisioningSettings(Section):
    """Names of the fields and rules of a connection."""

    place, label, form, per_org = ("provisioning", "settings"), "Provisioning", ONE, True
    fields = (
        "type_field", "id_field", "unlimited_field", "account_id_field", "account_url_field", "opportunity_id_field",
        "opportunity_url_field", "start_field", "term_field",
    )  # fmt: skip
    parts = {
        **{name: text() for name in fields}, "amendment_types": Part("list", []), "renewal_types": Part("list", []),
        "unmapped_lines": text("error"), "trial_days": whole(14), "lost_trials": text("at_end"),
        "require_signature": flag(False),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """The settings, or those that are usual."""
        found = connection.peek_settings(work.place)
        return {"": plain({name: getattr(found, name) for name in self.parts})}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Blocked deals are tried again."""
        wrong = [name for name in self.fields if entry[name] and not NAME.match(entry[name])]
        problems = [Problem(name, "name", "must be the API name of a field, such as Stigg_ID__c.") for name in wrong]
        if not 1 <= entry["trial_days"] <= 365:
            problems.append(Problem("trial_days", "range", "must be from 1 to 365."))
        lists = [
            name for name in ("amendment_types", "renewal_types") if not all(isinstance(each, str) for each in entry[name])
        ]
        problems += [Problem(name, "texts", "must be a list of texts.") for name in lists]
        if problems:
            raise ProblemsFound(problems)
        settings = connection.settings_of(work.place)
        for name, value in entry.items():
            setattr(settings, name, value)
        others = [each.name for each in settings._meta.fields if each.name not in self.parts]
        settings.full_clean(exclude=others, validate_unique=False, validate_constraints=False)
        settings.refresh_from_db()
        connection.save_settings(settings, entry, actor=work.actor, now=work.now)


class Automations(Section):
    """Automations of a connection. Templates ship with it: only whether they are active is theirs to say."""

    place, label, per_org, removable = ("provisioning", "automations"), "Automations", True, True
    asks_salesforce = may_hold_ids = True
    parts = {
        "trigger": text("won"), "template": flag(False), "stages": Part("list", []), "conditions": Part("list", []),
        "callout": Part("object", {}), "write_back": flag(True), "trial_days": whole(None), "active": flag(False),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All of them, templates first."""
        rows = finding.read_automations(work.place, now=work.now)
        rows.sort(key=lambda each: (not each.is_template, each.name))
        return {each.name: self._entry(each) for each in rows}

    def _entry(self, row: Automation) -> Entry:
        said = {**authoring.content_of(row), "template": row.is_template, "active": row.is_active}
        said["callout"] = _without_values(row.callout)
        return plain({name: said[name] for name in ("name", *self.parts)})

    def in_order(self, entries: Sequence[tuple[str, Entry]]) -> list[tuple[str, Entry]]:
        """What is switched off first, so that what takes its place can be switched on."""
        return sorted(entries, key=lambda each: each[1]["active"])

    def differs(self, entry: Entry, before: Entry | None) -> bool:
        """Where secrets come from is no difference; a secret in the file is looked at, to be refused."""
        return _has_values(entry["callout"]) or super().differs({**entry, "callout": _without_values(entry["callout"])}, before)

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Inactive first; then it is switched as the file says."""
        finding.ensure_templates(work.place, now=work.now)
        row = Automation.objects.filter(org=work.place, name=key).first()
        choices = stages.read_choices(work.place)
        if entry["template"] != (row is not None and row.is_template):
            raise ProblemsFound([Problem("template", "template", "Templates ship with Causeway; copy one under another name.")])
        if row is not None and row.is_active and not entry["active"]:
            row = authoring.deactivate(row, actor=work.actor, now=work.now)
        if not entry["template"]:
            draft = authoring.Draft(
                key, entry["trigger"], entry["stages"], json_ready(entry["conditions"]), _with_values(entry["callout"]),
                entry["write_back"], entry["trial_days"],
            )  # fmt: skip
            row = authoring.save_automation(row, draft, org=work.place, choices=choices, actor=work.actor, now=work.now)
        if row is not None and entry["active"] and not row.is_active:
            authoring.activate(row, choices=choices, actor=work.actor, now=work.now)

    def may_remove(self, entry: Entry) -> bool:
        """Templates stay; those that are off already are as good as removed."""
        return bool(entry["active"] or not entry["template"])

    def ask_ahead(self, key: str, entry: Entry, work: Work) -> None:
        """Stages and fields."""
        stages.read_choices(work.place)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """It is switched off and deleted; templates are only switched off."""
        row = Automation.objects.filter(org=work.place, name=key).first()
        if row is None:
            return
        row = authoring.deactivate(row, actor=work.actor, now=work.now)
        if not row.is_template:
            authoring.delete_automation(row, actor=work.actor)


def _without_values(callout: Any) -> Any:
    """A request without what secret headers hold, and without where that comes from."""
    if not isinstance(callout, dict) or not isinstance(callout.get("headers"), list):
        return callout
    kept = [
        {"name": each.get("name"), "value": "", "secret": True} if _is_secret(each) else each for each in callout["headers"]
    ]
    return {**callout, "headers": kept}


def _is_secret(header: Any) -> bool:
    return isinstance(header, dict) and header.get("secret") is True


def _has_values(callout: Any) -> bool:
    """Whether somebody wrote a secret into the file."""
    headers = callout.get("headers") if isinstance(callout, dict) else None
    return isinstance(headers, list) and any(_is_secret(each) and each.get("value") for each in headers)


def _with_values(callout: Any) -> Any:
    """The request with the secrets that the environment of this process holds; a secret never stands in the file itself."""
    if not isinstance(callout, dict) or not isinstance(callout.get("headers"), list):
        return callout
    found = []
    for number, each in enumerate(callout["headers"]):
        if not _is_secret(each):
            found.append(each)
            continue
        path, name = f"callout.headers[{number}]", str(each.get(FROM) or "")
        if each.get("value"):
            words = f"must be empty: name a variable of the environment in {FROM} instead."
            raise ProblemsFound([Problem(f"{path}.value", "secret", words)])
        if name and name not in os.environ:
            raise ProblemsFound([Problem(f"{path}.{FROM}", "not_set", f"There is no variable {name[:80]} in the environment.")])
        found.append({"name": each.get("name"), "secret": True, "value": os.environ.get(name, "")})
    return {**callout, "headers": found}


class ProductMappings(Section):
    """Where products of Salesforce lead, by product code (or name). The fields of the products are the truth."""

    place, label, keys, per_org, removable = ("provisioning", "products"), "Product mapping", ("product",), True, True
    asks_salesforce = True
    parts = {"leads_to": text(), "unlimited": flag(False)}

    def read(self, work: Work) -> dict[str, Entry]:
        """Products that lead somewhere, with what waits to be written."""
        waiting = {each.product_id: (each.ref, each.unlimited) for each in fresh_wishes(work.place)}
        found = {}
        for name, product in sorted(_products(work.place).items()):
            ref, unlimited = waiting.get(product.id, (product.ref.strip(), product.unlimited))
            if ref:
                found[name] = {"product": name, "leads_to": ref, "unlimited": unlimited}
        return found

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """A run writes it to Salesforce."""
        self._wish(key, entry["leads_to"], entry["unlimited"], work)

    def remove(self, key: str, entry: Entry, work: Work) -> None:
        """The product leads nowhere any more."""
        self._wish(key, "", False, work)

    def _wish(self, key: str, ref: str, unlimited: bool, work: Work) -> None:
        product = _products(work.place, strict=True).get(key)
        if product is None:
            words = f"{work.place.name} has no product with the code or name {key[:120]}, or several."
            raise ProblemsFound([Problem("product", "unknown_name", words)])
        try:
            wish = saving.Wish(product.id, ref, unlimited)
            saving.save_mappings(work.place, [wish], actor=work.actor, now=work.now)
        except saving.BadMappings as bad:
            raise ProblemsFound(Problem("leads_to", "invalid", words) for words in bad.problems.values()) from bad


def _products(org: SalesforceOrg, *, strict: bool = False) -> dict[str, Any]:
    """Products by their code, those without one (or with that of another) by name; those that cannot be told apart are left
    out."""
    try:
        products = list(leads.read_products(org, prices=False).values())
    except Refusal:
        if strict:
            raise
        return {}
    codes, names = [each.code for each in products], [each.name for each in products]
    found = {}
    for each in products:
        if each.code and codes.count(each.code) == 1:
            found[each.code] = each
        elif names.count(each.name) == 1 and each.name not in codes:
            found[each.name] = each
    return found


FIRST, SECTIONS = (Catalogue(),), (ProvisioningSettings(), Automations(), ProductMappings())
