"""Verbs on objectives and key results, and check-ins."""

from decimal import Decimal

import pytest

from integrations.access import Refusal
from integrations.models import AuditEntry
from okr import check_ins, objectives, rights
from okr.models import Activity, Department, KeyResult, Objective, Reading
from okr.rights import NotAllowed


def test_bw_05_jane_assigns_an_objective_to_sales_and_key_results_to_people_without_license(company, now):
    jane, marsha = company.cast.jane, company.cast.marsha
    objective = objectives.create_objective(
        title="Sell more", owner=jane, period=company.period, department=company.sales, user=jane, now=now
    )
    key_result = objectives.create_key_result(objective, title="Deals", owner=marsha, target=Decimal(10), user=jane, now=now)
    assert (objective.department, key_result.owner) == (company.sales, marsha)
    assert Activity.objects.filter(key_result=key_result, verb="created").exists()


def test_bw_04_a_linked_key_result_can_be_assigned_to_anybody(make_link, company, now):
    link = make_link()
    changed = objectives.assign_key_result(link.key_result, owner=company.cast.ana, user=company.cast.jane, now=now)
    assert changed.owner == company.cast.ana
    link.refresh_from_db()
    assert link.key_result.owner == company.cast.ana
    assert "owner: marsha to ana" in Activity.objects.get(key_result=changed, verb="changed").text.lower()


def test_bw_d17_an_objective_goes_to_a_department(company, now):
    other = Department.objects.create(name="Service")
    assert objectives.assign_objective(company.objective, department=other, user=company.cast.jane, now=now).department == other


def test_s_070_only_owner_department_lead_and_admin_change_an_objective(company, now):
    changes = {"title": "Mine now"}
    with pytest.raises(NotAllowed):
        objectives.update_objective(company.objective, changes=changes, user=company.cast.marsha, now=now)
    company.objective.owner = company.cast.ana
    company.objective.save()
    for person in (company.cast.ana, company.cast.jane, company.cast.ada):  # owner, lead of Sales, admin
        assert objectives.update_objective(company.objective, changes=changes, user=person, now=now).title == "Mine now"


def test_s_070_key_result_owner_changes_it_but_a_stranger_does_not(company, now):
    assert rights.may_edit_key_result(company.cast.marsha, company.key_result)
    with pytest.raises(NotAllowed):
        objectives.update_key_result(company.key_result, changes={"title": "x"}, user=company.cast.ana, now=now)
    with pytest.raises(NotAllowed):
        objectives.delete_key_result(company.key_result, user=company.cast.marsha, now=now)


def test_bw_d11_a_target_equal_to_the_start_is_refused(company, now):
    jane = company.cast.jane
    with pytest.raises(Refusal) as refusal:
        objectives.create_key_result(company.objective, title="x", owner=jane, target=Decimal("0.0"), user=jane, now=now)
    assert refusal.value.code == "target_equals_start"
    with pytest.raises(Refusal):
        objectives.update_key_result(company.key_result, changes={"start": Decimal(590)}, user=jane, now=now)


def test_parents_never_make_a_circle(company, now):
    jane = company.cast.jane
    child = objectives.create_objective(
        title="Child", owner=jane, period=company.period, parent=company.objective, user=jane, now=now
    )
    for parent in (child, company.objective):
        with pytest.raises(Refusal) as refusal:
            objectives.update_objective(company.objective, changes={"parent": parent}, user=jane, now=now)
        assert refusal.value.code == "parent_cycle"


def test_archiving_and_restoring(company, now):
    jane = company.cast.jane
    assert objectives.archive_objective(company.objective, user=jane, now=now).archived_at == now
    with pytest.raises(Refusal):
        objectives.create_key_result(Objective.objects.get(), title="x", owner=jane, target=Decimal(1), user=jane, now=now)
    assert objectives.restore_objective(company.objective, user=jane, now=now).archived_at is None
    assert AuditEntry.objects.filter(action="objective.archived").exists()


def test_s_072_fields_that_are_not_changed_here_are_refused(company, now):
    for changes in ({"id": 7}, {"current": Decimal(1)}, {"objective": None}):
        with pytest.raises(Refusal) as refusal:
            objectives.update_key_result(company.key_result, changes=changes, user=company.cast.jane, now=now)
        assert refusal.value.code == "unknown_field"


def test_check_in_moves_the_value_and_keeps_the_history(company, now):
    marsha = company.cast.marsha
    check_ins.check_in(company.key_result, user=marsha, now=now, value=Decimal(100), confidence="on_track", note=" good ")
    check_ins.check_in(company.key_result, user=marsha, now=now, value=Decimal(100))
    company.key_result.refresh_from_db()
    assert (company.key_result.current, company.key_result.confidence) == (100, "on_track")
    assert Reading.objects.filter(key_result=company.key_result, source="check_in").count() == 1


def test_bw_d15_a_value_is_refused_while_linked_but_a_note_is_welcome(make_link, now):
    link = make_link(value=5)
    with pytest.raises(Refusal, match="Unlink it first") as refusal:
        check_ins.check_in(link.key_result, user=link.key_result.owner, now=now, value=Decimal(7))
    assert refusal.value.code == "linked"
    check_ins.check_in(link.key_result, user=link.key_result.owner, now=now, note="On it", confidence="at_risk")
    result = KeyResult.objects.get(pk=link.key_result_id)
    assert (result.current, result.confidence) == (5, "at_risk")


@pytest.mark.parametrize(
    "given", [{}, {"note": "  "}, {"confidence": "sure"}, {"value": Decimal("NaN")}, {"value": Decimal("1e30")}]
)
def test_check_ins_without_sense_are_refused(company, now, given):
    with pytest.raises(Refusal):
        check_ins.check_in(company.key_result, user=company.cast.marsha, now=now, **given)


def test_only_operators_make_departments_and_periods(company, now):
    with pytest.raises(NotAllowed):
        objectives.create_department(name="X", user=company.cast.jane)
    assert objectives.create_department(name=" X ", user=company.cast.olga).name == "X"
    with pytest.raises(Refusal) as refusal:
        objectives.create_department(name="X", user=company.cast.olga)
    assert refusal.value.code == "name_taken"
    with pytest.raises(Refusal) as refusal:
        objectives.create_period(
            name="P",
            starts_on=company.period.starts_on,
            ends_on=company.period.ends_on,
            time_zone="Mars/Base",
            user=company.cast.olga,
        )
    assert refusal.value.code == "time_zone"
