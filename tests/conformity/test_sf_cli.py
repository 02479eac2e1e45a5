"""The Salesforce CLI (sf) works against the demo org: sign-in by access token, data commands, bulk export and import, limits."""

import csv
import io
import json
import subprocess
import zipfile
from pathlib import Path
from typing import Any

import pytest

from tests.conformity.clients import HOW, SF, environment
from tests.conformity.packages import package
from tests.conformity.world import World

pytestmark = [pytest.mark.clients, pytest.mark.skipif(not SF.exists(), reason=f"the Salesforce CLI is {HOW}")]
SECONDS = 600


class Cli:
    """Runs `sf` with a home directory of its own, signed in as administrator."""

    def __init__(self, world: World, home: Path) -> None:
        self.home = home
        self.env = environment(home) | {"SF_ACCESS_TOKEN": world.api.token, "SFDX_ACCESS_TOKEN": world.api.token}

    def run(self, *arguments: str, check: bool = True) -> dict[str, Any]:
        """The JSON answer of a command."""
        done = self.process(*arguments, "--json")
        assert done.stdout.strip().startswith("{"), done.stdout + done.stderr
        answer = json.loads(done.stdout)
        assert not check or answer["status"] == 0, done.stdout[:3000]
        return answer

    def process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """A finished command."""
        return subprocess.run(
            [SF, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False, env=self.env, cwd=self.home
        )


@pytest.fixture(scope="module")
def cli(world: World, tmp_path_factory) -> Cli:
    made = Cli(world, tmp_path_factory.mktemp("sf"))
    made.run("org", "login", "access-token", "--instance-url", world.org.url, "--alias", "demo", "--no-prompt", "--set-default")
    return made


def test_org_login_access_token_knows_the_user(cli: Cli, world: World) -> None:
    shown = cli.run("org", "display", "--target-org", "demo")["result"]
    assert shown["username"] == world.org.user("administrator")["username"]
    assert shown["id"] == world.org.info()["org_id"]


def test_data_query_as_json_and_as_a_table(cli: Cli) -> None:
    soql = "SELECT Id, Name, Owner.Name FROM Account ORDER BY Name LIMIT 3"
    found = cli.run("data", "query", "--target-org", "demo", "--query", soql)["result"]
    assert found["totalSize"] == 3
    table = cli.process("data", "query", "--target-org", "demo", "--query", soql)
    assert table.returncode == 0, table.stdout + table.stderr
    assert found["records"][0]["Name"][:10] in table.stdout


def test_data_query_over_several_pages(cli: Cli) -> None:
    found = cli.run("data", "query", "--target-org", "demo", "--query", "SELECT Id FROM OpportunityHistory")["result"]
    assert len({each["Id"] for each in found["records"]}) == found["totalSize"] > 2000


def test_records_by_command(cli: Cli) -> None:
    made = cli.run(
        "data", "create", "record", "--target-org", "demo", "--sobject", "Account", "--values", "Name='By CLI' Site=HQ"
    )
    record = made["result"]["id"]
    cli.run(
        "data",
        "update",
        "record",
        "--target-org",
        "demo",
        "--sobject",
        "Account",
        "--record-id",
        record,
        "--values",
        "Site=Lab",
    )
    read = cli.run("data", "get", "record", "--target-org", "demo", "--sobject", "Account", "--record-id", record)
    assert (read["result"]["Name"], read["result"]["Site"]) == ("By CLI", "Lab")
    cli.run("data", "delete", "record", "--target-org", "demo", "--sobject", "Account", "--record-id", record)


def test_data_export_bulk(cli: Cli, world: World) -> None:
    out = cli.home / "contacts.csv"
    cli.run("data", "export", "bulk", "--target-org", "demo", "--query", "SELECT Id, Name, Account.Name FROM Contact",
            "--output-file", str(out), "--wait", "2")  # fmt: skip
    with out.open(newline="") as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == world.api.get("query?q=SELECT COUNT() FROM Contact").data["totalSize"]
    assert list(rows[0]) == ["Id", "Name", "Account.Name"]


def test_data_upsert_bulk(cli: Cli, world: World) -> None:
    source = cli.home / "accounts.csv"
    source.write_text("External_Id__c,Name\n" + "".join(f"cli-{each},From CLI {each}\n" for each in range(40)))
    answer = cli.run("data", "upsert", "bulk", "--target-org", "demo", "--sobject", "Account", "--file", str(source),
                     "--external-id", "External_Id__c", "--wait", "2")  # fmt: skip
    assert answer["result"]["jobInfo"]["numberRecordsProcessed"] == 40
    assert len(world.api.query("SELECT Id FROM Account WHERE External_Id__c LIKE 'cli-%'")) == 40


def test_a_refused_query_says_why(cli: Cli) -> None:
    answer = cli.run("data", "query", "--target-org", "demo", "--query", "SELECT Nope FROM Account", check=False)
    assert answer["status"] != 0
    assert "No such column 'Nope'" in answer["message"]


def test_limits_api_display(cli: Cli) -> None:
    shown = cli.run("org", "list", "limits", "--target-org", "demo")["result"]
    assert next(each for each in shown if each["name"] == "DailyApiRequests")["max"] > 0


def test_org_open_gives_an_address(cli: Cli, world: World) -> None:
    shown = cli.run("org", "open", "--url-only", "--target-org", "demo")["result"]
    assert shown["url"].startswith(f"{world.org.url}/secur/frontdoor.jsp?")


def test_data_search(cli: Cli) -> None:
    found = cli.run("data", "search", "--target-org", "demo", "--query", "FIND {Marlowe} RETURNING User(Id, Name)")["result"]
    assert [each["Name"] for each in found["searchRecords"]] == ["Ada Marlowe"]


def test_import_and_export_of_a_tree(cli: Cli) -> None:
    child = {"attributes": {"type": "Contact", "referenceId": "c1"}, "LastName": "Leaf"}
    top = {"attributes": {"type": "Account", "referenceId": "a1"}, "Name": "Tree by CLI", "Contacts": {"records": [child]}}
    (cli.home / "tree.json").write_text(json.dumps({"records": [top]}))
    made = cli.run("data", "import", "tree", "--target-org", "demo", "--files", "tree.json")["result"]
    assert [each["type"] for each in made] == ["Account", "Contact"]
    soql = "SELECT Name, (SELECT LastName FROM Contacts) FROM Account WHERE Name = 'Tree by CLI'"
    shown = cli.run("data", "export", "tree", "--target-org", "demo", "--query", soql)["result"]
    assert shown["records"][0]["Contacts"]["records"][0]["LastName"] == "Leaf"


def test_bulk_import_update_delete_and_a_resumed_export(cli: Cli, world: World) -> None:
    target = ("--target-org", "demo", "--sobject", "Account", "--wait", "1")
    (cli.home / "new.csv").write_text("Name,Site\nCli One,x\nCli Two,y\n")
    assert cli.run("data", "import", "bulk", "--file", "new.csv", *target)["result"]["successfulRecords"] == 2
    ids = [each["Id"] for each in world.api.query("SELECT Id FROM Account WHERE Name IN ('Cli One', 'Cli Two')")]
    (cli.home / "change.csv").write_text("Id,Site\n" + "".join(f"{each},z\n" for each in ids))
    assert cli.run("data", "update", "bulk", "--file", "change.csv", *target)["result"]["successfulRecords"] == 2
    (cli.home / "gone.csv").write_text("Id\n" + "".join(f"{each}\n" for each in ids))
    assert cli.run("data", "delete", "bulk", "--file", "gone.csv", *target)["result"]["jobInfo"]["numberRecordsFailed"] == 0
    job = cli.run("data", "export", "bulk", "--target-org", "demo", "--query", "SELECT Id FROM Account", "--output-file",
                  "all.csv", "--wait", "0")["result"]["jobId"]  # fmt: skip
    resumed = cli.run("data", "export", "resume", "--job-id", job)["result"]
    assert resumed["totalSize"] == world.api.get("query?q=SELECT COUNT() FROM Account").data["totalSize"]


def test_a_project_is_deployed_granted_and_retrieved(cli: Cli) -> None:
    with zipfile.ZipFile(io.BytesIO(package(field="Cli_Key__c"))) as archive:
        archive.extractall(cli.home / "source")
    done = cli.run("project", "deploy", "start", "--target-org", "demo", "--metadata-dir", "source", "--wait", "1")["result"]
    assert done["status"] == "Succeeded"
    given = cli.run("org", "assign", "permset", "--target-org", "demo", "--name", "Cli_Key_Set")["result"]
    assert [each["value"] for each in given["successes"]] == ["Cli_Key_Set"]
    cli.run("data", "query", "--target-org", "demo", "--query", "SELECT Cli_Key__c FROM Account LIMIT 1")
    back = cli.run("project", "retrieve", "start", "--target-org", "demo", "--metadata", "PermissionSet:Cli_Key_Set",
                   "--target-metadata-dir", "back")["result"]  # fmt: skip
    assert [each["fullName"] for each in back["fileProperties"]] == ["Cli_Key_Set"]
    listed = cli.run("org", "list", "metadata", "--target-org", "demo", "--metadata-type", "PermissionSet")["result"]
    assert "Cli_Key_Set" in {each["fullName"] for each in listed}


def test_sobject_commands(cli: Cli) -> None:
    described = cli.run("sobject", "describe", "--target-org", "demo", "--sobject", "Project__c")["result"]
    assert described["custom"] is True
    listed = cli.run("sobject", "list", "--target-org", "demo", "--sobject", "custom")["result"]
    assert "Project__c" in listed
