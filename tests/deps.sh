#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Installs what build, demo, tests and lint need, as Debian packages. Nothing is started: the
# packages of the servers are those without a service (apache2-bin, mariadb-server-core), and
# where there is one (php-fpm) its start is held off.
set -eu

packages='
make gcc pkg-config
apache2-bin apache2-dev libapr1-dev libaprutil1-dev libaprutil1-dbd-mysql libapache2-mod-auth-openidc
libmariadb-dev libssl-dev libjansson-dev zlib1g-dev libcmocka-dev
mariadb-server-core mariadb-client-core
php-fpm uwsgi-core uwsgi-plugin-python3 curl openssl
python3 python3-pytest python3-pytest-xdist python3-prometheus-client python3-yaml python3-jsonschema
mandoc groff-base chromium chromium-driver python3-selenium fonts-dejavu-core
valgrind wrk clang clang-format clang-tidy cppcheck universal-ctags node-typescript
'

missing=''
for p in $packages; do
    case $(dpkg-query -W -f '${Status}' "$p" 2>/dev/null) in
    *' installed') ;;
    *) missing="$missing $p" ;;
    esac
done
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ]; then
    echo "These packages are missing; install them as root:" >&2
    echo "  apt-get install --no-install-recommends$missing" >&2
    exit 1
fi

# Debian asks this file before it starts a service; exit status 101 means no.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -q
# shellcheck disable=SC2086
apt-get install -q -y --no-install-recommends $missing
