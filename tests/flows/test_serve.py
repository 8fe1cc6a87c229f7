"""`evolens serve` against a real Prefect server: five deployments with a typed form, their limits and automations."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

from flows.events import CURATED
from flows.recipes import shipped
from flows.serve import FLOWS, SAME_ROWS
from tests.flows import rounds


@pytest.fixture(scope="module")
def registered(server: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The deployments by name, as the server knows them after two registrations with different thresholds."""
    folder = tmp_path_factory.mktemp("serve")
    rounds.write_recipe(folder)
    environment = {**os.environ, "PREFECT_API_URL": server, "PREFECT_HOME": str(folder / "prefect")}
    command = [sys.executable, "-m", "flows.cli", "serve", "--register-only", "--lake", str(folder / "lake")]
    asked = ["--recipes", str(folder), "--gpus", "2", "--retrain-drift", "0.1", "--retrain-rows"]
    for rows in ("50", "70"):
        done = subprocess.run([*command, *asked, rows], env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr
        found = httpx.post(f"{server}/deployments/filter", json={}, timeout=30).json()
        known = {each["name"]: each for each in found}
        if rows == "50":
            nightly = [{"schedule": {"cron": "0 3 * * *"}, "active": True}]
            address = f"{server}/deployments/{known['flywheel']['id']}"
            httpx.post(f"{address}/schedules", json=nightly, timeout=30).raise_for_status()
            httpx.post(f"{address}/pause_deployment", timeout=30).raise_for_status()
    assert "registered run_round/round" in done.stdout
    return known


def test_every_flow_has_one_deployment_that_runs_once_at_a_time(registered: dict[str, Any]) -> None:
    assert registered.keys() == FLOWS.keys()
    for each in registered.values():
        assert each["global_concurrency_limit"]["limit"] == 1
        assert each["tags"] == ["evolens"]
        assert each["enforce_parameter_schema"]


def test_every_field_of_a_form_is_typed_and_the_recipe_is_chosen_from_a_list(registered: dict[str, Any]) -> None:
    for each in registered.values():
        form = each["parameter_openapi_schema"]["properties"]
        assert form["recipe"]["enum"] == sorted([*shipped(), "tiny"])
        assert all("type" in field or "anyOf" in field for field in form.values())
        assert all(field.get("description") for field in form.values()), "words beside every field"
        assert not any("key" in name or "secret" in name or "token" in name for name in form)


@pytest.mark.parametrize(
    ("parameters", "why"),
    [
        ({"recipe": "quickstrat"}, "is not one of"),
        ({"number": 0}, "minimum"),
        ({"overrides": {"policy.api_key": "abc"}}, "policy.api_key"),
        ({"overrides": {"policy.url": "openai:https://me:abc@host/v1"}}, "policy.url"),
        ({"overrides": {"policy": {"api_key": "abc"}}}, "not of type"),
        ({"overrides": {"stagse.difficulty.rollouts": 4}}, "stagse"),
        ({"train": "perhaps"}, "boolean"),
    ],
)
def test_the_server_refuses_what_cannot_run_before_it_keeps_it(
    registered: dict[str, Any], server: str, parameters: dict[str, Any], why: str
) -> None:
    address = f"{server}/deployments/{registered['round']['id']}/create_flow_run"
    refused = httpx.post(address, json={"parameters": parameters}, timeout=30)
    assert refused.status_code == 409
    assert why in refused.text
    of_it = {"deployments": {"id": {"any_": [registered["round"]["id"]]}}}  # other tests run flows at this server, too
    assert httpx.post(f"{server}/flow_runs/count", json=of_it, timeout=30).json() == 0


def test_names_of_variables_and_counts_of_tokens_are_no_secrets(registered: dict[str, Any], server: str) -> None:
    """A paused deployment's form is checked as any other: this run is never started."""
    overrides = {"policy.api_key_env": "MY_KEY", "stages.explore.max_tokens": 40, "stages.sft.steps": 3}
    address = f"{server}/deployments/{registered['round']['id']}/create_flow_run"
    taken = httpx.post(address, json={"parameters": {"overrides": overrides}, "state": {"type": "PAUSED"}}, timeout=30)
    assert taken.status_code == 201, taken.text
    httpx.delete(f"{server}/flow_runs/{taken.json()['id']}", timeout=30)


def test_registered_twice_there_is_one_automation_for_each_threshold(registered: dict[str, Any], server: str) -> None:
    found = httpx.post(f"{server}/automations/filter", json={}, timeout=30).json()
    given = {each["name"]: each["actions"][0]["parameters"] for each in found}
    assert given.keys() == {"retrain: enough new curated rows", "retrain: difficulty has drifted"}
    assert given["retrain: enough new curated rows"]["min_rows"] == 70
    assert given["retrain: difficulty has drifted"]["min_drift"] == 0.1
    assert all(each["actions"][0]["deployment_id"] == registered["retrain"]["id"] for each in found)


def test_what_somebody_set_stands_and_a_schedule_makes_runs(registered: dict[str, Any], server: str) -> None:
    mine = registered["flywheel"]
    assert mine["paused"]
    assert [each["schedule"]["cron"] for each in mine["schedules"]] == ["0 3 * * *"]
    httpx.post(f"{server}/deployments/{mine['id']}/schedule", json={"min_runs": 2}, timeout=30).raise_for_status()
    of_it = {"deployments": {"id": {"any_": [mine["id"]]}}}
    due = httpx.post(f"{server}/flow_runs/filter", json=of_it, timeout=30).json()
    assert len(due) >= 2
    assert all(each["auto_scheduled"] and "T03:00:00" in each["expected_start_time"] for each in due)
    for each in due:
        httpx.delete(f"{server}/flow_runs/{each['id']}", timeout=30)


def test_work_pools_get_the_same_flows_with_the_same_words() -> None:
    told = yaml.safe_load((Path(__file__).parents[2] / "prefect.yaml").read_text())
    deployed = {each["name"]: (each["entrypoint"], each["description"]) for each in told["deployments"]}
    assert {name: (load_flow_from_entrypoint(flow), says) for name, (flow, says) in deployed.items()} == FLOWS
    [trigger] = next(each["triggers"] for each in told["deployments"] if "triggers" in each)
    assert trigger["expect"] == [CURATED]
    assert SAME_ROWS.items() <= trigger["parameters"].items()


def test_stages_that_hold_a_model_share_a_limit(registered: dict[str, Any], server: str) -> None:
    found = httpx.post(f"{server}/concurrency_limits/filter", json={}, timeout=30).json()
    assert [(each["tag"], each["concurrency_limit"]) for each in found] == [("evolens-gpu", 2)]
