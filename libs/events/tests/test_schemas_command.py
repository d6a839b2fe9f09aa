import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from clickwatch_schemas.__main__ import app
from clickwatch_service import UserError
from typer.testing import CliRunner

SCHEMAS = Path(__file__).parents[3] / "schemas"
SUBJECT = "clickstream-events"


class Workflow:
    """The commands, on a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def run(self, *arguments: str) -> tuple[int, str]:
        """Return exit status and output."""
        # No registry, whatever the machine's environment says.
        result = CliRunner(env={"SCHEMA_REGISTRY_URL": None}).invoke(app, [*arguments, "--folder", str(self.folder)])
        if isinstance(result.exception, UserError):
            return 1, f"error: {result.exception}"
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    def edit(self, file: str, change: Callable[[Any], object]) -> None:
        """Change a schema file's JSON in place."""
        path = self.folder / SUBJECT / file
        node = json.loads(path.read_text("utf-8"))
        change(node)
        path.write_text(json.dumps(node), "utf-8")


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    """The released versions 1 and 2, whatever came after them: the next one is always 3."""
    folder = tmp_path / "schemas"
    shutil.copytree(SCHEMAS, folder)
    for file in (folder / SUBJECT).rglob("v*"):
        if file.stem not in ("v1", "v2"):
            file.unlink()
    released = json.loads((folder / "released.json").read_text("utf-8"))
    released[SUBJECT] = {version: released[SUBJECT][version] for version in ("v1", "v2")}
    (folder / "released.json").write_text(json.dumps(released, indent=2) + "\n", "utf-8")
    workflow = Workflow(folder)
    assert workflow.run("docs")[0] == 0
    return workflow


def add_coupon(schema: Any) -> None:
    coupon = {"name": "coupon", "type": ["null", "string"], "default": None, "doc": "Code of a discount, if any."}
    schema["fields"].append(coupon)


def drop_user(schema: Any) -> None:
    schema["fields"] = [field for field in schema["fields"] if field["name"] != "user_id"]


def test_the_whole_way_from_a_draft_to_a_released_version(workflow: Workflow) -> None:
    assert workflow.run("new", SUBJECT)[0] == 0
    workflow.edit("draft/v3.avsc", add_coupon)

    assert workflow.run("lint")[0] == 0
    assert workflow.run("check") == (
        0,
        "clickstream-events: v3 (draft) and v1, v2 read each other\nevery version reads every other\n",
    )
    assert workflow.run("release", SUBJECT)[0] == 0
    assert workflow.run("lint") == (0, "clean by 9 rules, and nothing released was changed\n")
    assert workflow.run("docs", "--check")[0] == 0
    assert sorted(file.name for file in (workflow.folder / SUBJECT).glob("*.avsc")) == ["v1.avsc", "v2.avsc", "v3.avsc"]
    assert not (workflow.folder / SUBJECT / "draft").exists()
    assert "coupon" in (workflow.folder / SUBJECT / "golden" / "v3.jsonl").read_text("utf-8")


def test_a_draft_is_the_last_version_to_begin_with(workflow: Workflow) -> None:
    workflow.run("new", SUBJECT)

    draft = (workflow.folder / SUBJECT / "draft" / "v3.avsc").read_text("utf-8")
    assert draft == (workflow.folder / SUBJECT / "v2.avsc").read_text("utf-8")


def test_a_second_draft_is_refused(workflow: Workflow) -> None:
    workflow.run("new", SUBJECT)

    status, said = workflow.run("new", SUBJECT)

    assert status == 1
    assert "in the making already" in said


def test_a_new_subject_begins_with_a_frame_to_fill_in(workflow: Workflow) -> None:
    workflow.run("new", "order-events")

    status, said = workflow.run("lint", "order-events")

    assert status == 1
    assert "record clickwatch.OrderEvents has no doc" in said


def test_a_breaking_draft_is_refused_and_not_released(workflow: Workflow) -> None:
    workflow.run("new", SUBJECT)
    workflow.edit("draft/v3.avsc", drop_user)

    for command in (("check",), ("release", SUBJECT)):
        status, said = workflow.run(*command)

        assert status == 1
        assert "readers on v1 cannot read v3: field user_id: v3 does not write it and v1 has no default for it" in said
    assert not (workflow.folder / SUBJECT / "v3.avsc").exists()


def test_an_edit_of_a_released_version_is_refused(workflow: Workflow) -> None:
    workflow.edit("v1.avsc", lambda schema: schema.update(doc="Something else."))

    status, said = workflow.run("lint")

    assert status == 1
    assert "v1.avsc differs from what was released" in said


def test_line_ends_do_not_count_as_an_edit(workflow: Workflow) -> None:
    file = workflow.folder / SUBJECT / "v1.avsc"
    file.write_bytes(file.read_bytes().replace(b"\n", b"\r\n"))

    assert workflow.run("lint")[0] == 0


def test_a_removed_released_version_is_missed(workflow: Workflow) -> None:
    (workflow.folder / SUBJECT / "v1.avsc").unlink()

    status, said = workflow.run("lint")

    assert status == 1
    assert "v1.avsc was released and is gone" in said


def test_a_version_made_by_hand_is_refused(workflow: Workflow) -> None:
    shutil.copy(workflow.folder / SUBJECT / "v2.avsc", workflow.folder / SUBJECT / "v3.avsc")

    status, said = workflow.run("lint")

    assert status == 1
    assert "v3.avsc was never released" in said


def test_changed_golden_bytes_are_refused(workflow: Workflow) -> None:
    (workflow.folder / SUBJECT / "golden" / "v1.jsonl").write_text("", "utf-8")

    status, said = workflow.run("lint")

    assert status == 1
    assert "golden/v1.jsonl differs from what was released" in said


@pytest.mark.parametrize(
    ("waivers", "said"),
    [
        ({"doc": "told elsewhere"}, "clean"),
        ({}, "no doc"),
        ({"doc": " "}, "the waiver of doc gives no reason"),
        ({"doc": "told elsewhere", "names": "old"}, "nothing here breaks names: remove its waiver"),
        ({"doc": "told elsewhere", "dcos": "typo"}, "no rule 'dcos' to waive"),
    ],
)
def test_a_rule_is_waived_with_a_reason_only(workflow: Workflow, waivers: dict[str, str], said: str) -> None:
    field = {"name": "coupon", "type": ["null", "string"], "default": None, "lint": {"waive": waivers}}
    workflow.run("new", SUBJECT)
    workflow.edit("draft/v3.avsc", lambda schema: schema["fields"].append(field))

    status, output = workflow.run("lint")

    assert said in output
    assert status == (0 if said == "clean" else 1)


def test_a_difference_is_told_field_by_field_with_a_verdict(workflow: Workflow) -> None:
    def change(schema: Any) -> None:
        drop_user(schema)
        add_coupon(schema)
        schema["fields"][3]["type"]["symbols"].append("wishlist")

    workflow.run("new", SUBJECT)
    workflow.edit("draft/v3.avsc", change)

    status, said = workflow.run("diff", f"{SUBJECT}/v2", f"{SUBJECT}/v3")

    assert status == 1
    assert said.splitlines() == [
        "- user_id: string, no default",
        "+ event_type: symbol wishlist",
        "+ coupon: null or string, default null (Code of a discount, if any.)",
        "",
        "readers on v3 can read v2",
        "readers on v2 cannot read v3: field user_id: v3 does not write it and v2 has no default for it",
    ]


def test_a_stale_catalogue_is_refused(workflow: Workflow) -> None:
    page = workflow.folder / "CATALOGUE.md"
    page.write_text(page.read_text("utf-8") + "more\n", "utf-8")

    assert workflow.run("docs", "--check")[0] == 1
    assert workflow.run("docs")[0] == 0
    assert workflow.run("docs", "--check")[0] == 0


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('"string"', "must be a record"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "field a: 'type' is missing"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a", "type": "strng"}]}', "unknown type 'strng'"),
        ('{"type": "record", "name": "R", "fields": [{"name": "1", "type": "int"}]}', "'1' is no Avro name"),
        (
            '{"type": "record", "name": "R", "fields": [{"name": "a", "type": ["int", "int"]}]}',
            "a union needs branches",
        ),
    ],
)
def test_what_is_no_schema_is_named_with_its_file_and_field(workflow: Workflow, text: str, said: str) -> None:
    workflow.run("new", SUBJECT)
    (workflow.folder / SUBJECT / "draft" / "v3.avsc").write_text(text, "utf-8")

    status, output = workflow.run("lint")

    assert status == 1
    assert "draft/v3.avsc" in output
    assert said in output
