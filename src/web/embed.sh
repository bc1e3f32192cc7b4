#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Prints the files named as C for src/httpd/page.c: their bytes, their types, and as ETag the
# beginning of their SHA-256. Written out in hexadecimal, for that needs nothing but coreutils.
set -eu

id() {
    printf 'web_%s' "$(basename "$1" | tr -c 'A-Za-z0-9\n' _)"
}

type() {
    case $1 in
    *.html) echo 'text/html; charset=utf-8' ;;
    *.js) echo 'text/javascript; charset=utf-8' ;;
    *.css) echo 'text/css; charset=utf-8' ;;
    *.svg) echo 'image/svg+xml' ;;
    *) echo "embed.sh: no type is known for $1" >&2; return 1 ;;
    esac
}

for file; do
    printf 'static const unsigned char %s[] = {\n' "$(id "$file")"
    od -An -v -tx1 "$file" | sed 's/ \(..\)/0x\1,/g'
    printf '};\n\n'
done
printf 'static const apikey_asset_t assets[] = {\n'
for file; do
    mime=$(type "$file")
    hash=$(sha256sum < "$file" | cut -c1-16)
    printf '    {"%s", "%s", "\\"%s\\"", (const char *)%s, sizeof %s},\n' \
        "$(basename "$file")" "$mime" "$hash" "$(id "$file")" "$(id "$file")"
done
printf '};\n'
