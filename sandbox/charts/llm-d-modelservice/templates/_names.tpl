{{- /*
SPDX-License-Identifier: GPL-3.0-or-later
Copyright (c) 2026, the llm_d.gke contributors

Names and labels. 55 characters leave room for "-prefill".
*/ -}}
{{- define "ms.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $default := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $default .Values.fullnameOverride | trunc 55 | trimSuffix "-" -}}
{{- end -}}

{{- define "ms.serviceAccount" -}}
{{- default (include "ms.fullname" .) .Values.serviceAccountOverride -}}
{{- end -}}

{{- define "ms.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end -}}

{{- /* Labels of the pods of a role (context: root, role); also the selector of its Deployment. */ -}}
{{- define "ms.podLabels" -}}
{{- toYaml (merge (dict "llm-d.ai/role" .role) .root.Values.modelArtifacts.labels) -}}
{{- end -}}
