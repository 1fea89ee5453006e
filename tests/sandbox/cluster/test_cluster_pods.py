# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Pods on a real control plane: what is rendered really runs, and statuses say what a kubelet would say."""

from __future__ import annotations

import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.sandbox.cluster.cluster_harness import ALICE, TOKEN, ApiFailure, Cluster, eventually, tools

PYTHON = "python:3.12-slim"


def pod(name: str, *containers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"containers": list(containers), "terminationGracePeriodSeconds": 1, **spec},
    }


def shell(script: str, name: str = "main", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": PYTHON, "command": ["sh", "-c"], "args": [script], **more}


def state_of(cluster: Cluster, name: str, index: int = 0) -> dict[str, Any]:
    status: dict[str, Any] = cluster.pod(name)["status"]["containerStatuses"][index]
    return status


def waiting_for(cluster: Cluster, name: str, *reasons: str) -> dict[str, Any]:
    """The waiting state of the only container, once it has one of these reasons."""

    def look() -> dict[str, Any] | None:
        waiting: dict[str, Any] | None = state_of(cluster, name)["state"].get("waiting")
        return waiting if waiting and waiting["reason"] in reasons else None

    found: dict[str, Any] = eventually(f"{name} waits with {reasons}", look)
    return found


def ended(cluster: Cluster, name: str) -> dict[str, Any]:
    found: dict[str, Any] = eventually(
        f"{name} is over", lambda: (p := cluster.pod(name))["status"]["phase"] in ("Succeeded", "Failed") and p
    )
    return found


def condition(item: dict[str, Any], kind: str) -> dict[str, Any]:
    """Raises KeyError where there is none (yet)."""
    by_kind: dict[str, dict[str, Any]] = {entry["type"]: entry for entry in item["status"].get("conditions") or []}
    return by_kind[kind]


@pytest.fixture(scope="module", autouse=True)
def shared_objects(cluster: Cluster) -> None:
    cluster.create({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "settings"},
        "data": {"greeting": "hello", "file.txt": "from the map"},
    })  # fmt: skip
    cluster.create({
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "llm-d-hf-token"},
        "stringData": {"TOKEN": "hf_secret"},
    })  # fmt: skip


def test_a_google_token_is_an_administrator_and_an_unknown_one_is_nobody(cluster: Cluster) -> None:
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    user = cluster.api("POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", review)["status"]["userInfo"]
    assert user["username"] == ALICE
    assert "system:masters" in user["groups"]
    with pytest.raises(ApiFailure) as refused:
        cluster.raw("GET", "/api/v1/nodes", token="ya29.of-nobody")
    assert refused.value.code == 401


def test_the_cluster_has_what_gke_puts_into_one(cluster: Cluster) -> None:
    namespaces = {item["metadata"]["name"] for item in cluster.api("GET", "/api/v1/namespaces")["items"]}
    assert {"gmp-system", "gke-managed-system", "kube-system", "default"} <= namespaces
    classes = cluster.api("GET", "/apis/storage.k8s.io/v1/storageclasses")["items"]
    assert "standard-rwo" in {item["metadata"]["name"] for item in classes}
    definitions = cluster.api("GET", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions")["items"]
    assert "podmonitorings.monitoring.googleapis.com" in {item["metadata"]["name"] for item in definitions}


def test_environment_command_and_volumes_are_rendered(cluster: Cluster) -> None:
    mounts = [{"name": "map", "mountPath": "/map"}, {"name": "secret", "mountPath": "/secret"}]
    mounts.append({"name": "map", "mountPath": "/etc/one.txt", "subPath": "sub/renamed.txt"})
    mounts.append({"name": "who", "mountPath": "/who"})
    main = shell(
        'echo "$TOKEN $GREETING $IP $NODE $URL $0" "$(pwd)"; cat /map/sub/renamed.txt; echo; cat /secret/TOKEN; echo; '
        "cat /etc/one.txt; echo; stat -Lc %a /secret/TOKEN; cat /who/labels; echo; hostname; "
        "echo $KUBERNETES_SERVICE_HOST; wc -c < /var/run/secrets/kubernetes.io/serviceaccount/token; touch /map/new",
        workingDir="/work",
        env=[
            {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "llm-d-hf-token", "key": "TOKEN"}}},
            {"name": "GREETING", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "greeting"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}},
            {"name": "URL", "value": "http://$(IP):8000/$(NOPE)"},
        ],
        volumeMounts=mounts,
    )
    main["args"].append("$(GREETING)-argument")
    volumes = [
        {"name": "map", "configMap": {"name": "settings", "items": [{"key": "file.txt", "path": "sub/renamed.txt"}]}},
        {"name": "secret", "secret": {"secretName": "llm-d-hf-token", "defaultMode": 0o400}},
        {
            "name": "who",
            "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels['app']"}}]},
        },
    ]
    cluster.create(pod("rendered", main, restartPolicy="Never", volumes=volumes))
    over = ended(cluster, "rendered")
    lines = cluster.log("rendered", "main").splitlines()
    ip = over["status"]["podIP"]
    assert lines[0] == (f"hf_secret hello {ip} gke-test-default-pool-1 http://{ip}:8000/$(NOPE) hello-argument /work")
    assert lines[1:4] == ["from the map", "hf_secret", "from the map"]
    assert lines[4:8] == ["400", "rendered", "rendered", "34.118.224.1"]
    assert int(lines[8]) > 500
    # A config map is read-only, whatever the mount says.
    assert "Read-only file system" in lines[9]
    assert over["status"]["phase"] == "Failed"
    assert state_of(cluster, "rendered")["state"]["terminated"]["exitCode"] == 1


def test_init_containers_and_native_sidecars_run_in_order(cluster: Cluster) -> None:
    volume = {"name": "shared", "mountPath": "/shared"}
    first = shell("echo one > /shared/log", "first", volumeMounts=[volume])
    sidecar = {
        "name": "sidecar",
        "image": PYTHON,
        "restartPolicy": "Always",
        "command": ["python3", "-m", "http.server", "9000"],
        "startupProbe": {"tcpSocket": {"port": 9000}, "periodSeconds": 30},
    }
    fetch = "import urllib.request; print(urllib.request.urlopen('http://127.0.0.1:9000').status)"
    main = shell(f'cat /shared/log; python3 -c "{fetch}"', volumeMounts=[volume])
    spec = {"initContainers": [first, sidecar], "volumes": [{"name": "shared", "emptyDir": {"medium": "Memory"}}]}
    cluster.create(pod("ordered", main, restartPolicy="Never", **spec))
    over = ended(cluster, "ordered")
    # The sidecar was up before the main container, and was stopped after it.
    assert cluster.log("ordered", "main").splitlines() == ["one", "200"]
    assert over["status"]["phase"] == "Succeeded"
    assert condition(over, "Initialized")["status"] == "True"
    states = {item["name"]: item["state"]["terminated"] for item in over["status"]["initContainerStatuses"]}
    assert states["first"]["exitCode"] == 0
    assert states["sidecar"]["exitCode"] in (137, 143)


def test_a_crashing_container_is_restarted_with_growing_pauses(cluster: Cluster) -> None:
    cluster.create(pod("crashing", shell("echo dying; exit 3")))
    waiting = waiting_for(cluster, "crashing", "CrashLoopBackOff")
    assert waiting["message"].startswith("back-off 10s restarting failed container=main pod=crashing_default(")
    status = eventually(
        "two restarts", lambda: (s := state_of(cluster, "crashing"))["restartCount"] >= 2 and s["lastState"] and s
    )
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["lastState"]["terminated"]["reason"] == "Error"
    assert cluster.pod("crashing")["status"]["phase"] == "Running"
    assert eventually("a former run's log", lambda: cluster.log("crashing", "main", previous="true")) == "dying\n"
    eventually("an event", lambda: "BackOff" in dict(cluster.events("crashing")))


def test_a_missing_secret_key_is_a_configuration_error_until_it_is_there(cluster: Cluster) -> None:
    reference = {"secretKeyRef": {"name": "llm-d-hf-token", "key": "HF_TOKEN"}}
    main = shell("echo $HF_TOKEN; sleep 100", env=[{"name": "HF_TOKEN", "valueFrom": reference}])
    cluster.create(pod("keyless", main))
    waiting = waiting_for(cluster, "keyless", "CreateContainerConfigError")
    assert waiting["message"] == "couldn't find key HF_TOKEN in Secret default/llm-d-hf-token"
    eventually("an event", lambda: ("Failed", f"Error: {waiting['message']}") in cluster.events("keyless"))
    patch = {"stringData": {"HF_TOKEN": "hf_late"}}
    cluster.raw(
        "PATCH", "/api/v1/namespaces/default/secrets/llm-d-hf-token", patch, kind="application/merge-patch+json"
    )
    assert eventually("the container starts", lambda: cluster.log("keyless", "main")) == "hf_late\n"


def test_images_that_nobody_has(cluster: Cluster) -> None:
    cluster.create(pod("unknown-image", {"name": "main", "image": "example.com/no/such:v1"}))
    cluster.create(pod("bad-image", {"name": "main", "image": "Example/No:v1"}))
    waiting_for(cluster, "unknown-image", "ErrImagePull")
    waiting = waiting_for(cluster, "unknown-image", "ImagePullBackOff")
    assert 'Back-off pulling image "example.com/no/such:v1"' in waiting["message"]
    assert "must be lowercase" in waiting_for(cluster, "bad-image", "InvalidImageName")["message"]
    assert cluster.pod("unknown-image")["status"]["phase"] == "Pending"


def test_a_program_that_is_not_in_the_image(cluster: Cluster) -> None:
    cluster.create(pod("no-program", {"name": "main", "image": PYTHON, "command": ["/no/such"]}, restartPolicy="Never"))
    ended(cluster, "no-program")
    terminated = state_of(cluster, "no-program")["state"]["terminated"]
    assert (terminated["reason"], terminated["exitCode"]) == ("StartError", 128)
    assert "executable file not found" in terminated["message"]


def test_a_container_can_say_why_it_ended(cluster: Cluster) -> None:
    spoken = shell("echo no chips > /dev/termination-log; exit 2", "spoken")
    logged = shell("echo one; echo two; exit 2", "logged", terminationMessagePolicy="FallbackToLogsOnError")
    cluster.create(pod("reasons", spoken, logged, restartPolicy="Never"))
    ended(cluster, "reasons")
    messages = [state_of(cluster, "reasons", index)["state"]["terminated"]["message"] for index in (0, 1)]
    assert messages == ["no chips\n", "one\ntwo"]


def test_a_volume_of_the_node_is_refused(cluster: Cluster) -> None:
    volumes = [{"name": "root", "hostPath": {"path": "/"}}]
    cluster.create(pod("curious", shell("true"), volumes=volumes))
    eventually(
        "the refusal is an event",
        lambda: any(
            reason == "FailedMount" and 'volume "root" : the sandbox' in text
            for reason, text in cluster.events("curious")
        ),
    )
    assert state_of(cluster, "curious")["state"]["waiting"]["reason"] == "ContainerCreating"


def test_jobs_succeed_and_fail_by_exit_code(cluster: Cluster) -> None:
    for name, code in (("good", 0), ("bad", 7)):
        template = {"spec": {"restartPolicy": "Never", "containers": [shell(f"exit {code}")]}}
        cluster.create({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {"name": name},
            "spec": {"backoffLimit": 0, "template": template},
        })  # fmt: skip

    def job(name: str) -> dict[str, Any]:
        status: dict[str, Any] = cluster.api("GET", f"/apis/batch/v1/namespaces/default/jobs/{name}")["status"]
        return status

    eventually("the good job is complete", lambda: job("good").get("succeeded") == 1)
    eventually("the bad job failed", lambda: job("bad").get("failed") == 1)
    eventually(
        "the failure is final",
        lambda: any(item["type"] == "Failed" and item["status"] == "True" for item in job("bad")["conditions"]),
    )


def test_a_pod_that_may_only_run_for_so_long(cluster: Cluster) -> None:
    cluster.create(pod("slow", shell("sleep 1000"), activeDeadlineSeconds=1))
    over = ended(cluster, "slow")
    assert (over["status"]["phase"], over["status"]["reason"]) == ("Failed", "DeadlineExceeded")


def test_a_claim_gets_a_folder_that_outlives_the_pod(cluster: Cluster) -> None:
    cluster.create({
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "disk"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    })  # fmt: skip
    volumes = [{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]
    mounts = [{"name": "disk", "mountPath": "/disk"}]
    for name, script in (("writer", "echo kept > /disk/file"), ("reader", "cat /disk/file")):
        cluster.create(pod(name, shell(script, volumeMounts=mounts), restartPolicy="Never", volumes=volumes))
        assert ended(cluster, name)["status"]["phase"] == "Succeeded"
    assert cluster.log("reader", "main") == "kept\n"


def test_a_deployment_becomes_ready_and_is_reachable_as_on_a_cluster(cluster: Cluster) -> None:
    serve = (
        "import os, http.server as h; open('page', 'w').write(os.environ['POD']); "
        "h.test(h.SimpleHTTPRequestHandler, port=8000)"
    )
    container = {
        "name": "web",
        "image": PYTHON,
        "command": ["python3", "-c", serve],
        "env": [{"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "workingDir": "/srv/web",
        "ports": [{"name": "http", "containerPort": 8000}],
        "startupProbe": {"httpGet": {"path": "/page", "port": "http"}, "periodSeconds": 30, "initialDelaySeconds": 15},
        "readinessProbe": {"httpGet": {"path": "/page", "port": "http"}, "periodSeconds": 10},
        "livenessProbe": {"exec": {"command": ["test", "-f", "page"]}, "periodSeconds": 10},
    }
    labels = {"app": "web"}
    began = time.monotonic()
    cluster.create({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": 2,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    })  # fmt: skip
    service = {"selector": labels, "ports": [{"port": 80, "targetPort": "http"}]}
    cluster.create({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service})

    def available() -> bool:
        status = cluster.api("GET", "/apis/apps/v1/namespaces/default/deployments/web")["status"]
        return bool(status.get("availableReplicas") == 2)

    eventually("both replicas are available", available)
    assert time.monotonic() - began < 15, "a startup delay of 15 s is a quarter of a second on the sandbox's clock"
    pods = {item["metadata"]["name"]: item["status"]["podIP"] for item in cluster.pods("app=web")}
    assert len(set(pods.values())) == 2
    for name in pods:
        assert cluster.raw("GET", f"/api/v1/namespaces/default/pods/{name}:8000/proxy/page") == name
    # From inside: the service's address, its name, and the pod's own identity at the API server.
    fetch = "import urllib.request as u; print(u.urlopen('http://web.default/page').read().decode())"
    cluster.create(pod("client", shell(f'for i in 1 2 3 4; do python3 -c "{fetch}"; done'), restartPolicy="Never"))
    assert ended(cluster, "client")["status"]["phase"] == "Succeeded"
    assert set(cluster.log("client", "main").split()) == set(pods)
    # A deleted pod is replaced, and its address is no longer in the way.
    victim = sorted(pods)[0]
    cluster.delete_pod(victim)
    eventually("the pod is gone", lambda: victim not in {item["metadata"]["name"] for item in cluster.pods("app=web")})
    eventually("the replacement is available", available)


def test_readiness_is_lost_and_found_without_a_restart(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["test", "-f", "/state/ok"]}, "failureThreshold": 1, "periodSeconds": 1}
    mount = {"name": "state", "mountPath": "/state"}
    script = "touch /state/ok; sleep 3; rm /state/ok; sleep 3; touch /state/ok; sleep 1000"
    volumes = [{"name": "state", "emptyDir": {}}]
    cluster.create(pod("moody", shell(script, readinessProbe=probe, volumeMounts=[mount]), volumes=volumes))

    def is_ready(expected: str) -> bool:
        return bool(condition(cluster.pod("moody"), "Ready")["status"] == expected)

    eventually("ready", lambda: is_ready("True"))
    eventually("not ready", lambda: is_ready("False"))
    lost = condition(cluster.pod("moody"), "Ready")
    assert lost["reason"] == "ContainersNotReady"
    eventually("ready again", lambda: is_ready("True"))
    assert state_of(cluster, "moody")["restartCount"] == 0


def test_a_failed_liveness_probe_restarts_the_container(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["false"]}, "failureThreshold": 1, "periodSeconds": 1}
    cluster.create(pod("sick", shell("trap 'exit 0' TERM; while :; do sleep 0.1; done", livenessProbe=probe)))
    eventually("a restart", lambda: state_of(cluster, "sick")["restartCount"] >= 1)
    reasons = [f"{reason}: {message}" for reason, message in cluster.events("sick")]
    assert "Killing: Container main failed liveness probe, will be restarted" in reasons
    assert any(item.startswith("Unhealthy: Liveness probe failed") for item in reasons)


def test_a_pod_is_given_time_to_end(cluster: Cluster) -> None:
    script = "trap 'echo ending; sleep 0.3; echo ended; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    hooks = {
        "postStart": {"exec": {"command": ["sh", "-c", "sleep 0.2; echo begun > /proc/1/fd/1"]}},
        "preStop": {"exec": {"command": ["sh", "-c", "echo warned > /proc/1/fd/1"]}},
    }
    cluster.create(pod("polite", shell(script, lifecycle=hooks), terminationGracePeriodSeconds=60))
    eventually("up", lambda: cluster.log("polite", "main") == "up\nbegun\n")
    seen: list[str] = []
    follower = threading.Thread(target=lambda: seen.append(cluster.log("polite", "main", follow="true")))
    follower.start()
    began = time.monotonic()
    cluster.delete_pod("polite")

    def gone() -> bool:
        try:
            cluster.pod("polite")
        except ApiFailure as failure:
            return bool(failure.code == 404)
        return False

    eventually("the object is gone", gone)
    assert 0.3 < time.monotonic() - began < 5
    follower.join(5)
    assert seen == ["up\nbegun\nwarned\nending\nended\n"]


@pytest.fixture(name="kubectl")
def kubectl_fixture(cluster: Cluster, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = shutil.which("kubectl") or str(tools() / "bin" / "kubectl")
    config = tmp_path / "kubeconfig"
    config.write_text(
        f"apiVersion: v1\nkind: Config\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: c, user: u}}}}]\n"
        f"clusters: [{{name: c, cluster: {{server: 'https://{cluster.endpoint}', "
        f"certificate-authority: {cluster.directory}/pki/ca.crt}}}}]\nusers: [{{name: u, user: {{token: {TOKEN}}}}}]\n"
    )

    def run(*arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = [program, "--kubeconfig", str(config), *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, timeout=30, check=False)

    return run


def test_commands_in_a_running_container(cluster: Cluster, kubectl: Callable[..., Any], tmp_path: Path) -> None:
    cluster.create(pod("box", shell("sleep 1000", env=[{"name": "MINE", "value": "set"}])))
    eventually("running", lambda: cluster.pod("box")["status"]["phase"] == "Running")
    found = kubectl("exec", "-i", "box", "--", "sh", "-c", "cat; echo $MINE; echo oops >&2; exit 3", given="typed\n")
    assert found.stdout == "typed\nset\n"
    assert found.stderr.startswith("oops\n")
    assert found.returncode == 3
    many = kubectl("exec", "box", "--", "seq", "100000")
    assert many.stdout.splitlines()[-1] == "100000" and len(many.stdout.splitlines()) == 100000
    assert "executable file not found" in kubectl("exec", "box", "--", "/no/such").stderr


def test_commands_over_websocket(cluster: Cluster) -> None:
    """As the Python client, and so kubernetes.core, does it."""
    from kubernetes import client, stream

    cluster.create(pod("socket", shell("sleep 1000")))
    eventually("running", lambda: cluster.pod("socket")["status"]["phase"] == "Running")
    settings = client.Configuration(host=f"https://{cluster.endpoint}")
    settings.ssl_ca_cert = str(cluster.directory / "pki" / "ca.crt")
    settings.api_key = {"authorization": f"Bearer {TOKEN}"}
    api = client.CoreV1Api(client.ApiClient(settings))
    session = stream.stream(
        api.connect_get_namespaced_pod_exec, "socket", "default", command=["sh", "-c", "echo out; exit 4"],
        stdout=True, stderr=True, stdin=False, tty=False, _preload_content=False,
    )  # fmt: skip
    session.run_forever(timeout=10)
    assert session.read_stdout() == "out\n"
    assert session.returncode == 4


def test_logs_by_kubectl(cluster: Cluster, kubectl: Callable[..., Any]) -> None:
    cluster.create(
        pod("talker", shell("for i in 1 2 3 4 5; do echo line $i; done; echo oops >&2"), restartPolicy="Never")
    )
    ended(cluster, "talker")

    def logs(*options: str) -> list[str]:
        found = kubectl("logs", "talker", *options)
        assert found.returncode == 0, found.stderr
        lines: list[str] = found.stdout.splitlines()
        return lines

    assert sorted(logs()) == ["line 1", "line 2", "line 3", "line 4", "line 5", "oops"]
    assert len(logs("--tail=2")) == 2
    stamped = logs("--timestamps", "--tail=1")[0]
    assert stamped[:4].isdigit() and stamped.partition(" ")[0].endswith("Z")
    assert "".join(logs("--limit-bytes=4")) == "line"


def test_statuses_are_complete(cluster: Cluster) -> None:
    cluster.create(pod("plain", shell("sleep 1000")))
    running = eventually("running", lambda: (p := cluster.pod("plain"))["status"]["phase"] == "Running" and p)
    running = eventually("ready", lambda: condition(p := cluster.pod("plain"), "Ready")["status"] == "True" and p)
    status = running["status"]
    kinds = {item["type"]: item["status"] for item in status["conditions"]}
    assert kinds == dict.fromkeys(
        ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"], "True"
    )
    assert status["hostIP"] == "10.10.0.16"
    assert status["podIP"].startswith("10.64.0.")
    assert status["podIPs"] == [{"ip": status["podIP"]}]
    container = status["containerStatuses"][0]
    assert container["containerID"].startswith("containerd://")
    assert container["started"] and container["ready"]
    assert {"Scheduled", "Pulled", "Created", "Started"} <= {reason for reason, _ in cluster.events("plain")}


def test_audit_log_has_who_did_what_and_no_secret(cluster: Cluster) -> None:
    text = (cluster.directory / "audit.log").read_text()
    assert ALICE in text
    assert "hf_secret" not in text and TOKEN not in text
