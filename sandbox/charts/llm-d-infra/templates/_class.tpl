{{- /*
SPDX-License-Identifier: GPL-3.0-or-later
Copyright (c) 2026, the llm_d.gke contributors

infra.className: the GatewayClass. A class that is set wins; without a provider it must be one that tells its provider.
*/ -}}
{{- define "infra.className" -}}
{{- $gateway := .Values.gateway -}}
{{- $kgateway := list "kgateway" "agentgateway" "agentgateway-v2" -}}
{{- $known := concat $kgateway (list "" "istio" "data-science-gateway-class" "gke-l7-regional-external-managed") -}}
{{- if and (not $gateway.provider) (not (has $gateway.gatewayClassName $known)) -}}
  {{- fail (printf "gateway.provider must be set when using custom gateway.gatewayClassName %q" $gateway.gatewayClassName) -}}
{{- end -}}
{{- $class := coalesce $gateway.gatewayClassName $gateway.provider "istio" -}}
{{- ternary "agentgateway" $class (has $class $kgateway) -}}
{{- end -}}
