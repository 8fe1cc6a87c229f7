"""What a person does in the Prefect UI, done in a browser: run, look, schedule, cancel, and leave retraining to events.

The tests tell one story, and each goes on with the lake of the one before. With EVOLENS_SHOTS=FOLDER they leave
screenshots there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import httpx
import pytest

from pipelines.lake import runs
from tests.browser.conftest import Served
from tests.flows import rounds

pytestmark = pytest.mark.browser

PICTURES = "(least) => [...document.images].filter((each) => each.naturalWidth > 0).length >= least"


def test_a_round_is_started_from_the_form_and_shows_what_it_made(served: Served, page: Any) -> None:
    page.goto(served.url)
    page.get_by_role("link", name="Deployments").click()
    page.get_by_role("link", name="round", exact=True).click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Custom run").click()
    page.get_by_role("button", name="Select recipe").click()
    page.get_by_role("option", name="tiny").click()
    page.get_by_role("switch", name="train").click()
    shoot(page, "form")
    page.get_by_role("button", name="Submit").click()
    served.until(lambda: served.runs_of("round") != [], 60)
    [run] = served.runs_of("round")
    asked = {"recipe": "tiny", "lake": str(served.lake), "number": 1, "overrides": {}, "train": False}
    assert run["parameters"] == asked
    assert served.ended(run["id"])["state_type"] == "COMPLETED"

    page.goto(f"{served.url}/v2/runs/flow-run/{run['id']}")
    page.get_by_role("tab", name="Artifacts").click()
    for name in ("funnel-tiny", "difficulty-tiny", "examples-tiny", "report-tiny"):
        page.get_by_text(name, exact=True).wait_for()
    shoot(page, "round")
    made = {each["key"]: each["id"] for each in served.ask("artifacts") if each["flow_run_id"] == run["id"]}
    for name, least in (("difficulty-tiny", 1), ("examples-tiny", 6)):
        page.goto(f"{served.url}/v2/artifacts/artifact/{made[name]}")
        page.wait_for_function(PICTURES, arg=least)
        shoot(page, name)
    page.goto(f"{served.url}/v2/artifacts/artifact/{made['report-tiny']}")
    page.goto(page.get_by_role("link", name="The report of this run").get_attribute("href"))
    assert page.title() == "tiny · Evolens report"


def test_new_rows_start_retrain_and_the_same_event_again_trains_nothing(served: Served, page: Any) -> None:
    served.until(lambda: served.runs_of("retrain") != [], 60)
    [first] = served.runs_of("retrain")
    told_of = {"recipe": "tiny", "lake": str(served.lake), "rounds": 1, "overrides": {}}
    assert {**told_of, "min_rows": 1}.items() <= first["parameters"].items()
    done = served.ended(first["id"])
    assert done["state_name"] == "Trained", done["state"]["message"]
    page.goto(f"{served.url}/v2/runs/flow-run/{first['id']}")
    page.get_by_text("Trained", exact=True).first.wait_for()
    shoot(page, "retrain")

    [told] = served.told("evolens.round.curated")
    again = {name: told[name] for name in ("event", "resource", "payload", "occurred")}
    again["id"] = "00000000-0000-4000-8000-000000000001"
    httpx.post(f"{served.url}/api/events", json=[again], timeout=30).raise_for_status()
    served.until(lambda: len(served.runs_of("retrain")) == 2, 60)
    assert served.ended(served.runs_of("retrain")[1]["id"])["state_name"] == "AlreadyTrained"
    trained = [node for run in runs.list_runs(served.lake) for node in run.nodes.values() if node.name == "r1/sft"]
    assert [node.status for node in trained].count("ran") == 1


def test_by_hand_rows_are_made_and_counted_and_no_event_tells_of_them(served: Served) -> None:
    others = {"stages.curate.eligible": "true"}
    run = served.run("retrain", recipe="tiny", lake=str(served.lake), overrides=others, min_rows=1000)
    assert served.ended(run)["state_name"] == "NotDue"
    assert len(served.told("evolens.round.curated")) == 2  # of the round, and the one that was sent again


def test_a_schedule_set_in_the_ui_outlives_the_server(served: Served, page: Any) -> None:
    deployment, known = served.deployment("retrain"), {run["id"] for run in served.runs_of("retrain")}
    page.goto(f"{served.url}/v2/deployments/deployment/{deployment['id']}")
    page.get_by_role("button", name="Schedule", exact=True).click()
    form = page.get_by_role("dialog")
    form.get_by_role("tab", name="Cron").click()
    form.get_by_label("Value").fill("0 3 * * *")
    shoot(page, "schedule")
    form.get_by_role("button", name="Save").click()
    served.until(lambda: served.deployment("retrain")["schedules"] != [], 30)
    served.until(lambda: due(served) != [], 60)
    before = served.deployment("retrain")["schedules"]
    assert [each["schedule"]["cron"] for each in before] == ["0 3 * * *"]
    served.end()
    served.start()
    after = served.deployment("retrain")
    assert (after["id"], after["schedules"]) == (deployment["id"], before)
    assert known <= {run["id"] for run in served.runs_of("retrain")}
    served.until(lambda: due(served) != [], 60)
    for each in after["schedules"]:
        httpx.delete(f"{served.url}/api/deployments/{after['id']}/schedules/{each['id']}", timeout=30)


def due(served: Served) -> list[Any]:
    """The runs that a schedule of `retrain` has made."""
    return [run for run in served.runs_of("retrain") if run["auto_scheduled"]]


def test_cancelled_in_the_ui_no_process_is_left_and_the_lake_goes_on(served: Served, page: Any) -> None:
    asked = {"recipe": "slow", "train": False, "lake": str(served.lake)}
    run = served.run("round", **asked)
    served.until(lambda: "running" in (node.status for each in slow(served.lake) for node in exploring(each)), 90)
    assert rounds.alive("PREFECT__FLOW_RUN_ID", run) != []
    page.goto(f"{served.url}/v2/runs/flow-run/{run}")
    page.get_by_role("button", name="Open menu").click()
    page.get_by_role("menuitem", name="Cancel").click()
    shoot(page, "cancel")
    page.get_by_role("alertdialog").get_by_role("button", name="Cancel Flow Run").click()
    assert served.ended(run, 90)["state_type"] == "CANCELLED"
    served.until(lambda: rounds.alive("PREFECT__FLOW_RUN_ID", run) == [], 60)
    assert slow(served.lake)[-1].status == "failed"
    kept = made(served.lake)

    run = served.run("round", **asked)
    assert served.ended(run)["state_type"] == "COMPLETED"
    assert slow(served.lake)[-1].status == "partial"
    assert kept.items() <= made(served.lake).items(), "what was made before is there, unchanged"
    assert not list((served.lake / "_leases").glob("*.json"))


def slow(lake: Path) -> list[runs.Run]:
    """The records of the slow recipe, oldest first."""
    return [each for each in runs.list_runs(lake) if each.recipe == "slow"]


def exploring(run: runs.Run) -> list[runs.RunNode]:
    """The stage that asks the policy first."""
    return [node for node in run.nodes.values() if node.name == "r1/explore"]


def made(lake: Path) -> dict[str, bytes]:
    """Every manifest of a lake."""
    return {path.name: path.read_bytes() for path in (lake / "_manifests").glob("*.json")}


def shoot(page: Any, name: str) -> None:
    """A screenshot, where somebody wants one."""
    if folder := os.environ.get("EVOLENS_SHOTS"):
        Path(folder).mkdir(parents=True, exist_ok=True)
        page.wait_for_timeout(3000)  # what fades in, has
        page.screenshot(path=Path(folder) / f"{name}.png")
