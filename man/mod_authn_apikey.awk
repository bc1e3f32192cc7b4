# SPDX-License-Identifier: Apache-2.0
# Makes the manual page mod_authn_apikey(5) of conf/reference.conf: its chapters become sections,
# its entries subsections, its examples examples. A line it does not understand ends it.

function text(line) { # as roff takes it: nothing is a request, `code` is bold
    gsub(/\\/, "\\e", line)
    gsub(/-/, "\\-", line)
    gsub(/\^/, "\\(ha", line)
    gsub(/~/, "\\(ti", line)
    while (match(line, /`[^`]+`/))
        line = substr(line, 1, RSTART - 1) "\\fB" substr(line, RSTART + 1, RLENGTH - 2) "\\fR" \
               substr(line, RSTART + RLENGTH)
    return line
}

function put(line,    cut) { # prints it in lines of at most 76 characters
    line = text(line)
    while (length(line) > 76) {
        for (cut = 76; cut > 0 && substr(line, cut, 1) != " "; cut--)
            ;
        if (cut == 0)
            break
        print guard(substr(line, 1, cut - 1))
        line = substr(line, cut + 1)
    }
    print guard(line)
}

function guard(line) { # what begins with a point would be a request
    return line ~ /^[.']/ ? "\\&" line : line
}

function heading(line) {
    gsub(/"/, "\\(dq", line)
    return line
}

function begin(what) { # of a paragraph, an example or nothing
    if (state == "example" && what != "example")
        print ".EE\n.RE"
    if (what == "example" && state != "example")
        print ".PP\n.RS 4\n.EX"
    if (what == "paragraph" && state != "paragraph" && state != "heading")
        print ".PP"
    state = what
}

function field(name, value) {
    if (name ~ /^(Directive|Line|Variable)$/) {
        begin("heading")
        print ".SS \"" heading(text(value)) "\""
        entries++
    } else if (name == "Meaning") {
        state = ""
        begin("paragraph")
        put(value)
    } else {
        if (state != "heading")
            print ".br"
        print "\\fI" name ":\\fR " text(value)
        state = "field"
    }
}

BEGIN {
    print ".\\\" SPDX-License-Identifier: Apache-2.0"
    print ".\\\" Made of conf/reference.conf."
    print ".TH MOD_AUTHN_APIKEY 5 2026-11-25 mod_authn_apikey"
    print ".SH NAME\nmod_authn_apikey \\- API keys for Apache httpd, kept in MySQL or MariaDB"
    print ".SH DESCRIPTION"
    state = "heading"
}

/^# SPDX-/ { next }
/^# Nothing here is active/ { unsaid = 1 } # of the file, not of the page
/^#?$/ { unsaid = 0 }
unsaid { next }
/^# =+$/ { ruled = !ruled; next }
ruled {
    begin("heading")
    print ".SH " toupper(text(substr($0, 3)))
    next
}
/^$/ { if (state != "heading") begin(""); next }
/^#$/ { begin(""); next }
/^# (Directive|Line|Variable|Default|Context|Override|Header|Log item|Meaning): / {
    colon = index($0, ":")
    value = substr($0, colon + 1)
    sub(/^ +/, "", value)
    field(substr($0, 3, colon - 3), value)
    next
}
# The lines of a list of words with what they mean.
/^#   [A-Z][a-z]+  / {
    begin("list")
    word = $2
    value = $0
    sub(/^#   [A-Z][a-z]+ +/, "", value)
    print ".TP\n\\fI" word "\\fR"
    put(value)
    next
}
/^# / {
    value = substr($0, 3)
    if (!(state == "list" && sub(/^ +/, "", value))) {
        sub(/^ +/, "", value)
        begin("paragraph")
    }
    put(value)
    next
}
/^#[A-Za-z]/ { begin("example"); print guard(text(substr($0, 2))); next }
{ print FILENAME ":" FNR ": what is this?" > "/dev/stderr"; failed = 1; exit 1 }

END {
    if (failed)
        exit 1
    begin("")
    if (entries < 20) {
        print FILENAME ": only " entries " entries?" > "/dev/stderr"
        exit 1
    }
    print ".SH SEE ALSO\n.BR apikeyctl (1),\n.BR apache2 (8)"
}
