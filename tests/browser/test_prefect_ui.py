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
    page.goto(f"{served.url}/deployments")
    page.get_by_role("link", name="round", exact=True).first.click()
    page.get_by_role("button", name="Run", exact=True).click()
    page.get_by_text("Custom run").click()
    page.locator(".p-select-button__control", has_text="quickstart").click()
    page.keyboard.press("ArrowDown")
    page.get_by_text("tiny", exact=True).click()
    page.locator(".p-toggle__control").click(force=True)  # train: off
    shoot(page, "form")
    page.get_by_role("button", name="Submit").click()
    served.until(lambda: served.runs_of("round") != [], 30)
    [run] = served.runs_of("round")
    assert run["parameters"] == {
        "recipe": "tiny",
        "lake": str(served.lake),
        "number": 1,
        "overrides": {},
        "train": False,
    }
    assert served.ended(run["id"])["state_type"] == "COMPLETED"

    page.goto(f"{served.url}/runs/flow-run/{run['id']}")
    page.get_by_text("Artifacts", exact=True).click()
    for name in ("funnel-tiny", "difficulty-tiny", "examples-tiny", "report-tiny"):
        page.get_by_text(name, exact=True).first.wait_for()
    shoot(page, "round")
    made = {each["key"]: each for each in served.ask("artifacts") if each["flow_run_id"] == run["id"]}
    for name, least in (("difficulty-tiny", 1), ("examples-tiny", 6)):
        page.goto(f"{served.url}/artifacts/artifact/{made[name]['id']}")
        page.wait_for_function(PICTURES, arg=least)
        shoot(page, name)
    page.goto(f"{served.url}/artifacts/artifact/{made['report-tiny']['id']}")
    address = page.get_by_text("The report of this run").first.get_attribute("href")
    page.goto(address)
    assert page.title() == "tiny · Evolens report"


def test_new_rows_start_retrain_and_the_same_event_again_trains_nothing(served: Served, page: Any) -> None:
    served.until(lambda: served.runs_of("retrain") != [], 60)
    [first] = served.runs_of("retrain")
    told_of = {"recipe": "tiny", "lake": str(served.lake), "rounds": 1, "overrides": {}}
    assert {**told_of, "min_rows": 1}.items() <= first["parameters"].items()
    done = served.ended(first["id"], 240)
    assert done["state_name"] == "Trained", done["state"]["message"]
    page.goto(f"{served.url}/runs/flow-run/{first['id']}")
    page.get_by_text("Trained").first.wait_for()

    told = served.ask("events", filter={"event": {"name": ["evolens.round.curated"]}})["events"]
    assert len(told) == 1, "training tells of no new rows"
    again = {name: told[0][name] for name in ("event", "resource", "payload", "occurred")}
    again["id"] = "00000000-0000-4000-8000-000000000001"
    httpx.post(f"{served.url}/api/events", json=[again], timeout=30).raise_for_status()
    served.until(lambda: len(served.runs_of("retrain")) == 2, 60)
    assert served.ended(served.runs_of("retrain")[1]["id"])["state_name"] == "AlreadyTrained"
    trained = [node for run in runs.list_runs(served.lake) for node in run.nodes.values() if node.name == "r1/sft"]
    assert [node.status for node in trained].count("ran") == 1


def test_a_schedule_set_in_the_ui_outlives_the_server(served: Served, page: Any) -> None:
    deployment = served.deployment("retrain")
    page.goto(f"{served.url}/deployments/deployment/{deployment['id']}")
    page.get_by_role("button", name="Schedule").first.click()
    page.get_by_role("button", name="Cron", exact=True).click()
    shoot(page, "schedule")
    page.locator(".p-modal").get_by_role("button", name="Save").click()
    served.until(lambda: served.deployment("retrain")["schedules"] != [], 30)
    before = served.deployment("retrain")["schedules"]
    assert "cron" in before[0]["schedule"]
    known = {run["id"] for run in served.runs_of("retrain")}
    served.end()
    served.start()
    after = served.deployment("retrain")
    assert after["id"] == deployment["id"]
    assert [each["schedule"] for each in after["schedules"]] == [each["schedule"] for each in before]
    assert known <= {run["id"] for run in served.runs_of("retrain")}
    for each in after["schedules"]:
        httpx.delete(f"{served.url}/api/deployments/{after['id']}/schedules/{each['id']}", timeout=30)


def test_cancelled_in_the_ui_no_process_is_left_and_the_lake_goes_on(served: Served, page: Any) -> None:
    address = f"{served.url}/api/deployments/{served.deployment('round')['id']}/create_flow_run"
    asked = {"parameters": {"recipe": "slow", "train": False, "lake": str(served.lake)}}
    run = httpx.post(address, json=asked, timeout=30).raise_for_status().json()["id"]
    served.until(lambda: "running" in (node.status for each in slow(served.lake) for node in exploring(each)), 90)
    assert rounds.alive("PREFECT__FLOW_RUN_ID", run) != []
    page.goto(f"{served.url}/runs/flow-run/{run}")
    page.get_by_role("button", name="Cancel", exact=True).click()
    shoot(page, "cancel")
    page.get_by_role("button", name="Confirm", exact=True).click()
    assert served.ended(run, 90)["state_type"] == "CANCELLED"
    served.until(lambda: rounds.alive("PREFECT__FLOW_RUN_ID", run) == [], 60)
    assert slow(served.lake)[-1].status == "failed"
    kept = made(served.lake)

    run = httpx.post(address, json=asked, timeout=30).raise_for_status().json()["id"]
    assert served.ended(run, 240)["state_type"] == "COMPLETED"
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
        page.wait_for_timeout(1000)
        page.screenshot(path=Path(folder) / f"{name}.png")
