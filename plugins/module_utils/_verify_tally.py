# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""What was counted while the prompts ran: by pod, by role, and by the endpoint picker. Pure functions.

This file is private to the collection.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ._verify_evidence import Evidence, Server
from ._verify_metrics import Sample, fallen, families, grown, histogram, parse, total

# The counter of the endpoint picker's decisions, by the versions it goes by.
DECISIONS = (
    "llm_d_epp_disagg_decision_total",
    "llm_d_inference_scheduler_disagg_decision_total",
    "llm_d_inference_scheduler_pd_decision_total",
)
TOKENS_BY_SOURCE = "vllm:prompt_tokens_by_source"
EXTERNAL_HITS = "vllm:external_prefix_cache_hits"
TPU_TRANSFERS, TPU_MEGABYTES = "vllm:tpu_kv_transfer_time_ms", "vllm:tpu_kv_megabytes_transferred"
NIXL_TRANSFERS, NIXL_BYTES = "vllm:nixl_xfer_time_seconds", "vllm:nixl_bytes_transferred"
WAITING_PULL = "vllm:tpu_num_requests_waiting_pull"
UNFINISHED = ("error", "abort")


@dataclass(frozen=True)
class Counted:
    """One model server's share."""

    name: str
    server: Server
    requests: float
    # Ended in an error, or given up by who asked; the latter alone.
    errors: float
    aborted: float
    prompt_tokens: float
    generated: float
    # Tokens whose keys and values came from another pod; None where this vLLM does not tell.
    external: float | None
    # Transfers of the connector; None where it does not tell, or where there is no connector.
    transfers: float | None
    megabytes: float
    failed: float
    # Requests whose blocks nobody has fetched yet, before and after.
    held: tuple[float, float]
    block_size: int
    restarted: str

    @property
    def role(self) -> str:
        return self.server.role

    @property
    def moved(self) -> bool:
        return bool(self.external or self.transfers)


@dataclass(frozen=True)
class Tally:
    """Everything that was counted."""

    evidence: Evidence
    pods: Mapping[str, Counted]
    # Decisions of the endpoint picker by kind; None when they could not be read.
    decisions: Mapping[str, float] | None

    def role(self, role: str) -> list[Counted]:
        return [pod for pod in self.pods.values() if pod.role == role]

    def sum(self, role: str, field: str) -> float:
        """A counter over the pods of a role; what is not told counts as nothing."""
        return float(sum(getattr(pod, field) or 0 for pod in self.role(role)))

    def told(self, role: str, field: str) -> bool:
        """Whether any pod of a role tells this counter."""
        return any(getattr(pod, field) is not None for pod in self.role(role))

    @property
    def asked(self) -> int:
        return len(self.evidence.asked)

    @property
    def answered(self) -> int:
        return sum(each.status == 200 for each in self.evidence.asked)

    @property
    def prompt_tokens(self) -> int:
        """Of the prompts that were answered."""
        return sum(each.prompt_tokens for each in self.evidence.asked if each.status == 200)

    @property
    def most_prompt_tokens(self) -> int:
        """What all prompts together can have been counted as, answered or not; 0 when no length is known."""
        lengths = [each.prompt_tokens for each in self.evidence.asked if each.prompt_tokens]
        return sum(each.prompt_tokens or max(lengths) for each in self.evidence.asked) if lengths else 0

    def block_sizes(self, role: str) -> set[int]:
        return {pod.block_size for pod in self.role(role) if pod.block_size}

    @property
    def block_size(self) -> int:
        """The one in effect: blocks are what decode fetches."""
        sizes = self.block_sizes("decode") or self.block_sizes("prefill") or {self.evidence.block_size}
        return max(sizes)

    @property
    def expected_tokens(self) -> int:
        """Only whole blocks are handed over."""
        size = max(self.block_size, 1)
        return sum(each.prompt_tokens // size * size for each in self.evidence.asked if each.status == 200)

    def settings(self, role: str, field: str) -> set[object]:
        """What the pods of a role were told; what is not known is left out."""
        told = {getattr(pod.server.settings, field) for pod in self.role(role)}
        return {value for value in told if value not in ("?", "", 0)}


def tally(evidence: Evidence) -> Tally:
    """Count."""
    pods = {name: _counted(name, server) for name, server in evidence.servers.items()}
    picker = evidence.picker
    decisions = None
    if picker and not picker.trouble:
        before, after = parse(picker.before), parse(picker.after)
        decisions = {
            kind: grown(_decisions(before, kind), _decisions(after, kind)) for kind in ("prefill-decode", "decode-only")
        }
    return Tally(evidence, pods, decisions)


def _decisions(samples: list[Sample], kind: str) -> float:
    return total(samples, *DECISIONS, decision_type=kind)


def _counted(name: str, server: Server) -> Counted:
    old, new = parse(server.before), parse(server.after)
    known = families(server.before) | families(server.after)

    def growth(counter: str, **labels: str) -> float:
        return grown(total(old, counter, **labels), total(new, counter, **labels))

    def has(family: str) -> bool:
        return any(each.startswith(family) for each in known)

    external = transfers = None
    if has(TOKENS_BY_SOURCE):
        external = growth(f"{TOKENS_BY_SOURCE}_total", source="external_kv_transfer")
    elif has(EXTERNAL_HITS):
        external = growth(f"{EXTERNAL_HITS}_total")
    megabytes = growth(f"{TPU_MEGABYTES}_sum")
    if has(TPU_TRANSFERS):
        transfers = growth(f"{TPU_TRANSFERS}_count")
    elif has(NIXL_TRANSFERS):
        transfers, megabytes = growth(f"{NIXL_TRANSFERS}_count"), growth(f"{NIXL_BYTES}_sum") / 1024**2
    finished = growth("vllm:request_success_total")
    errors = sum(growth("vllm:request_success_total", finished_reason=reason) for reason in UNFINISHED)
    sizes = [each.labels.get("block_size", "") for each in new if each.name == "vllm:cache_config_info"]
    return Counted(
        name=name,
        server=server,
        requests=finished - errors,
        errors=errors,
        aborted=growth("vllm:request_success_total", finished_reason="abort"),
        prompt_tokens=growth("vllm:prompt_tokens_total"),
        generated=growth("vllm:generation_tokens_total"),
        external=external,
        transfers=transfers,
        megabytes=megabytes,
        failed=growth("vllm:tpu_num_failed_transfers_total") + growth("vllm:nixl_num_failed_transfers_total"),
        held=(total(old, WAITING_PULL), total(new, WAITING_PULL)),
        block_size=next((int(size) for size in sizes if size.isdigit()), 0),
        restarted=_restarted(server, old, new),
    )


def _restarted(server: Server, old: list[Sample], new: list[Sample]) -> str:
    """Why this pod's counters cannot be compared; empty when they can."""
    if server.trouble:
        return server.trouble
    starts = [total(samples, "process_start_time_seconds") for samples in (old, new)]
    if all(starts) and starts[0] != starts[1]:
        return "its process began anew"
    if fell := fallen(server.before, server.after):
        return f"its counters fell ({', '.join(fell[:3])}): it restarted"
    return ""


def timings(pods: Iterable[Counted]) -> dict[str, float | None]:
    """How long transfers took, over these pods: the mean, and the slowest pod's p90."""
    found: dict[str, float | None] = {}
    for label, name in (("prepare_ms", "vllm:tpu_kv_prepare_time_ms"), ("transfer_ms", TPU_TRANSFERS)):
        seen = [histogram(pod.server.before, pod.server.after, name) for pod in pods]
        count, whole = sum(each.count for each in seen), sum(each.total for each in seen)
        slowest = [each.p90 for each in seen if each.p90 is not None]
        found[f"{label}_mean"] = round(whole / count, 3) if count else None
        found[f"{label}_p90"] = round(max(slowest), 3) if slowest else None
    return found
