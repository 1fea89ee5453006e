# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Who asks, and what the project lets him: identity, APIs, permissions, billing. PRIVATE to this collection."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from .._errors import GcpError, Json
from .._findings import Check, error, good, listed, unseen, warning
from .._permissions import ONLY_FOR_LOOKS, batches, permissions_for
from .look import Hidden, Look, Seen

CREDENTIALS = "credentials"
APIS_ON = "APIs are enabled"
PERMITTED = "the identity has the permissions"
BILLED = "the project has billing"


@dataclass(frozen=True)
class Project:
    """What there is; permissions are those that were granted of those asked for."""

    enabled: list[str] | Hidden
    wanted: list[str]
    granted: list[str] | Hidden
    billing: Seen


def look(options: Json, looking: Look) -> Project:
    project = looking.project
    services = looking.items(
        "serviceusage.services.list", "services", project=project, filter="state:ENABLED", pageSize="200"
    )
    enabled = services if isinstance(services, Hidden) else [str(s["name"]).rpartition("/")[2] for s in services]
    wanted = permissions_for(options["steps"])
    return Project(
        enabled=enabled,
        wanted=wanted,
        granted=_granted(wanted, looking),
        billing=looking.get("cloudbilling.projects.getBillingInfo", project=project),
    )


def _granted(wanted: Sequence[str], looking: Look) -> list[str] | Hidden:
    granted: list[str] = []
    for batch in batches(wanted):
        answer = looking.ask(
            "cloudresourcemanager.projects.testIamPermissions", {"permissions": batch}, project=looking.project
        )
        if isinstance(answer, Hidden):
            return answer
        granted += (answer or {}).get("permissions") or []
    return granted


def judge(options: Json, found: Project, project: str) -> Iterator[Check]:
    yield from _services(options["services"], found.enabled, project, "project_services" in options["steps"])
    yield from _permissions(found, project, str(options.get("identity") or "the identity in use"))
    yield _billing(found.billing, project)


def _services(wanted: Sequence[str], enabled: list[str] | Hidden, project: str, switched_on: bool) -> Iterator[Check]:
    needed = listed(wanted)
    if isinstance(enabled, Hidden):
        yield enabled.check(APIS_ON, needed)
        return
    off = [name for name in wanted if name not in enabled]
    if not off:
        yield good(APIS_ON, needed, "all of them")
        return
    judge = warning if switched_on else error
    cure = "The playbook up switches them on; by hand: " if switched_on else "Switch them on: "
    yield judge(
        APIS_ON, needed, f"{listed(off)} off", f"{cure}gcloud services enable {' '.join(off)} --project {project}"
    )


def _permissions(found: Project, project: str, identity: str) -> Iterator[Check]:
    needed = f"{len(found.wanted)} permissions (docs/preflight.md lists them as a custom role)"
    if isinstance(found.granted, Hidden):
        yield found.granted.check(PERMITTED, needed)
        return
    missing = sorted(set(found.wanted) - set(found.granted))
    if not missing:
        yield good(PERMITTED, needed, "all of them")
        return
    judge = warning if set(missing) <= ONLY_FOR_LOOKS else error
    yield judge(
        PERMITTED,
        needed,
        f"{identity} lacks {listed(missing)}",
        "Make the custom role of docs/preflight.md and grant it: gcloud projects add-iam-policy-binding"
        f" {project} --member MEMBER --role projects/{project}/roles/llmdDeployer",
    )


def _billing(found: Seen, project: str) -> Check:
    needed = "a billing account that is open"
    link = f"https://console.cloud.google.com/billing/linkedaccount?project={project}"
    if isinstance(found, Hidden):
        return found.check(BILLED, needed)
    if found is None:
        return unseen(BILLED, needed, "Google does not tell", f"See {link}")
    if not found.get("billingEnabled"):
        account = found.get("billingAccountName")
        state = f"{account} is closed or was taken off" if account else "no billing account is linked"
        return error(BILLED, needed, state, f"Link one: {link}")
    return good(BILLED, needed, str(found.get("billingAccountName") or "linked"))


def credentials(looking: Look, identity: str) -> Check:
    """After all looks: whether anybody was answered at all."""
    needed = "credentials that Google accepts"
    trouble: Any = looking.stopped
    if trouble is None:
        return good(CREDENTIALS, needed, identity or "accepted")
    return error(CREDENTIALS, needed, trouble.message, trouble.remedy or "See the message.")


def refused(trouble: GcpError) -> Check:
    """No credentials at all, or none that can be read."""
    return error(CREDENTIALS, "credentials that Google accepts", trouble.message, trouble.remedy or "See the message.")
