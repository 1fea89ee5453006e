# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""From the options of the helmfile module to one run of the engine.

This file is private to the collection.
"""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING, Any

from ._clock import Clock
from ._helmfile import Converger, Wishes
from ._helmfile_cli import Helmfile, HelmfileError, Settings, as_run
from ._kubernetes import Cluster, connect

if TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

DEFAULT_KUBECONFIG = "~/.kube/config"


def run(module: AnsibleModule) -> dict[str, Any]:
    """Do what the options say, in a folder of its own that does not outlive the module."""
    options = module.params
    if not os.path.isfile(options["file"]):
        raise HelmfileError(f"There is no helmfile {options['file']}", remedy="Give the path of a helmfile.")
    kubeconfig = options["kubeconfig"] or os.path.expanduser(DEFAULT_KUBECONFIG)
    settings = Settings(
        file=options["file"],
        environment=options["environment"],
        namespace=options["namespace"] or "",
        kubeconfig=kubeconfig,
        kube_context=options["context"] or "",
        helmfile=program(options["binary_path"], "helmfile"),
        helm=program(options["helm_binary"], "helm"),
        state_values=options["state_values"],
        skip_deps=options["skip_deps"],
    )
    wishes = Wishes(
        state=options["state"],
        respect=tuple(options["respect_field_managers"]),
        recreate=options["recreate"],
        wait=options["wait"],
        wait_timeout=options["wait_timeout"],
        pending_timeout=options["pending_timeout"],
        poll_interval=options["poll_interval"],
    )
    helmfile = Helmfile(as_run(module.run_command), settings, module.tmpdir)
    versions = helmfile.check_versions()
    cluster = _cluster(kubeconfig, options["context"], module.check_mode)
    result = Converger(helmfile, cluster, wishes, Clock()).run(module.check_mode)
    if not module._diff:
        result.pop("diff")
    return {**result, "versions": versions}


def _cluster(kubeconfig: str, context: str | None, check_mode: bool) -> Cluster | None:
    """In check mode, a kubeconfig that is still to be written stands for a cluster that is still to be made."""
    if check_mode and not os.path.exists(kubeconfig):
        return None
    return connect(kubeconfig, context)


def program(path: str | None, name: str) -> str:
    """The full path of a program: the one named, or the one on PATH."""
    found = shutil.which(path or name)
    if found is None:
        raise HelmfileError(
            f"{path} is not a program that can be run" if path else f"{name} is not on PATH",
            reason="NotFound",
            remedy=f"Install {name}, or name it by the option for its path.",
        )
    return found
