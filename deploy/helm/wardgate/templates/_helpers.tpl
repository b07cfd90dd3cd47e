{{- define "wardgate.name" -}}
{{ .Release.Name | trunc 50 | trimSuffix "-" }}
{{- end }}

{{- define "wardgate.selector" -}}
app.kubernetes.io/name: wardgate
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "wardgate.labels" -}}
{{ include "wardgate.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "wardgate.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{/* What the chart sets, and `config` over it. */}}
{{- define "wardgate.config" -}}
{{- $name := include "wardgate.name" . -}}
{{- $admin := printf "%s-admin" $name -}}
{{- $postgres := dict "password_file" "/etc/wardgate/secrets/postgres/password" -}}
{{- if .Values.secrets.postgresCA -}}
{{- $_ := set $postgres "ca_file" "/etc/wardgate/secrets/postgres/ca.crt" -}}
{{- end -}}
{{- $config := dict
  "listen" "0.0.0.0:8080"
  "store" (required "config.store is required: postgresql://USER@HOST/DATABASE" .Values.config.store)
  "postgres" $postgres
  "cluster" (dict "run_directory" "/run/wardgate")
  "admin" (dict
    "listen" "0.0.0.0:8081"
    "hosts" (list "localhost" "127.0.0.1" $admin (printf "%s.%s" $admin .Release.Namespace) (printf "%s.%s.svc" $admin .Release.Namespace)))
-}}
{{- if .Values.secrets.tls -}}
{{- $_ := set $config "tls" (dict "certificate" "/etc/wardgate/secrets/tls/tls.crt" "key" "/etc/wardgate/secrets/tls/tls.key") -}}
{{- end -}}
{{- if not (or .Values.config.upstream .Values.config.upstreams) -}}
{{- fail "config.upstream (or config.upstreams) is required: the URL of your API" -}}
{{- end -}}
{{- $given := deepCopy .Values.config -}}
{{- if not $given.upstream -}}{{- $_ := unset $given "upstream" -}}{{- end -}}
{{- mergeOverwrite $config $given | toYaml -}}
{{- end }}

{{- define "wardgate.drain" -}}
{{ dig "limits" "drain_timeout" 30 .Values.config | int }}
{{- end }}

{{- define "wardgate.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "wardgate.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{/* Secrets are for the group alone, which is that of the process. */}}
{{- define "wardgate.volumes" -}}
- name: postgres
  secret: {secretName: {{ .Values.secrets.postgres }}, defaultMode: 0440}
- name: run
  emptyDir: {medium: Memory, sizeLimit: 1Mi}
- name: tmp
  emptyDir: {sizeLimit: 64Mi}
{{- end }}

{{- define "wardgate.mounts" -}}
- {name: config, mountPath: /etc/wardgate/config.yaml, subPath: config.yaml, readOnly: true}
- {name: postgres, mountPath: /etc/wardgate/secrets/postgres, readOnly: true}
- {name: run, mountPath: /run/wardgate}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{/* Those that only serving needs. */}}
{{- define "wardgate.servingVolumes" -}}
{{- with .Values.secrets.tls }}
- name: tls
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- range .Values.secrets.others }}
- name: secret-{{ . }}
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}

{{- define "wardgate.servingMounts" -}}
{{- if .Values.secrets.tls }}
- {name: tls, mountPath: /etc/wardgate/secrets/tls, readOnly: true}
{{- end }}
{{- range .Values.secrets.others }}
- {name: secret-{{ . }}, mountPath: /etc/wardgate/secrets/{{ . }}, readOnly: true}
{{- end }}
{{- end }}
