# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
"""Workload Identity: service accounts, a bucket, and who may do what with them. No keys.

This file is private to the collection.
"""

from __future__ import annotations

import re
import urllib.parse
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .. import _ownership as ownership
from .._clients import Cloud
from .._clock import Deadline
from .._errors import ApiError, Json, NotFoundError, NotVisibleError, OptionError, OwnershipError
from .._fields import Field, Update, argument_spec, same_set, same_value, wanted_body
from .._plan import Kind, Policy, Target
from .policies import Grant, all_held, held, none_held, with_grants, without_grants

USER = "roles/iam.workloadIdentityUser"
ANNOTATION = "iam.gke.io/gcp-service-account"
ACCOUNT_ID = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]")
BUCKET_NAME = re.compile(r"[a-z0-9][-a-z0-9_.]{1,220}[a-z0-9]")
SHARED_NAMES = (
    "Bucket names are shared by all of Google Cloud. Choose another name; or, if it is yours, give the identity "
    "storage.buckets.get on it."
)

# ---- rules of our own ----------------------------------------------------------------------------------------------


def same_word(wanted: Any, found: Any, _resource: Json) -> bool:
    """Locations and storage classes come back in capitals."""
    return str(wanted or "").upper() == str(found or "").upper()


def same_seconds(wanted: Any, found: Any, _bucket: Json) -> bool:
    return int(wanted or 0) == int(found or 0)


def same_prevention(wanted: Any, found: Any, _bucket: Json) -> bool:
    """`inherited` is what Google fills in."""
    return (wanted or "inherited") == (found or "inherited")


def labels_there(wanted: Any, found: Any, _bucket: Json) -> bool:
    """A PATCH adds labels; those of others stay."""
    return {**(found or {}), **wanted} == (found or {})


# ---- tables --------------------------------------------------------------------------------------------------------


def _patch_account(name: str) -> Update:
    return Update(
        "iam.projects.serviceAccounts.patch", base=name, into=f"serviceAccount.{name}", constant={"updateMask": name}
    )


ACCOUNT = Kind(
    noun="service account",
    family="iam.projects.serviceAccounts",
    path="projects/{project}/serviceAccounts/{email}",
    envelope="serviceAccount",
    name_key="accountId",
    mark_later=True,
    rows=(
        Field("display_name", update=_patch_account("displayName")),
        Field("description", same=ownership.same_text, update=_patch_account("description")),
    ),
)

PATCH_BUCKET = Update("storage.buckets.patch")
ANOTHER_BUCKET = "A bucket cannot move or change its kind: choose another name, or delete it first."
_RULE = (
    Field(
        "action",
        path="action.type",
        required=True,
        choices=("Delete", "SetStorageClass", "AbortIncompleteMultipartUpload"),
    ),
    Field("storage_class", path="action.storageClass"),
    Field("age", "int", path="condition.age"),
    Field("is_live", "bool", path="condition.isLive"),
    Field("num_newer_versions", "int", path="condition.numNewerVersions"),
    Field("matches_prefix", "list", path="condition.matchesPrefix"),
)

BUCKET = Kind(
    noun="bucket",
    family="storage.buckets",
    path="b/{name}",
    item="bucket",
    mark="labels",
    mark_later=True,
    rows=(
        Field("location", same=same_word, remedy=ANOTHER_BUCKET),
        Field("storage_class", same=same_word, update=PATCH_BUCKET),
        Field("hierarchical_namespace", "bool", path="hierarchicalNamespace.enabled", remedy=ANOTHER_BUCKET),
        Field(
            "uniform_bucket_level_access",
            "bool",
            path="iamConfiguration.uniformBucketLevelAccess.enabled",
            default=True,
            update=PATCH_BUCKET,
            remedy="Google allows this for 90 days after it was switched on.",
        ),
        Field(
            "public_access_prevention",
            path="iamConfiguration.publicAccessPrevention",
            choices=("enforced", "inherited"),
            default="enforced",
            same=same_prevention,
            update=PATCH_BUCKET,
        ),
        Field("versioning", "bool", path="versioning.enabled", same=same_value, update=PATCH_BUCKET),
        Field(
            "soft_delete_seconds",
            "int64",
            path="softDeletePolicy.retentionDurationSeconds",
            same=same_seconds,
            update=PATCH_BUCKET,
        ),
        Field("lifecycle_rules", path="lifecycle.rule", items=_RULE, same=same_set, update=PATCH_BUCKET),
        Field("labels", "dict", same=labels_there, update=PATCH_BUCKET),
    ),
)

OBJECT = Kind(
    noun="object",
    family="storage.objects",
    path="b/{bucket}/o/{object}#{generation}",
    mark="",
    rows=(),
)


def _access(noun: str, path: str, update: Update, item: str = "") -> tuple[Kind, Kind]:
    """The policy of a resource, once for grants to be there, once for grants to be gone."""

    def kind(rule: Callable[[Any, Any, Json], bool]) -> Kind:
        rows = (Field("granted", "list", same=rule, update=update),)
        family = update.method.rpartition(".")[0]
        return Kind(noun=noun, family=family, path=path, item=item, mark="", rows=rows, always=True)

    return kind(all_held), kind(none_held)


ACCOUNT_ACCESS = _access(
    "access to service account",
    "projects/{project}/serviceAccounts/{email}#policy",
    Update(
        "iam.projects.serviceAccounts.setIamPolicy",
        bare=True,
        constant={"policy.version": 3},
        server={"policy": "merged"},
    ),
)
BUCKET_ACCESS = _access(
    "access to bucket",
    "b/{name}#policy",
    Update(
        "storage.buckets.setIamPolicy",
        bare=True,
        constant={"version": 3},
        server={key: f"merged.{key}" for key in ("bindings", "etag", "kind", "resourceId")},
    ),
    "bucket",
)
POLICY_OF = {ACCOUNT_ACCESS[0].noun: "iam.projects.serviceAccounts.getIamPolicy"}

OPTIONS: Json = {
    "workload_pool": {"type": "str"},
    "project_number": {"type": "str"},
    "identities": {
        "type": "list",
        "elements": "dict",
        "default": [],
        "options": {
            "name": {"type": "str", "required": True},
            "namespace": {"type": "str", "required": True},
            "service_account": {"type": "str"},
            **argument_spec(ACCOUNT.rows),
            "bucket_roles": {"type": "list", "elements": "str", "default": []},
        },
    },
    "bucket": {
        "type": "dict",
        "options": {
            "name": {"type": "str", "required": True},
            "manage": {"type": "bool", "default": True},
            "delete_objects": {"type": "bool", "default": False},
            **argument_spec(BUCKET.rows),
        },
    },
}


# ---- declaration ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Account:
    """A service account of Google's, by its e-mail address."""

    email: str
    project: str
    # Ours to make and to change; otherwise somebody's, given by its address.
    managed: bool = True
    wanted: Json = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.email.partition("@")[0]

    @property
    def scope(self) -> dict[str, str]:
        return {"project": self.project, "email": self.email}

    def target(self, present: bool, after: frozenset[str] = frozenset()) -> Target:
        return Target(ACCOUNT, self.id, self.scope, self.wanted, present, after)

    def access(self, grants: list[Grant], present: bool, after: frozenset[str] = frozenset()) -> Target:
        kind = ACCOUNT_ACCESS[0 if present else 1]
        wanted = {"granted": [str(grant) for grant in grants] if present else []}
        return Target(kind, self.id, self.scope, wanted, True, after, unmarked=True)


@dataclass
class WorkloadIdentityDeclaration:
    """Kubernetes service accounts as identities of Google Cloud, and the bucket that they may use."""

    params: Mapping[str, Any]
    project: str
    policy: Policy
    noun: str = "parts of the workload identity"
    limit: int = 8
    _known: Mapping[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for account in self._accounts().values():
            if account.managed and not ACCOUNT_ID.fullmatch(account.id):
                raise OptionError(
                    f"service_account: {account.id!r} is not a service account's name (6 to 30 of a-z, 0-9 and -, "
                    "beginning with a letter), nor an e-mail address"
                )
        if self._bucket and not BUCKET_NAME.fullmatch(self._bucket["name"]):
            raise OptionError(f"bucket.name: {self._bucket['name']!r} is not a bucket's name")
        names = [(identity["namespace"], identity["name"]) for identity in self._identities]
        for name in names:
            if names.count(name) > 1:
                raise OptionError(f"identities names {'/'.join(name)} twice")
        if any(identity["bucket_roles"] for identity in self._identities) and not self._bucket:
            raise OptionError("bucket_roles are given, but no bucket")

    # -- what the options say

    @property
    def present(self) -> bool:
        return str(self.params.get("state", "present")) == "present"

    @property
    def _identities(self) -> list[Json]:
        return self.params.get("identities") or []

    @property
    def _bucket(self) -> Json:
        return self.params.get("bucket") or {}

    @property
    def pool(self) -> str:
        return str(self.params.get("workload_pool") or f"{self.project}.svc.id.goog")

    def _accounts(self) -> dict[str, Account]:
        accounts: dict[str, Account] = {}
        for identity in self._identities:
            name = str(identity.get("service_account") or "")
            if "@" in name:
                accounts.setdefault(name, Account(name, _project_of(name) or self.project, managed=False))
            elif name:
                email = f"{name}@{_domain(self.project)}"
                given = {**accounts[email].wanted} if email in accounts else {}
                accounts[email] = Account(email, self.project, wanted={**given, **wanted_body(ACCOUNT.rows, identity)})
        return accounts

    def _email(self, identity: Json) -> str:
        name = str(identity.get("service_account") or "")
        return name if "@" in name or not name else f"{name}@{_domain(self.project)}"

    def _workload(self, identity: Json) -> str:
        """The Kubernetes account as the policy of a service account names it."""
        return f"serviceAccount:{self.pool}[{identity['namespace']}/{identity['name']}]"

    def _member(self, identity: Json, found: Mapping[str, Json]) -> str:
        """The one who is given roles on the bucket."""
        if email := self._email(identity):
            return f"serviceAccount:{email}"
        number = self.params.get("project_number") or (found.get("project") or {}).get("projectNumber")
        return (
            f"principal://iam.googleapis.com/projects/{number or 'PROJECT_NUMBER'}/locations/global/"
            f"workloadIdentityPools/{self.pool}/subject/ns/{identity['namespace']}/sa/{identity['name']}"
        )

    def _account_grants(self, email: str) -> list[Grant]:
        return [Grant(USER, self._workload(i)) for i in self._identities if self._email(i) == email]

    def _bucket_grants(self, found: Mapping[str, Json]) -> list[Grant]:
        grants = [Grant(role, self._member(i, found)) for i in self._identities for role in i["bucket_roles"]]
        return list(dict.fromkeys(grants))

    # -- what is there

    def find(self, cloud: Cloud, deadline: Deadline) -> Mapping[str, Json]:
        looks: list[Callable[[], dict[str, Json]]] = []
        if self._needs_number():
            looks.append(partial(self._find_project, cloud, deadline))
        looks += [partial(self._find_account, cloud, deadline, account) for account in self._accounts().values()]
        if self._bucket:
            looks.append(partial(self._find_bucket, cloud, deadline, self._bucket["name"]))
        if not self.present and self.policy.deployment:
            looks += [partial(self._find_marked, cloud, deadline), partial(self._find_marked_buckets, cloud, deadline)]
        found: dict[str, Json] = {}
        with ThreadPoolExecutor(max(len(looks), 1)) as pool:
            for answer in pool.map(lambda look: look(), looks):
                found |= answer
        for target in self._accesses(found):
            if target.path in found:
                found[target.path] = self._view(target, found[target.path], found)
        self._known = found
        return found

    def _needs_number(self) -> bool:
        return not self.params.get("project_number") and any(
            i["bucket_roles"] and not self._email(i) for i in self._identities
        )

    def _find_project(self, cloud: Cloud, deadline: Deadline) -> dict[str, Json]:
        name = self.pool.removesuffix(".svc.id.goog")
        return {"project": cloud.call("cloudresourcemanager.projects.get", {"project": name}, deadline=deadline)}

    def _find_account(self, cloud: Cloud, deadline: Deadline, account: Account) -> dict[str, Json]:
        target = account.target(True)
        found = _single(cloud, deadline, "iam.projects.serviceAccounts.get", account.scope) if account.managed else {}
        if found is None:
            return {}
        access = account.access([], True)
        policy = _single(cloud, deadline, "iam.projects.serviceAccounts.getIamPolicy", account.scope)
        if policy is None and not account.managed and self.present:
            raise NotFoundError(
                "there is no such service account",
                resource=f"service account {account.email}",
                code=404,
                remedy="Check its address; or give a name without @, and it is made.",
            )
        return {
            **({target.path: found} if account.managed else {}),
            **({access.path: policy} if policy is not None else {}),
        }

    def _find_bucket(self, cloud: Cloud, deadline: Deadline, name: str) -> dict[str, Json]:
        try:
            bucket = self._look_at_bucket(cloud, deadline, name)
        except OwnershipError:
            if self.present:
                raise
            return {}
        if bucket is None:
            if self.present and not self._bucket["manage"]:
                raise NotFoundError(
                    "there is no such bucket",
                    resource=f"bucket {name}",
                    code=404,
                    remedy="Check its name; or leave `manage` away, and it is made.",
                )
            return {}
        found = {f"b/{name}": bucket}
        if self._identities:
            policy = cloud.call("storage.buckets.getIamPolicy", {"bucket": name}, deadline=deadline)
            found[f"b/{name}#policy"] = policy
        if not self.present and self._is_ours(bucket):
            found |= self._find_objects(cloud, deadline, name)
        return found

    @staticmethod
    def _look_at_bucket(cloud: Cloud, deadline: Deadline, name: str) -> Json | None:
        try:
            return _single(cloud, deadline, "storage.buckets.get", {"bucket": name})
        except ApiError as error:
            if error.code != 403 or "storage.buckets.get" not in error.message:
                raise
            raise OwnershipError(
                f"it is there, and not ours to see: {error.message}",
                action="use",
                resource=f"bucket {name}",
                code=403,
                reason=error.reason,
                remedy=SHARED_NAMES,
            ) from error

    def _find_objects(self, cloud: Cloud, deadline: Deadline, name: str) -> dict[str, Json]:
        """What has to go before the bucket can."""
        if not self._bucket.get("delete_objects"):
            return {}
        fields = "items(name,generation),nextPageToken"
        query = {"bucket": name, "versions": "true", "maxResults": 1000, "fields": fields}
        pages = cloud.pages("storage.objects.list", query, deadline=deadline)
        return {_object(name, item).path: item for page in pages for item in page.get("items") or []}

    def _find_marked(self, cloud: Cloud, deadline: Deadline) -> dict[str, Json]:
        """Accounts that carry our mark although the declaration does not name them (any more)."""
        pages = cloud.pages(
            "iam.projects.serviceAccounts.list", {"project": self.project, "pageSize": 100}, deadline=deadline
        )
        accounts = [account for page in pages for account in page.get("accounts") or []]
        return {account["name"]: account for account in accounts if self._has_mark(account, "description")}

    def _find_marked_buckets(self, cloud: Cloud, deadline: Deadline) -> dict[str, Json]:
        pages = cloud.pages("storage.buckets.list", {"project": self.project, "maxResults": 500}, deadline=deadline)
        found: dict[str, Json] = {}
        for page in pages:
            for bucket in page.get("items") or []:
                if self._has_mark(bucket, "labels") and bucket["name"] != self._bucket.get("name"):
                    found |= {f"b/{bucket['name']}": bucket, **self._find_objects(cloud, deadline, bucket["name"])}
        return found

    def _has_mark(self, item: Json, place: str) -> bool:
        return ownership.owner(item, place) == self.policy.deployment

    def _is_ours(self, bucket: Json) -> bool:
        if not self._bucket.get("manage", True):
            return False
        return not self.policy.deployment or self.policy.adopt or self._has_mark(bucket, "labels")

    # -- what is to be done

    def targets(self, found: Mapping[str, Json]) -> list[Target]:
        return list(self._to_make(found) if self.present else self._to_remove(found))

    def _accesses(self, found: Mapping[str, Json]) -> list[Target]:
        """The policies that the declaration is about."""
        accounts = self._accounts().values()
        made = frozenset(account.target(True).path for account in accounts if account.managed)
        targets = []
        for account in accounts:
            after = frozenset({account.target(True).path} & made)
            targets.append(account.access(self._account_grants(account.email), self.present, after))
        if grants := self._bucket_grants(found):
            name = self._bucket["name"]
            wanted = {"granted": [str(grant) for grant in grants] if self.present else []}
            after = made | ({f"b/{name}"} if self._bucket["manage"] else set())
            kind = BUCKET_ACCESS[0 if self.present else 1]
            targets.append(Target(kind, name, {}, wanted, True, frozenset(after), unmarked=True))
        return targets

    def _to_make(self, found: Mapping[str, Json]) -> Iterator[Target]:
        for account in self._accounts().values():
            if account.managed:
                yield account.target(True)
        if self._bucket and self._bucket["manage"]:
            yield Target(BUCKET, self._bucket["name"], self._scope, wanted_body(BUCKET.rows, self._bucket))
        yield from self._accesses(found)

    @property
    def _scope(self) -> dict[str, str]:
        return {"project": self.project}

    def _to_remove(self, found: Mapping[str, Json]) -> Iterator[Target]:
        """Grants first: a policy would go on naming an account that is gone. What goes takes its own policy along."""
        named = {account.target(False).path: account for account in self._accounts().values() if account.managed}
        for path, item in found.items():
            if "/serviceAccounts/" in path and "#" not in path and path not in named:
                named[path] = Account(str(item["email"]), self.project)
        going = [each for path, each in named.items() if path in found and self._goes(found[path], "description")]
        buckets = [path for path in found if path.startswith("b/") and "/o/" not in path and "#" not in path]
        leaving = {path for path in buckets if self._bucket_goes(path, found[path])}
        revoked = set()
        for access in self._accesses(found):
            owner = access.path.removesuffix("#policy")
            if access.path in found and owner not in leaving | {each.target(False).path for each in going}:
                revoked.add(access.path)
                yield Target(access.kind, access.name, access.scope, access.wanted, True, unmarked=True)
        for path in buckets:
            name = path.removeprefix("b/")
            objects = [_object(name, item) for key, item in found.items() if key.startswith(f"{path}/o/")]
            yield from objects
            if name != self._bucket.get("name") or self._bucket["manage"]:
                after = frozenset(target.path for target in objects)
                yield Target(BUCKET, name, self._scope, {}, False, after)
        for path, account in named.items():
            if path in found:
                yield account.target(False, frozenset(revoked))

    def _goes(self, item: Json, place: str) -> bool:
        return not self.policy.deployment or self.policy.adopt or self._has_mark(item, place)

    def _bucket_goes(self, path: str, bucket: Json) -> bool:
        return self._goes(bucket, "labels") if path != f"b/{self._bucket.get('name')}" else self._is_ours(bucket)

    # -- one resource

    def look(self, target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        if target.kind is ACCOUNT and target.present:
            return _patiently(lambda: self._single_of(target, cloud, deadline), cloud, deadline)
        if target.kind is BUCKET:
            return self._look_at_bucket(cloud, deadline, target.name)
        if target.kind in (*ACCOUNT_ACCESS, *BUCKET_ACCESS):
            method = POLICY_OF.get(target.kind.noun, "storage.buckets.getIamPolicy")
            params = target.params(method)
            policy = _patiently(lambda: _single(cloud, deadline, method, params), cloud, deadline)
            if policy is None:
                # Never write a policy that was not read: it would take everything away from everybody.
                raise NotFoundError("there is no policy to be read", code=404, resource=target.label)
            return self._view(target, policy, self._known)
        return self._single_of(target, cloud, deadline)

    @staticmethod
    def _single_of(target: Target, cloud: Cloud, deadline: Deadline) -> Json | None:
        return _single(cloud, deadline, target.kind.get, target.params(target.kind.get))

    def _view(self, target: Target, policy: Json, found: Mapping[str, Json]) -> Json:
        """A policy as the table sees it: which of our grants it has, and what it would be with (or without) them."""
        email = target.scope.get("email")
        grants = self._account_grants(email) if email else self._bucket_grants(found)
        merged = with_grants(policy, grants) if self.present else without_grants(policy, grants)
        return {"granted": held(policy, grants), "merged": merged}

    def operation_parent(self) -> str:
        return ""

    def result(self, resources: Mapping[str, Json | None], reports: Mapping[str, Json]) -> Json:
        accounts = [item for path, item in resources.items() if "/serviceAccounts/" in path and "#" not in path]
        return {
            "service_accounts": [item for item in accounts if item],
            "bucket": resources.get(f"b/{self._bucket.get('name')}") or {},
            "identities": [self._described(identity) for identity in self._identities],
        }

    def _described(self, identity: Json) -> Json:
        email = self._email(identity)
        return {
            "namespace": identity["namespace"],
            "name": identity["name"],
            "service_account": email,
            "member": self._member(identity, self._known),
            "annotations": {ANNOTATION: email} if email else {},
        }


def _domain(project: str) -> str:
    """Projects of old domains are called `example.com:name`."""
    domain, colon, name = project.rpartition(":")
    return f"{name}.{domain}.iam.gserviceaccount.com" if colon else f"{project}.iam.gserviceaccount.com"


def _project_of(email: str) -> str:
    host = email.partition("@")[2]
    name = host.removesuffix(".iam.gserviceaccount.com")
    return name if name != host and "." not in name else ""


def _object(bucket: str, item: Json) -> Target:
    name = str(item["name"])
    scope = {
        "bucket": bucket,
        "object": urllib.parse.quote(name, safe=""),
        "generation": str(item.get("generation", "")),
    }
    return Target(OBJECT, name, scope, {}, False, unmarked=True)


def _single(cloud: Cloud, deadline: Deadline, method: str, params: Mapping[str, Any]) -> Json | None:
    try:
        return cloud.call(method, params, deadline=deadline)
    except NotFoundError:
        return None


def _patiently(look: Callable[[], Json | None], cloud: Cloud, deadline: Deadline) -> Json | None:
    """A service account that was just made may be unknown for a minute, also to whoever asks for it."""
    begin = cloud.clock.now()
    for pause in cloud.pace.pauses():
        try:
            found = look()
        except NotVisibleError:
            found = None
        late = deadline.passed() or cloud.clock.now() - begin >= cloud.patience.visibility
        if found is not None or late:
            return found
        cloud.clock.sleep(cloud.clock.spread(pause))
    return None
