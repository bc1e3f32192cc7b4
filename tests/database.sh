#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# database.sh SERVER SUITE FOLDER: unpacks a database server, mysql or mariadb, of a suite of
# Debian, with all the libraries it needs, into the folder. Nothing is installed; the machine's
# own mirror of Debian is used.
set -eu

server=$1
suite=$2
mkdir -p "$3"
root=$(cd "$3" && pwd)
[ ! -e "$root/ready" ] || exit 0

# shellcheck disable=SC2016
mirror=$(apt-get indextargets --format '$(ORIGIN) $(LABEL) $(REPO_URI) $(SIGNED_BY)' \
    'Created-By: Packages' | awk '$1 == "Debian" && $2 == "Debian" { print $3; exit }')
if [ -z "$mirror" ]; then
    echo "database.sh: apt knows no mirror of Debian" >&2
    exit 1
fi

rm -rf "${root:?}"/*
mkdir -p "$root/apt/lists/partial" "$root/apt/archives/partial" "$root/apt/etc"
: > "$root/apt/status" # nothing is taken to be there
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $mirror $suite main" \
    > "$root/apt/sources.list"
run_apt() {
    apt-get -q -y -o Dir::Etc::sourcelist="$root/apt/sources.list" \
        -o Dir::Etc::sourceparts="$root/apt/etc" -o Dir::Etc::preferencesparts="$root/apt/etc" \
        -o Dir::State::lists="$root/apt/lists" -o Dir::State::status="$root/apt/status" \
        -o Dir::Cache="$root/apt" -o Dir::Cache::archives="$root/apt/archives" \
        -o APT::Get::List-Cleanup=0 "$@"
}
run_apt update
run_apt install --no-install-recommends --download-only "$server-server-core" "$server-client-core"
for package in "$root"/apt/archives/*.deb; do
    dpkg -x "$package" "$root"
done
rm -rf "$root/apt"
touch "$root/ready"
