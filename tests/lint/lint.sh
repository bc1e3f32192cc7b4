#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Format, static analysis and the house rules. Every check says how much it looked at and fails
# when that is suspiciously little: a check that sees nothing passes for ever.
set -u
cd "$(dirname "$0")/../.."
failed=0

check() { # name, command...
    name=$1
    shift
    if "$@"; then
        printf 'ok    %s\n' "$name"
    else
        printf 'FAIL  %s\n' "$name"
        failed=1
    fi
}

sources=$(git ls-files '*.c')
headers=$(git ls-files '*.h')
product=$(printf '%s\n' $sources | grep -v '^tests/')

clang_format() {
    # shellcheck disable=SC2086
    clang-format --dry-run -Werror $sources $headers
}

# The flags of the real build, one compilation for each source.
analyser() {
    make -s -f Makefile.apxs B=build/analyser LTO= CFLAGS='-fanalyzer -Werror' all
}

tidy() {
    # shellcheck disable=SC2046,SC2086
    clang-tidy --quiet --warnings-as-errors='*' $product -- \
        -std=c11 -I build $(apr-1-config --includes --cppflags) \
        -I"$(apxs -q INCLUDEDIR)" $(pkg-config --cflags libmariadb) 2>/dev/null
}

cpp_check() {
    # shellcheck disable=SC2086
    cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr \
        --suppress=missingInclude --suppress=missingIncludeSystem --error-exitcode=1 \
        $product
}

# The types that the comments of the page's files promise.
types() {
    tsc --noEmit --allowJs --checkJs --target esnext --module esnext --moduleResolution node \
        --lib esnext,dom,dom.iterable src/web/*.js
}

check 'clang-format' clang_format
check 'gcc -fanalyzer' analyser
check 'clang-tidy' tidy
check 'cppcheck' cpp_check
check 'types of src/web' types
check 'house rules' /usr/bin/python3 tests/lint/rules.py
exit $failed
