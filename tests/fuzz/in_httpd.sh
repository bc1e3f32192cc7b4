#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Runs a fuzz target inside a private httpd: in_httpd.sh MODULE TARGET [argument or corpus …]
# PRELOAD names a sanitizer's shared library where the module needs one.
set -eu
module=$(realpath "$1")
target=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
modules=$(apxs -q LIBEXECDIR)
httpd=$(apxs -q SBINDIR)/$(apxs -q PROGNAME)

# Nobody connects. An address of its own has all ports free; those of 127.0.0.1 are also what
# outgoing connections are given.
address=127.1.$(($$ / 256 % 256)).$(($$ % 256))
{
    echo "ServerRoot $folder
ServerName localhost
Listen $address:20000
PidFile httpd.pid
DefaultRuntimeDir $folder
DocumentRoot $folder
ErrorLog /dev/stderr
LogLevel crit"
    for name in mpm_prefork authn_core authz_core authz_host authz_user authn_file auth_basic dbd; do
        echo "LoadModule ${name}_module $modules/mod_$name.so"
    done
    echo "LoadModule authn_apikey_module $module
LoadModule fuzz_module $module
DBDriver mysql
DBDParams \"host=127.0.0.1 port=1\"
ApiKeyCacheTTL 8760h
ApiKeyRefresh Off
ApiKeyUsage Off
<Location /open>
    Require all granted
</Location>
<Location /bearer>
    AuthType Bearer
    Require apikey
</Location>
<Location /own>
    AuthType Bearer
    ApiKeyHeader X-API-Key
    Require valid-user
</Location>
<Location /both>
    AuthType Bearer
    ApiKeyHeader Authorization X-API-Key
    Require apikey-user alice
</Location>
<Location /optional>
    AuthType Bearer
    ApiKeyOptional On
    Require all granted
</Location>
<Location /scoped>
    AuthType Bearer
    Require apikey-scope orders:read
</Location>
<Location /basic>
    AuthType Basic
    AuthName keys
    AuthBasicProvider apikey
    Require valid-user
</Location>"
} > "$folder/httpd.conf"
# Root would drop to an account that exists everywhere but may not write here: it stays root.
LD_PRELOAD=${PRELOAD-} FUZZ_TARGET=$target FUZZ_ARGS=$* "$httpd" -X -f "$folder/httpd.conf"
