{{- /*
SPDX-License-Identifier: GPL-3.0-or-later
Copyright (c) 2026, the llm_d.gke contributors

The pods of a role. Context: root, role, spec (the role's values).
*/ -}}

{{- /* The routing sidecar: an init container that keeps running. */ -}}
{{- define "ms.routingProxy" -}}
{{- $proxy := .Values.routing.proxy -}}
{{- $port := .Values.routing.servicePort | default 8000 -}}
{{- $args := list (printf "--port=%v" $port) (printf "--vllm-port=%v" (default 8200 $proxy.targetPort)) -}}
{{- $args = append $args (printf "--connector=%s" (default "nixlv2" $proxy.connector)) -}}
{{- $options := list "zapDevel" "zap-devel" "zapEncoder" "zap-encoder" "zapLogLevel" "zap-log-level" "zapStacktraceLevel" "zap-stacktrace-level" "zapTimeEncoding" "zap-time-encoding" "secure" "secure-proxy" "prefillerUseTLS" "prefiller-use-tls" "certPath" "cert-path" -}}
{{- range $pair := chunk 2 $options -}}
  {{- if hasKey $proxy (first $pair) -}}
    {{- $args = append $args (printf "--%s=%v" (last $pair) (get $proxy (first $pair))) -}}
  {{- end -}}
{{- end -}}
name: routing-proxy
image: {{ required "routing.proxy.image must be specified" $proxy.image }}
imagePullPolicy: {{ default "Always" $proxy.imagePullPolicy }}
args:
  {{- toYaml $args | nindent 2 }}
ports:
  - containerPort: {{ $port }}
resources: {}
restartPolicy: Always
securityContext:
  allowPrivilegeEscalation: false
  runAsNonRoot: true
{{- end -}}

{{- /* The volume model-storage, by the kind of modelArtifacts.uri. */ -}}
{{- define "ms.modelVolume" -}}
{{- $artifacts := .Values.modelArtifacts -}}
{{- $parts := splitn "://" 2 $artifacts.uri -}}
name: model-storage
{{- if eq $parts._0 "hf" }}
emptyDir: {sizeLimit: {{ default "0" $artifacts.size }}}
{{- else if hasPrefix "pvc" $parts._0 }}
persistentVolumeClaim:
  claimName: {{ first (splitList "/" $parts._1) }}
  readOnly: true
{{- else if eq $parts._0 "oci" }}
image:
  reference: {{ $parts._1 }}
  pullPolicy: {{ default "Always" $artifacts.imagePullPolicy }}
{{- end }}
{{- end -}}

{{- define "ms.podSpec" -}}
{{- $spec := .spec -}}
{{- $result := tpl (toYaml (default dict $spec.extraConfig)) .root | fromYaml -}}
{{- $_ := set $result "serviceAccountName" (include "ms.serviceAccount" .root) -}}
{{- $init := list -}}
{{- if and (eq .role "decode") (ne .root.Values.routing.proxy.enabled false) -}}
  {{- $init = append $init (include "ms.routingProxy" .root | fromYaml) -}}
{{- end -}}
{{- with concat $init (default list $spec.initContainers) -}}{{- $_ := set $result "initContainers" . -}}{{- end -}}
{{- range list "nodeSelector" "tolerations" "imagePullSecrets" "schedulerName" "priorityClassName" -}}
  {{- $key := . -}}
  {{- with get $spec $key -}}{{- $_ := set $result $key . -}}{{- end -}}
{{- end -}}
{{- range list "enableServiceLinks" "terminationGracePeriodSeconds" -}}
  {{- if hasKey $spec . -}}{{- $_ := set $result . (get $spec .) -}}{{- end -}}
{{- end -}}
{{- with $spec.podSecurityContext -}}{{- $_ := set $result "securityContext" . -}}{{- end -}}
{{- with $spec.acceleratorTypes -}}
  {{- if .labelKey -}}
    {{- $term := dict "matchExpressions" (list (dict "key" .labelKey "operator" "In" "values" .labelValues)) -}}
    {{- $required := dict "requiredDuringSchedulingIgnoredDuringExecution" (dict "nodeSelectorTerms" (list $term)) -}}
    {{- $_ := set $result "affinity" (dict "nodeAffinity" $required) -}}
  {{- end -}}
{{- end -}}
{{- $containers := list -}}
{{- $volumes := default list $spec.volumes -}}
{{- $wantsModel := false -}}
{{- range $spec.containers -}}
  {{- if .mountModelVolume -}}{{- $wantsModel = true -}}{{- end -}}
  {{- $context := dict "root" $.root "role" $.role "spec" $spec "container" . -}}
  {{- $containers = append $containers (include "ms.container" $context | fromYaml) -}}
{{- end -}}
{{- if $wantsModel -}}{{- $volumes = append $volumes (include "ms.modelVolume" .root | fromYaml) -}}{{- end -}}
{{- $_ := set $result "containers" $containers -}}
{{- with $volumes -}}{{- $_ := set $result "volumes" . -}}{{- end -}}
{{- toYaml $result -}}
{{- end -}}

{{- /* The role's Deployment, or LeaderWorkerSet when the model spans nodes. */ -}}
{{- define "ms.workload" -}}
{{- $values := .root.Values -}}
{{- if $values.accelerator.dra -}}{{- fail "accelerator.dra: this stand-in chart has no dynamic resource allocation" -}}{{- end -}}
{{- if $values.requester.enable -}}{{- fail "requester.enable: this stand-in chart has no requester" -}}{{- end -}}
{{- $annotations := deepCopy (default dict .spec.annotations) -}}
{{- with first .spec.containers -}}
  {{- with include "ms.acceleratorWarning" (dict "root" $.root "container" . "parallelism" $.spec.parallelism) -}}
    {{- $_ := set $annotations "llm-d.ai/accelerator-warning" . -}}
  {{- end -}}
{{- end -}}
{{- $podMetadata := dict "labels" (include "ms.podLabels" . | fromYaml) -}}
{{- with .spec.podAnnotations -}}{{- $_ := set $podMetadata "annotations" . -}}{{- end -}}
{{- $template := dict "metadata" $podMetadata "spec" (include "ms.podSpec" . | fromYaml) -}}
{{- $replicas := ternary .spec.replicas 1 (hasKey .spec "replicas") -}}
apiVersion: {{ ternary "leaderworkerset.x-k8s.io/v1" "apps/v1" $values.multinode }}
kind: {{ ternary "LeaderWorkerSet" "Deployment" $values.multinode }}
metadata:
  name: {{ include "ms.fullname" .root }}-{{ .role }}
  labels:
    {{- include "ms.labels" .root | nindent 4 }}
  {{- with $annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  replicas: {{ $replicas }}
  {{- if $values.multinode }}
  leaderWorkerTemplate:
    size: {{ (include "ms.parallelism" .spec.parallelism | fromYaml).workers }}
    workerTemplate:
      {{- toYaml $template | nindent 6 }}
  {{- else }}
  selector:
    matchLabels:
      {{- include "ms.podLabels" . | nindent 6 }}
  template:
    {{- toYaml $template | nindent 4 }}
  {{- end }}
{{- end -}}

{{- define "ms.podMonitor" -}}
{{- $monitor := .spec.monitoring.podmonitor -}}
apiVersion: monitoring.coreos.com/v1
kind: PodMonitor
metadata:
  name: {{ include "ms.fullname" .root }}-{{ .role }}
  labels:
    {{- include "ms.labels" .root | nindent 4 }}
    {{- with $monitor.labels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $monitor.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  selector:
    matchLabels:
      {{- include "ms.podLabels" . | nindent 6 }}
  podMetricsEndpoints:
    - port: {{ $monitor.portName }}
      {{- range list "path" "interval" "scrapeTimeout" "relabelings" "metricRelabelings" }}
      {{- $key := . }}
      {{- with get $monitor $key }}
      {{ $key }}: {{ toJson . }}
      {{- end }}
      {{- end }}
  {{- with $monitor.namespaceSelector }}
  namespaceSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
