# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who calls Google Cloud, and where it is."""

from __future__ import annotations


class ModuleDocFragment:
    """Options for credentials, project and endpoints."""

    DOCUMENTATION = r"""
options:
  auth_kind:
    description:
      - The kind of credentials. Falls back to E(GCP_AUTH_KIND).
      - When neither is given, it follows from what is there, a key before an access token, options before the
        environment; without either it is V(application).
      - V(application) means Application Default Credentials, E(GOOGLE_APPLICATION_CREDENTIALS) included, and so also
        workload identity federation.
      - V(serviceaccount) means a service account's key.
      - V(machineaccount) means the account of the Compute Engine instance that runs the module.
      - V(accesstoken) means a token that somebody else has fetched.
    type: str
    choices: [application, serviceaccount, machineaccount, accesstoken]
  project:
    description:
      - The id of the Google Cloud project. Falls back to E(GCP_PROJECT), and is required by one or the other.
    type: str
  service_account_file:
    description:
      - A file with the JSON key of a service account. Falls back to E(GCP_SERVICE_ACCOUNT_FILE).
      - Excludes O(service_account_contents).
    type: path
  service_account_contents:
    description:
      - The JSON key of a service account itself. Falls back to E(GCP_SERVICE_ACCOUNT_CONTENTS).
    type: raw
  service_account_email:
    description:
      - The account to use with O(auth_kind=machineaccount). Falls back to E(GCP_SERVICE_ACCOUNT_EMAIL).
    type: str
  access_token:
    description:
      - An OAuth access token. Falls back to E(GCP_ACCESS_TOKEN).
      - It cannot be refreshed, so it should last longer than the task.
    type: str
  scopes:
    description:
      - The OAuth scopes to ask for. Falls back to E(GCP_SCOPES), then to cloud-platform.
    type: list
    elements: str
  impersonate_service_account:
    description:
      - The e-mail address of a service account to act as. Falls back to E(GCP_IMPERSONATE_SERVICE_ACCOUNT).
      - The credentials need C(roles/iam.serviceAccountTokenCreator) on it.
    type: str
  quota_project:
    description:
      - The project whose quota of API calls is used. Falls back to E(GCP_QUOTA_PROJECT).
    type: str
  endpoints:
    description:
      - Where the APIs listen, for Private Service Connect, proxies and tests.
      - Each falls back to gcloud's own variable, E(CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE) and so on, in gcloud's own
        form.
    type: dict
    suboptions:
      compute:
        description: The Compute Engine API, with C(/compute/v1/) at its end.
        type: str
      container:
        description: The Kubernetes Engine API.
        type: str
      iam:
        description: The Identity and Access Management API.
        type: str
      iamcredentials:
        description: The API that mints tokens for O(impersonate_service_account). Falls back to O(endpoints.iam).
        type: str
      storage:
        description: The Cloud Storage API, with C(/storage/v1/) at its end.
        type: str
      serviceusage:
        description: The Service Usage API.
        type: str
      cloudresourcemanager:
        description: The Resource Manager API.
        type: str
      cloudbilling:
        description: The Cloud Billing API. Falls back to O(endpoints.cloudresourcemanager).
        type: str
      cloudquotas:
        description: The Cloud Quotas API. Falls back to O(endpoints.serviceusage).
        type: str
      token:
        description:
          - The service that exchanges a key for a token. Falls back to E(CLOUDSDK_AUTH_TOKEN_HOST).
          - It wins over the C(token_uri) in the key, as with gcloud.
        type: str
requirements:
  - google-auth
  - requests
"""
