"""Runs with tokens that end, are revoked, or are replaced while they go on."""

from __future__ import annotations

from dataclasses import dataclass, replace

from shared.domain.instances import InstanceStatus, SetupStep
from shared.errors import AuthError
from shared.services.runs import run_job
from tests.functions.oauth_kit import Desk


def completed(desk: Desk, hubspot_id: str) -> None:
    """Skip the steps between connection and activation: they have tests of their own."""
    with desk.world.app.open_uow() as uow:
        instance = uow.instances.get(hubspot_id, profile_id=None)
        done = replace(instance, setup_step=SetupStep.COMPLETED, status=InstanceStatus.ACTIVE)
        uow.instances.save(done, expected_version=instance.config_version)
        uow.commit()


def test_a_run_outlives_its_token(desk: Desk, hubspot_id: str) -> None:
    """Tokens that end in mid-run are refreshed, and the run comes to its end."""
    assert desk.connect(desk.world.ada, hubspot_id).status == 200
    completed(desk, hubspot_id)
    desk.settings(rotate=True, reuse="revoke_family")
    job_id = desk.world.start(desk.world.ada, hubspot_id)
    desk.grants("expire_access")
    desk.world.run(job_id)
    job = desk.world.ada.get(f"jobs/{job_id}").json
    assert job["status"] == "success", job
    assert job["counts"]["processed"] > 20, "archived deals count too"
    (family,) = desk.server["families"]
    assert (family["refreshes"], family["reuses"], family["revoked"]) == (1, 0, None)


def test_jobs_wait_for_a_reconnect(desk: Desk, hubspot_id: str) -> None:
    """A consent taken back fails the job clearly; nothing starts before the person reconnects.

    Then what was interrupted goes on by itself.
    """
    ada = desk.world.ada
    assert desk.connect(ada, hubspot_id).status == 200
    completed(desk, hubspot_id)
    job_id = desk.world.start(ada, hubspot_id)
    desk.grants("revoke")
    desk.world.run(job_id)
    job = ada.get(f"jobs/{job_id}").json
    assert (job["status"], job["errorClass"]) == ("failed", "auth")
    assert "Connect the instance again" in job["errorMessage"]
    broken = ada.get(f"instances/{hubspot_id}").json
    assert (broken["status"], broken["statusReason"]) == ("error", "needs_reconnect")
    problem = ada.post(f"instances/{hubspot_id}/jobs").problem(409, "conflict")
    assert "connected again" in problem["detail"]

    answer = desk.connect(ada, hubspot_id)
    assert answer.json["instance"]["status"] == "active"
    (waiting,) = (job for job in ada.get("jobs").json["items"] if job["status"] == "pending")
    desk.world.trigger("tick", None)
    assert desk.world.queue.sent[-1][0] == waiting["id"]
    desk.world.run(waiting["id"])
    assert ada.get(f"jobs/{waiting['id']}").json["status"] == "success"


def test_a_reconnect_in_mid_run_is_no_failure(desk: Desk, hubspot_id: str) -> None:
    """A run refused with the old tokens goes on with those the person has just brought."""
    ada = desk.world.ada
    assert desk.connect(ada, hubspot_id).status == 200
    completed(desk, hubspot_id)
    job_id = desk.world.start(ada, hubspot_id)
    desk.grants("revoke")
    connector = desk.world.app.connector

    @dataclass(frozen=True)
    class Slow:
        """Opens a connection with the credentials of a moment ago."""

        def open(self, *args: object, **options: object) -> object:
            if desk.state(hubspot_id).secret_ref == first:
                assert desk.connect(ada, hubspot_id).status == 200
                raise AuthError("the token was revoked")
            return connector.open(*args, **options)  # type: ignore[arg-type]

        def __getattr__(self, name: str) -> object:
            return getattr(connector, name)

    first = desk.state(hubspot_id).secret_ref
    ports = replace(desk.world.app.run_ports, connector=Slow())  # type: ignore[arg-type]
    run_job(job_id, ports=ports)
    assert ada.get(f"jobs/{job_id}").json["status"] == "pending"
    assert desk.instance(hubspot_id).status is InstanceStatus.ACTIVE
    run_job(job_id, ports=ports)
    assert ada.get(f"jobs/{job_id}").json["status"] == "success"
