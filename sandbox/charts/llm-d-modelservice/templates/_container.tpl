{{- /*
SPDX-License-Identifier: GPL-3.0-or-later
Copyright (c) 2026, the llm_d.gke contributors

A model server container, as YAML. Context: root, role, spec (the role's values), container (one of its containers).
*/ -}}

{{- /* Port of vLLM: behind the sidecar on decode pods, the service's own elsewhere. */ -}}
{{- define "ms.port" -}}
{{- $routing := .root.Values.routing -}}
{{- ternary $routing.proxy.targetPort $routing.servicePort (and (eq .role "decode") (ne $routing.proxy.enabled false)) -}}
{{- end -}}

{{- /* What vLLM is told to load, from modelArtifacts.uri. */ -}}
{{- define "ms.model" -}}
{{- $artifacts := .root.Values.modelArtifacts -}}
{{- $parts := splitn "://" 2 (tpl $artifacts.uri .root) -}}
{{- $path := $parts._1 -}}
{{- if eq $parts._0 "hf" -}}
{{- $path -}}
{{- else if eq $parts._0 "pvc" -}}
{{- printf "%s/%s" $artifacts.mountPath (regexReplaceAll "^[^/]*/" $path "") -}}
{{- else if eq $parts._0 "pvc+hf" -}}
{{- printf "%s/%s" (base (dir $path)) (base $path) -}}
{{- else if eq $parts._0 "oci" -}}
{{- fail "arguments for oci:// not implemented" -}}
{{- end -}}
{{- end -}}

{{- /* command and args */ -}}
{{- define "ms.command" -}}
{{- $kind := default "custom" .container.modelCommand -}}
{{- $result := dict -}}
{{- if eq $kind "custom" -}}
  {{- if not .container.command -}}
    {{- fail "When .container.modelCommand not set or `custom`, a `command` is required." -}}
  {{- end -}}
  {{- $result = pick .container "command" "args" -}}
{{- else if has $kind (list "vllmServe" "imageDefault") -}}
  {{- $parallelism := include "ms.parallelism" .spec.parallelism | fromYaml -}}
  {{- $args := list (include "ms.model" .) -}}
  {{- if eq $kind "imageDefault" -}}{{- $args = prepend $args "--model" -}}{{- end -}}
  {{- $args = concat $args (list "--port" (include "ms.port" .)) -}}
  {{- range $option, $value := dict "1 --tensor-parallel-size" $parallelism.tensor "2 --data-parallel-size" $parallelism.data "3 --data-parallel-size-local" $parallelism.dataLocal -}}
    {{- if gt (int $value) 1 -}}
      {{- $args = concat $args (list (regexReplaceAll "^. " $option "") (toString $value)) -}}
    {{- end -}}
  {{- end -}}
  {{- $args = concat $args (list "--served-model-name" .root.Values.modelArtifacts.name) -}}
  {{- $tracing := .root.Values.tracing -}}
  {{- if $tracing.enabled -}}
    {{- $args = concat $args (list "--otlp-traces-endpoint" $tracing.otlpEndpoint "--collect-detailed-traces" $tracing.vllm.collectDetailedTraces) -}}
  {{- end -}}
  {{- $_ := set $result "args" (concat $args (default list .container.args)) -}}
  {{- if eq $kind "vllmServe" -}}{{- $_ := set $result "command" (list "vllm" "serve") -}}{{- end -}}
{{- else -}}
  {{- fail ".container.modelCommand is not as expected. Valid values are `vllmServe`, `imageDefault` and `custom`." -}}
{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{- /* env: the user's, the parallelism, the model's place and token, the accelerator's, tracing */ -}}
{{- define "ms.env" -}}
{{- $values := .root.Values -}}
{{- $parallelism := include "ms.parallelism" .spec.parallelism | fromYaml -}}
{{- $env := tpl (toYaml (default list .container.env)) .root | fromYamlArray -}}
{{- $env = append $env (dict "name" "DP_SIZE" "value" (toString $parallelism.data)) -}}
{{- $env = append $env (dict "name" "TP_SIZE" "value" (toString $parallelism.tensor)) -}}
{{- $env = append $env (dict "name" "DP_SIZE_LOCAL" "value" (toString $parallelism.dataLocal)) -}}
{{- $parts := splitn "://" 2 $values.modelArtifacts.uri -}}
{{- if .container.mountModelVolume -}}
  {{- if eq $parts._0 "hf" -}}
    {{- $env = append $env (dict "name" "HF_HOME" "value" $values.modelArtifacts.mountPath) -}}
  {{- else if eq $parts._0 "pvc+hf" -}}
    {{- $folder := dir (dir (regexReplaceAll "^[^/]*/" $parts._1 "")) -}}
    {{- $env = append $env (dict "name" "HF_HUB_CACHE" "value" (printf "%s/%s" $values.modelArtifacts.mountPath $folder)) -}}
  {{- end -}}
{{- end -}}
{{- with $values.modelArtifacts.authSecretName -}}
  {{- $key := dict "secretKeyRef" (dict "name" . "key" "HF_TOKEN") -}}
  {{- $env = append $env (dict "name" "HF_TOKEN" "valueFrom" $key) -}}
{{- end -}}
{{- range get $values.accelerator.env (default "nvidia" $values.accelerator.type) | default list -}}
  {{- $env = append $env (dict "name" .name "value" (toString .value)) -}}
{{- end -}}
{{- with $values.tracing -}}
  {{- if .enabled -}}
    {{- $service := ternary .serviceNames.vllmDecode .serviceNames.vllmPrefill (eq $.role "decode") -}}
    {{- $env = append $env (dict "name" "OTEL_SERVICE_NAME" "value" $service) -}}
    {{- $env = append $env (dict "name" "OTEL_EXPORTER_OTLP_ENDPOINT" "value" .otlpEndpoint) -}}
    {{- $env = append $env (dict "name" "OTEL_TRACES_EXPORTER" "value" "otlp") -}}
    {{- $env = append $env (dict "name" "OTEL_TRACES_SAMPLER" "value" .sampling.sampler) -}}
    {{- $env = append $env (dict "name" "OTEL_TRACES_SAMPLER_ARG" "value" .sampling.samplerArg) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{- /* resources: as given; the accelerator is filled in from the parallelism where it is not */ -}}
{{- define "ms.resources" -}}
{{- $given := deepCopy (default dict .container.resources) -}}
{{- $limits := default dict $given.limits -}}
{{- $requests := default dict $given.requests -}}
{{- $resource := include "ms.acceleratorResource" . -}}
{{- if $resource -}}
  {{- $chips := toString (include "ms.parallelism" .spec.parallelism | fromYaml).chips -}}
  {{- range list $limits $requests -}}
    {{- if not (hasKey . $resource) -}}{{- $_ := set . $resource $chips -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- $result := dict "limits" $limits "requests" $requests -}}
{{- with $given.claims -}}{{- $_ := set $result "claims" . -}}{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{- define "ms.container" -}}
{{- $container := .container -}}
{{- $result := tpl (toYaml (default dict $container.extraConfig)) .root | fromYaml -}}
{{- $_ := set $result "name" (default "vllm" $container.name) -}}
{{- $_ := set $result "image" (required "image of container is required" $container.image) -}}
{{- $result = mergeOverwrite $result (include "ms.command" . | fromYaml) -}}
{{- $_ := set $result "env" (include "ms.env" . | fromYamlArray) -}}
{{- $_ := set $result "resources" (include "ms.resources" . | fromYaml) -}}
{{- with $container.ports -}}
  {{- $_ := set $result "ports" (tpl (toYaml .) $.root | fromYamlArray) -}}
{{- end -}}
{{- range list "securityContext" "imagePullPolicy" "livenessProbe" "readinessProbe" "startupProbe" "workingDir" "stdin" "tty" -}}
  {{- $key := . -}}
  {{- with get $container $key -}}{{- $_ := set $result $key . -}}{{- end -}}
{{- end -}}
{{- $mounts := default list $container.volumeMounts -}}
{{- if $container.mountModelVolume -}}
  {{- $mount := dict "name" "model-storage" "mountPath" .root.Values.modelArtifacts.mountPath -}}
  {{- if has (first (splitList "://" .root.Values.modelArtifacts.uri)) (list "oci" "pvc") -}}
    {{- $_ := set $mount "readOnly" true -}}
  {{- end -}}
  {{- $mounts = append $mounts $mount -}}
{{- end -}}
{{- with $mounts -}}{{- $_ := set $result "volumeMounts" . -}}{{- end -}}
{{- toYaml $result -}}
{{- end -}}
