# SPDX-License-Identifier: Apache-2.0
# Shared by the scripts that run inside of a guest, where there is bash and not much more: TAP, HTTP
# and reading a profile with grep. Sourced, with the current directory at the top of the tree.
# shellcheck shell=bash

export PATH=$PATH:/usr/sbin:/sbin
VM=${BUILD:-build}/vm
SCRATCH=$(mktemp -d /tmp/profd-vm.XXXXXX)
cases=0 failed=0
pids=()

finish() {
	for pid in "${pids[@]}"; do
		kill -KILL "$pid" 2>/dev/null
	done
	wait 2>/dev/null
	rm -rf "$SCRATCH"
	echo "1..$cases"
	[ "$failed" = 0 ]
	exit $?
}

# pass NAME CONDITION...: the case NAME is whether the command succeeds
pass() {
	local name=$1
	shift
	cases=$((cases + 1))
	if "$@"; then
		echo "ok $cases - $name"
	else
		failed=$((failed + 1))
		echo "not ok $cases - $name"
		echo "# $*"
		return 1
	fi
}

# within SECONDS COMMAND...: whether it succeeds at last
within() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		sleep 0.2
	done
}

# get PORT PATH FILE: the body of a GET; fails unless the status is 200
get() {
	local fd status line
	{ exec {fd}<>"/dev/tcp/127.0.0.1/$1"; } 2>/dev/null || return 1
	printf 'GET %s HTTP/1.0\r\nHost: x\r\n\r\n' "$2" >&"$fd"
	cat <&"$fd" >"$SCRATCH/response"
	exec {fd}>&-
	status=$(head -1 "$SCRATCH/response" | tr -d '\r')
	# The head ends at the first line that is only a carriage return.
	line=$(LC_ALL=C grep -a -n -m1 $'^\r$' "$SCRATCH/response" | cut -d: -f1)
	tail -n +$((${line:-0} + 1)) "$SCRATCH/response" >"$3"
	case $status in *' 200 '*) ;; *)
		echo "# $2: $status"
		return 1
		;;
	esac
}

# has FILE TEXT: whether a profile has the text in one of its strings
has() {
	gzip -dc "$1" | LC_ALL=C grep -a -q -- "$2"
}

# quality FILE KEY: a number of the quality record of a profile, 0 if it is not there. The string is
# as long as the byte before it says; what follows it in the file may look like a digit too.
quality() {
	local raw=$SCRATCH/raw at length text
	gzip -dc "$1" >"$raw"
	at=$(LC_ALL=C grep -a -o -b "profd: $2=" "$raw" | head -1 | cut -d: -f1)
	[ -n "$at" ] || {
		echo 0
		return
	}
	length=$(od -An -tu1 -j$((at - 1)) -N1 "$raw")
	text=$(tail -c +$((at + 1)) "$raw" | head -c "$((length))")
	echo "${text##*=}"
}

above() {
	echo "# $2 of at least $1"
	[ "$2" -ge "$1" ]
}
