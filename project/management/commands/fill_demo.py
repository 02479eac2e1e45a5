"""Connects the demo org and fills in a company, once; writes the sign-in data to `demo.json` for people and scripts."""

import json
import os
import secrets
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import Group, User
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from analytics import demo as analytics_demo
from analytics.connecting import first_read, starting
from billing import demo as billing_demo
from integrations import audit_keeping, product_demo
from integrations.access import DOMAIN_GROUPS, GROUPS, SCOPES
from integrations.api_keys import create_key
from integrations.models import Run, SalesforceOrg, SecurityReview
from integrations.orgs.lifecycle import connect_demo_org
from integrations.product import demo as experience_demo
from integrations.product.engagements.demonstration import fill_engagements
from integrations.sync import jobs, runs
from integrations.sync.mapping import demo as mapping_demo
from integrations.sync.outbox import preview
from okr import demo as okr_demo
from okr import licenses
from okr.models import Objective
from project import demo_agreement
from project.needs_person.listing import count_needs
from project.security import review
from provisioning import demo as provisioning_demo

FIRST_RUN_SECONDS = 600  # on a slow machine with other work; usually a few
PRODUCT_RUNS = (
    ("mirror.read", "First read of the mirror"),
    ("mapping.pull", "First match and map"),
    ("product.kpis", "First KPIs of customers"),
    ("product.health", "First health scores"),
    ("product.segments", "First count of segments"),
    ("mapping.push", "First push to Salesforce"),
    ("product.task_key", "The key field of tasks in Salesforce"),
    ("product.tasks", "First tasks for customer success managers"),
)
BILLING_RUNS = (("billing.rate", "First invoices from usage"), ("billing.push", "First push of billing objects"))
DEPLOY = "provisioning.deploy"
ENDED_WELL = (Run.State.SUCCESS, Run.State.PARTIAL)
PEOPLE = (
    # username, first name, last name, role in the printed table
    ("admin", "Ada", "Admin", "admin"),
    ("jane", "Jane", "Doe", "license holder"),
    ("marsha", "Marsha", "Doe", "member"),
    ("oliver", "Oliver", "Park", "operator"),
    ("ana", "Ana", "Silva", "analyst"),
    ("vera", "Vera", "Lind", "viewer"),
    ("bela", "Bela", "Novak", "admin of billing"),
)


class Command(BaseCommand):
    """Safe to repeat: what exists stays."""

    help = "Fills the demonstration (only with DEMO_MODE=yes)."

    def handle(self, *args: Any, **options: Any) -> None:
        """Users, connection, licenses, linked key results, customers with their mappings, first finished runs, `demo.json`."""
        if not settings.DEMO_MODE:
            raise CommandError("DEMO_MODE is not on: demo users and the demo org belong to this machine only.")
        path = settings.DATA_DIR / "demo.json"
        known = json.loads(path.read_text()) if path.exists() else {}
        now = timezone.now()
        users, passwords = _make_people(known)
        org = SalesforceOrg.objects.filter(environment=SalesforceOrg.Environment.DEMO).first()
        if org is None:
            self.stdout.write("  Authorizing the connection to the demo org")
            org = connect_demo_org(name="Demo org", now=now)
        if not Objective.objects.exists():
            for name in ("admin", "jane"):
                licenses.grant_license(org, user=users[name], actor=users["admin"], now=now)
            self.stdout.write("  Writing objectives and linking key results to reports")
            okr_demo.fill(org=org, users=users, now=now)
        if not Run.objects.filter(org=org, job="okr.refresh", state=Run.State.SUCCESS).exists():
            self.stdout.write("  First refresh of the key results")
            _finish(runs.request_run("okr.refresh", org=org, trigger=Run.Trigger.SYSTEM, now=now))
        self._set_up_provisioning(org, users["admin"])
        self._fill_product(org, users["admin"])
        self._fill_billing(org)
        self._fill_provisioning(org, users["admin"])
        if demo_agreement.fill(org, user=users["admin"], now=timezone.now()):
            self.stdout.write("  Sides that agree, and a few that do not, for the four-way audit")
        self._fill_analytics(org, users["admin"])
        if not SecurityReview.objects.exists():
            self.stdout.write("  First check of the audit, first review of rights and secrets")
            audit_keeping.run_nightly()
            review.run_daily()  # it tells when the audit was checked
        count_needs(now=timezone.now())
        demo = {
            "base_url": settings.BASE_URL,
            "demo_org_url": settings.DEMO_ORG_URL,
            "users": [{"username": name, "password": passwords[name], "role": role} for name, _, _, role in PEOPLE],
            "api_key": known.get("api_key") or _make_key(users["admin"]),
        }
        _write_private(path, demo)

    def _fill_product(self, org: SalesforceOrg, admin: User) -> None:
        """Customers, mappings, a first read, match and push with one row that was refused, and a dry run to look at."""
        now = timezone.now()
        if product_demo.fill(org, now=now):
            self.stdout.write("  Customers and their people as the product knows them")
        if mapping_demo.fill(org, user=admin, now=now):
            self.stdout.write("  Match rules and mapped fields; a validation rule that one value breaks")
            product_demo.add_rule()
        if experience_demo.fill(org, now=now, user=admin):
            self.stdout.write("  120 days of product events and NPS answers, with what is built on them")
        for job, text in PRODUCT_RUNS:
            where = org if jobs.get(job).per_org else None
            if not Run.objects.filter(org=where, job=job, state__in=ENDED_WELL).exists():
                self.stdout.write(f"  {text}")
                _finish(runs.request_run(job, org=where, trigger=Run.Trigger.SYSTEM, now=timezone.now()))
        if fill_engagements(user=admin, now=timezone.now()):
            self.stdout.write("  The demo product is open; some people have seen its messages")
        if not Run.objects.filter(org=org, job="outbox.dry_run").exists() and product_demo.change_some(now=timezone.now()):
            self.stdout.write("  A dry run of the next push")
            _finish(preview.dry_run(org, "mapping.customer", user=admin, now=timezone.now()).run)

    def _fill_billing(self, org: SalesforceOrg) -> None:
        """Plans, usage and credit, invoices made of them, and a first push into the billing package of the demo org."""
        now = timezone.now()
        if billing_demo.fill(org, now=now):
            self.stdout.write("  The billing package in the demo org; plans, usage and credit")
        for job, text in BILLING_RUNS:
            where = org if jobs.get(job).per_org else None
            if not Run.objects.filter(org=where, job=job, state__in=ENDED_WELL).exists():
                self.stdout.write(f"  {text}")
                _finish(runs.request_run(job, org=where, trigger=Run.Trigger.SYSTEM, now=timezone.now()))

    def _set_up_provisioning(self, org: SalesforceOrg, admin: User) -> None:
        """A catalogue; fields, permission sets and the flow in the demo org; where its products lead. Before the first read."""
        if provisioning_demo.fill_catalogue(now=timezone.now()):
            self.stdout.write("  A catalogue of plans, add-ons and features")
        if not Run.objects.filter(org=org, job=DEPLOY, state__in=ENDED_WELL).exists():
            self.stdout.write("  Fields, permission sets and a flow into the demo org")
            _finish(runs.request_run(DEPLOY, org=org, user=admin, trigger=Run.Trigger.SYSTEM, now=timezone.now()))
        provisioning_demo.set_org_up(org, user=admin, now=timezone.now())

    def _fill_provisioning(self, org: SalesforceOrg, admin: User) -> None:
        """Customers who signed up by themselves; one deal won and one pilot begun in the demo org."""
        if provisioning_demo.fill_subscriptions(user=admin, now=timezone.now()):
            self.stdout.write("  Subscriptions and usage of customers who signed up by themselves")
        if provisioning_demo.start_contracts(org, user=admin, now=timezone.now()):
            self.stdout.write("  Contracts of two customers, whose upgrade and renewal are open deals")
        if provisioning_demo.win_deals(org, now=timezone.now()):
            self.stdout.write("  A deal won in the demo org, and a pilot begun")

    def _fill_analytics(self, org: SalesforceOrg, admin: User) -> None:
        """Two years of how customers used the product; then the one button, up to the first analyses."""
        if analytics_demo.fill(org, now=timezone.now()):
            self.stdout.write("  Two years in the life of a thousand customers")
            _finish(runs.request_run("product.kpis", trigger=Run.Trigger.SYSTEM, now=timezone.now()))
            _finish(runs.request_run("customers.match", org=org, trigger=Run.Trigger.SYSTEM, now=timezone.now()))
        if starting.settings_for(org).started_at is None:
            self.stdout.write("  Analytics: the first read, facts of each customer, and what goes with revenue and retention")
            starting.start(org, actor=admin, now=timezone.now())
        _finish_all(org, (first_read.JOB, first_read.SYNC))


def _make_people(known: dict[str, Any]) -> tuple[dict[str, User], dict[str, str]]:
    """The demonstration's people, with passwords of this installation only."""
    passwords = {each["username"]: each["password"] for each in known.get("users", [])}
    users = {}
    for username, first, last, role in PEOPLE:
        user, created = User.objects.get_or_create(
            username=username, defaults={"first_name": first, "last_name": last, "email": f"{username}@causeway.example"}
        )
        if created or username not in passwords:
            passwords[username] = f"{username}-{secrets.token_hex(4)}"
            user.set_password(passwords[username])
        if role == "admin":
            user.is_staff = user.is_superuser = True
        user.save()
        group = DOMAIN_GROUPS["billing"] if role == "admin of billing" else GROUPS.get(role, "")
        if group and not user.is_superuser:
            user.groups.add(Group.objects.get_or_create(name=group)[0])
        users[username] = user
    return users, passwords


def _finish(run: Run) -> None:
    """Wait for the worker to finish `run`; the demonstration starts with a first finished run."""
    deadline = time.monotonic() + FIRST_RUN_SECONDS
    while time.monotonic() < deadline:
        run.refresh_from_db()
        if not run.is_active:
            return
        time.sleep(0.2)
    raise CommandError(f"The worker did not finish {run} within {FIRST_RUN_SECONDS} s.")


def _finish_all(org: SalesforceOrg, names: Sequence[str]) -> None:
    """Wait until no run of these jobs is left: one may ask for the next."""
    deadline = time.monotonic() + 3 * FIRST_RUN_SECONDS
    while time.monotonic() < deadline:
        if not Run.objects.filter(org=org, job__in=names, state__in=Run.ACTIVE).exists():
            return
        time.sleep(0.2)
    raise CommandError(f"The worker did not finish {', '.join(names)} within {3 * FIRST_RUN_SECONDS} s.")


def _make_key(owner: User) -> str:
    _, key = create_key(owner=owner, name="Demonstration", scopes=sorted(SCOPES), expires=None)
    return key


def _write_private(path: Path, demo: dict[str, Any]) -> None:
    """Replace the file in one step, readable by the owner only: scripts wait for it."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        json.dump(demo, file, indent=2)
    fresh.replace(path)
