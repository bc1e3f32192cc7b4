# SPDX-License-Identifier: Apache-2.0
# Completion of apikeyctl(1) for bash. Commands and options are those that --help lists, so
# there is nothing here to keep up to date with it. shellcheck shell=bash

_apikeyctl()
{
    local cur=${COMP_WORDS[COMP_CWORD]} command='' option='' rest=() i word
    local IFS=$' \t\n'
    COMPREPLY=()

    # bash takes `--status=va` for three words.
    if [[ $cur == = ]]; then
        cur='' option=${COMP_WORDS[COMP_CWORD - 1]}
    elif ((COMP_CWORD > 1)) && [[ ${COMP_WORDS[COMP_CWORD - 1]} == = ]]; then
        option=${COMP_WORDS[COMP_CWORD - 2]}
    elif [[ ${COMP_WORDS[COMP_CWORD - 1]} == --* ]]; then
        option=${COMP_WORDS[COMP_CWORD - 1]}
    fi

    # What was typed before, without options and their values.
    for ((i = 1; i < COMP_CWORD; i++)); do
        word=${COMP_WORDS[i]}
        if [[ $word == --* ]]; then
            if [[ ${COMP_WORDS[i + 1]} == = ]]; then
                ((i += 2))
            elif _apikeyctl_takes_value "$word"; then
                ((i++))
            fi
        else
            rest+=("$word")
        fi
    done
    command=${rest[0]-}
    if [[ $command == team || $command == pepper ]] && ((${#rest[@]} > 1)); then
        command="${rest[0]} ${rest[1]}"
    fi

    if [[ -n $option ]] && _apikeyctl_takes_value "$option"; then
        _apikeyctl_value "$option"
    elif [[ $cur == -* ]]; then
        # shellcheck disable=SC2086
        mapfile -t COMPREPLY < <(compgen -W "$("$1" $command --help 2>/dev/null |
            sed -n 's/^  \(--[a-z-]*\).*/\1/p')" -- "$cur")
    else
        _apikeyctl_word "$1"
    fi
}

_apikeyctl_takes_value()
{
    case $1 in
    --json | --help | --public | --quiet | --dry-run | --all-or-nothing | --manage) return 1 ;;
    esac
}

# The value of an option.
_apikeyctl_value()
{
    case $1 in
    --defaults-file | --pepper) _apikeyctl_files ;;
    --status) mapfile -t COMPREPLY < <(compgen -W 'valid revoked expired' -- "$cur") ;;
    --expires) mapfile -t COMPREPLY < <(compgen -W '1d 7d 30d 90d 365d never' -- "$cur") ;;
    --grace) mapfile -t COMPREPLY < <(compgen -W '0 1h 24h 7d 30d' -- "$cur") ;;
    --since) mapfile -t COMPREPLY < <(compgen -W '1h 24h 7d 30d' -- "$cur") ;;
    --older-than) mapfile -t COMPREPLY < <(compgen -W '30d 90d 365d' -- "$cur") ;;
    esac
}

# A command, the second word of one, or the file that it wants: never a file where an id is due.
_apikeyctl_word()
{
    local commands
    commands=$("$1" --help 2>/dev/null | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\( [a-z]*\)\{0,1\}\)  .*/\1/p')
    case $command in
    '') mapfile -t COMPREPLY < <(compgen -W "$(cut -d' ' -f1 <<< "$commands" | sort -u)" -- "$cur") ;;
    team | pepper)
        mapfile -t COMPREPLY < <(compgen -W "$(sed -n "s/^$command //p" <<< "$commands")" -- "$cur")
        ;;
    import | gen-pepper | 'pepper use') _apikeyctl_files ;;
    esac
}

_apikeyctl_files()
{
    compopt -o filenames 2>/dev/null
    mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

complete -F _apikeyctl apikeyctl
