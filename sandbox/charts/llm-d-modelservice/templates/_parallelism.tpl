{{- /*
SPDX-License-Identifier: GPL-3.0-or-later
Copyright (c) 2026, the llm_d.gke contributors

ms.parallelism: the values of a role's `parallelism`, each completed from the others, as YAML of
{tensor, data, dataLocal, workers, chips}; chips is what one pod needs.
*/ -}}
{{- define "ms.parallelism" -}}
{{- $given := default dict . -}}
{{- $tensor := int (default 1 $given.tensor) -}}
{{- $local := int $given.dataLocal -}}
{{- $workers := int $given.workers -}}
{{- $data := int $given.data -}}
{{- if not $data -}}{{- $data = mul (default 1 $local) (default 1 $workers) -}}{{- end -}}
{{- if not $local -}}
  {{- $local = div $data (default 1 $workers) -}}
  {{- if ne $data (mul $local (default 1 $workers)) -}}
    {{- fail "parallelism.data must be a multiple of parallelism.workers" -}}
  {{- end -}}
{{- end -}}
{{- if not $workers -}}
  {{- $workers = div $data $local -}}
  {{- if ne $data (mul $local $workers) -}}
    {{- fail "parallelism.data must be a multiple of parallelism.dataLocal" -}}
  {{- end -}}
{{- end -}}
{{- dict "tensor" $tensor "data" $data "dataLocal" $local "workers" $workers "chips" (mul $local $tensor) | toYaml -}}
{{- end -}}

{{- /* Resource name of the accelerator (context: root, container); empty where the container needs none. */ -}}
{{- define "ms.acceleratorResource" -}}
{{- $type := default "nvidia" .root.Values.accelerator.type -}}
{{- if not (or (eq $type "cpu") (contains "llm-d-inference-sim" .container.image)) -}}
{{- get .root.Values.accelerator.resources $type | default "nvidia.com/gpu" -}}
{{- end -}}
{{- end -}}

{{- /* Says so when a role's first container asks for another number of chips than its parallelism needs. */ -}}
{{- define "ms.acceleratorWarning" -}}
{{- $resource := include "ms.acceleratorResource" . -}}
{{- $limits := dig "resources" "limits" dict .container | default dict -}}
{{- $chips := int (include "ms.parallelism" .parallelism | fromYaml).chips -}}
{{- if and $resource (hasKey $limits $resource) -}}
  {{- $asked := int (get $limits $resource) -}}
  {{- if ne $asked $chips -}}
    {{- printf "Accelerator mismatch: %s is set to %d but parallelism calculates %d. Using %d." $resource $asked $chips $asked -}}
  {{- end -}}
{{- end -}}
{{- end -}}
