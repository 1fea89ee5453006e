#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright (c) 2026, the llm_d.gke contributors
# Installs helm, helmfile and kubectl into a folder, in the versions that the collection is tested with. Each download is
# compared with the checksum that its publisher puts beside it; one that does not fit ends the build.
set -euo pipefail

folder=${1:?usage: install-tools.sh FOLDER}
helm=${HELM_VERSION:-v3.20.2}
helmfile=${HELMFILE_VERSION:-1.4.4}
kubectl=${KUBECTL_VERSION:-v1.35.4}
helm_site=${HELM_SITE:-https://get.helm.sh}
helmfile_site=${HELMFILE_SITE:-https://github.com/helmfile/helmfile/releases/download}
kubectl_site=${KUBECTL_SITE:-https://dl.k8s.io}

case $(uname -m) in
  x86_64) arch=amd64 ;;
  aarch64 | arm64) arch=arm64 ;;
  *) echo "install-tools.sh: no releases for $(uname -m)" >&2; exit 1 ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"

fetch() { # URL FILE
  curl --fail --silent --show-error --location --retry 3 --output "$2" "$1"
}

# A list of checksums has lines of digest and name, or is a bare digest; nothing found is an error like a wrong one.
prove() { # FILE LIST
  local wanted
  wanted=$(awk -v name="$1" 'NF == 1 || $2 == name || $2 == "*" name { print $1; exit }' "$2")
  if ! echo "${wanted:-none}  $1" | sha256sum --check --status -; then
    echo "install-tools.sh: $1 does not have the checksum that its publisher lists (${wanted:-none listed})" >&2
    exit 1
  fi
}

archive=helm-$helm-linux-$arch.tar.gz
fetch "$helm_site/$archive" "$archive"
fetch "$helm_site/$archive.sha256sum" helm.sums
prove "$archive" helm.sums
tar --extract --gzip --file "$archive" --strip-components 1 "linux-$arch/helm"

archive=helmfile_${helmfile}_linux_$arch.tar.gz
fetch "$helmfile_site/v$helmfile/$archive" "$archive"
fetch "$helmfile_site/v$helmfile/helmfile_${helmfile}_checksums.txt" helmfile.sums
prove "$archive" helmfile.sums
tar --extract --gzip --file "$archive" helmfile

fetch "$kubectl_site/release/$kubectl/bin/linux/$arch/kubectl" kubectl
fetch "$kubectl_site/release/$kubectl/bin/linux/$arch/kubectl.sha256" kubectl.sums
prove kubectl kubectl.sums

install -m 0755 helm helmfile kubectl "$folder"
