# To be sourced by long bash scripts, which say what they are at:
#   steps FILE SCRIPT ARGUMENT...   where stderr is a terminal, begins the script anew below cmake/progress,
#                 which keeps in FILE how long each step took; for before anything is done
#   plan NAME...  these steps will come
#   step NAME     this one begins
# Elsewhere nothing is shown, and nothing is different.

FG_STEPS_FD=${FG_STEPS:-}
unset FG_STEPS    # scripts that this one calls are part of its steps

steps() {
	[ -z "$FG_STEPS_FD" ] && [ -t 2 ] && [ "${TERM:-dumb}" != dumb ] || return 0
	[ -x /usr/bin/python3 ] || return 0
	exec "$(dirname "${BASH_SOURCE[0]}")/progress" "$@"
}

plan() {
	[ -z "$FG_STEPS_FD" ] || printf 'plan %s\n' "$@" >&"$FG_STEPS_FD"
}

step() {
	[ -z "$FG_STEPS_FD" ] || printf 'step %s\n' "$1" >&"$FG_STEPS_FD"
}
