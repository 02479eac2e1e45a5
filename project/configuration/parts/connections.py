"""Connections, what belongs to them alone, and how their mirror reads. Never a secret, a token or an id."""

from integrations.models import SalesforceOrg
from integrations.orgs import lifecycle
from integrations.salesforce.hosts import HostRefused
from integrations.sync.mapping.problems import Problem, ProblemsFound
from integrations.sync.mirror import objects
from okr import licenses
from project.configuration.section import CONNECTIONS, ONE, Entry, Part, Section, Work, flag, text, whole

SWITCHES = ("okr", "product", "billing", "provisioning", "analytics")
WAY = "Choose it on the connection's page: another way in needs its credentials, which no file holds."


class Connections(Section):
    """Name, environment, sign-in host, way in, switches. A new one needs to be authorized by a person."""

    place, label = (CONNECTIONS,), "Connections"
    own_facts = frozenset(("environment", "login_url", "way_in", "sign_in", "seats"))
    parts = {
        "environment": text("production"), "login_url": text("https://login.salesforce.com"), "way_in": text("web"),
        "sign_in": flag(False), "seats": whole(30), "switches": Part("object", dict.fromkeys(SWITCHES, True)),
    }  # fmt: skip

    def read(self, work: Work) -> dict[str, Entry]:
        """All connections by name."""
        return {each.name: self._entry(each) for each in SalesforceOrg.objects.order_by("name")}

    def _entry(self, org: SalesforceOrg) -> Entry:
        return {
            "name": org.name, "environment": str(org.environment), "login_url": org.login_url, "way_in": str(org.login_method),
            "sign_in": org.sign_in_enabled, "seats": org.seats,
            "switches": {name: getattr(org, f"{name}_enabled") for name in SWITCHES},
        }  # fmt: skip

    def complete(self, given: Entry, before: Entry | None) -> Entry:  # type: ignore[override]
        """Switches that the file does not name stay as they are, too."""
        entry = super().complete(given, before)
        known = before["switches"] if before is not None else dict.fromkeys(SWITCHES, True)
        return {**entry, "switches": {**known, **entry["switches"]}}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """Make it, not authorized yet, or change it."""
        _check(entry)
        try:
            org = self._org(entry, before, work)
            switches = {f"{name}_enabled": value for name, value in entry["switches"].items()}
            changes = {"environment": entry["environment"], "login_url": entry["login_url"]} if before is not None else {}
            wanted = {**changes, "sign_in_enabled": entry["sign_in"], **switches}
            differing = {name: value for name, value in wanted.items() if getattr(org, name) != value}
            if differing:
                lifecycle.change_connection(org, differing, actor=work.actor)
        except HostRefused as error:
            raise ProblemsFound([Problem("login_url", "host_refused", str(error))]) from error
        if entry["seats"] != org.seats:
            licenses.change_pool(org, seats=entry["seats"], actor=work.person(), now=work.now)

    def _org(self, entry: Entry, before: Entry | None, work: Work) -> SalesforceOrg:
        if before is not None:
            org = SalesforceOrg.objects.get(name=entry["name"])
            if entry["way_in"] != org.login_method:
                raise ProblemsFound([Problem("way_in", "needs_credentials", WAY)])
            return org
        about = {"environment": entry["environment"], "login_url": entry["login_url"]}
        org = lifecycle.create_connection(name=entry["name"], **about, actor=work.actor, now=work.now)
        if entry["way_in"] != org.login_method:
            lifecycle.save_credentials(org, method=entry["way_in"], secrets={}, actor=work.actor)
        return org


def _check(entry: Entry) -> None:
    problems = []
    if not entry["name"].strip() or len(entry["name"]) > 80 or entry["name"] != entry["name"].strip():
        problems.append(Problem("name", "length", "is 1 to 80 characters long, without spaces around them."))
    for name, values in (("environment", SalesforceOrg.Environment.values), ("way_in", SalesforceOrg.LoginMethod.values)):
        if entry[name] not in values:
            problems.append(Problem(name, "choice", f"must be one of {', '.join(values)}."))
    for name, value in entry["switches"].items():
        if name not in SWITCHES:
            problems.append(Problem(f"switches.{name}", "unknown", f"is not known; {', '.join(SWITCHES)} are."))
        elif not isinstance(value, bool):
            problems.append(Problem(f"switches.{name}", "type", "must be true or false."))
    if problems:
        raise ProblemsFound(problems)


class Mirror(Section):
    """How the mirror of a connection reads."""

    place, label, form, per_org = ("mirror",), "Mirror", ONE, True
    parts = {"first_months": whole(None), "overlap_minutes": whole(10), "job_minutes": whole(120), "formula_days": whole(7)}

    def read(self, work: Work) -> dict[str, Entry]:
        """The settings, or those that are usual."""
        found = objects.settings_of(work.place)
        return {"": {name: getattr(found, name) for name in self.parts}}

    def save(self, key: str, entry: Entry, before: Entry | None, work: Work) -> None:
        """From the next run on."""
        objects.change_settings(work.place, entry, user=work.actor, now=work.now)


SECTIONS = (Connections(), Mirror())
