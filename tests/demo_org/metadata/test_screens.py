"""Tabs, apps and layouts beside the objects and permission sets that they belong to, and those of an installed package."""

import pytest

from integrations.demo_org.metadata import permissions, screens
from integrations.demo_org.metadata.components import Workshop
from integrations.demo_org.metadata.packages import install_billing
from tests.demo_org.core.served_org import Core

MADE = {
    "fullName": "Made__c", "label": "Made", "pluralLabel": "Mades", "nameField": {"label": "Name", "type": "Text"},
    "deploymentStatus": "Deployed", "sharingModel": "ReadWrite",
}  # fmt: skip
TAB = {"fullName": "Made__c", "customObject": "true", "motif": "Custom57: Building Block"}


def keep(core: Core, *components: tuple[str, dict]) -> None:
    workshop = Workshop(core.org, core.caller)
    for kind, values in components:
        assert workshop.save(kind, values).refusal is None
    workshop.keep()


@pytest.mark.parametrize(
    ("shown", "refused"),
    [
        ({"tabSettings": [{"tab": "Made__c", "visibility": "Visible"}]}, ""),
        ({"tabSettings": [{"tab": "standard-Account", "visibility": "Visible"}]}, ""),
        ({"tabSettings": [{"tab": "Nope__c", "visibility": "Visible"}]}, "no CustomTab named Nope__c found"),
        ({"applicationVisibilities": [{"application": "standard__Sales", "visible": "true"}]}, ""),
        ({"applicationVisibilities": [{"application": "Nope", "visible": "true"}]}, "no CustomApplication named Nope found"),
    ],
)
def test_a_set_shows_tabs_and_apps_that_are_there(core: Core, shown: dict, refused: str) -> None:
    keep(core, ("CustomObject", MADE), ("CustomTab", TAB))
    outcome = Workshop(core.org, core.caller).save("PermissionSet", {"fullName": "Made_User", "label": "Made User", **shown})
    assert (outcome.refusal.message if outcome.refusal else "").endswith(refused)
    assert bool(outcome.refusal) == bool(refused)


def test_an_object_takes_its_tab_and_layouts_with_it(core: Core) -> None:
    layout = {"fullName": "Made__c-Mine", "layoutSections": []}
    keep(core, ("CustomObject", MADE), ("CustomTab", TAB), ("Layout", layout))
    workshop = Workshop(core.org, core.caller)
    assert workshop.drop("CustomObject", "Made__c").refusal is None
    workshop.keep()
    assert screens.find_screen(core.org.draft, "CustomTab", "Made__c") is None
    assert screens.find_screen(core.org.draft, "Layout", "Made__c-Mine") is None


def test_a_package_brings_its_app_and_a_set_of_its_own_beside_one_of_that_name(core: Core) -> None:
    keep(core, ("PermissionSet", {"fullName": "Metronome_User", "label": "Ours"}))
    names = install_billing(core.org, core.caller)
    assert install_billing(core.org, core.caller) == names
    ours, theirs = (permissions.find_permission_set(core.org, name) for name in ("Metronome_User", "NOME__Metronome_User"))
    assert ours != theirs
    told = permissions.describe_permission_set(core.org, "NOME__Metronome_User")
    assert told is not None
    assert (told["fullName"], told["label"]) == ("NOME__Metronome_User", "Metronome User Permission Set")
    assert {each["object"] for each in told["objectPermissions"] if each["allowRead"]} == set(names)
    app = screens.find_screen(core.org.draft, "CustomApplication", "NOME__Metronome")
    assert app is not None
    assert (app["label"], app["tabs"]) == ("Metronome App", names)
