#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Are waits what the programs measure, on this kernel, on the rung that it picks by itself and on the
# others that it has? Run as root inside of a guest, from the top of the tree, after
# tests/vm/prepare. Prints TAP. Bounds are wide: a guest without KVM is slow, and its clock coarse.
. tests/vm/common.sh
trap finish EXIT

export LD_LIBRARY_PATH=$PWD/$VM/lib
PORT=6062
profd=$VM/root/usr/bin/profd

# text PATH FUNCTION: the profile as text for people. In a slow guest a first answer may be without
# names, which come after it: then it is asked for again.
text() {
	for _ in 1 2 3 4 5 6; do
		get $PORT "$1&debug=1" "$SCRATCH/text" >&2 && grep -q "^#.*$2" "$SCRATCH/text" && return
		sleep 1
	done
}

# delay PATH [FUNCTION]: the milliseconds of the stacks of a profile, or of those with the function,
# from its text: "cycles count @ addresses", then a line for each frame.
delay() {
	: >"$SCRATCH/text"
	text "$1" "${2:-}"
	awk -v name="${2:-}" '/^cycles\/second=/ { sub(/.*=/, ""); rate = $1 }
		/^[0-9]+ [0-9]+ @/ { cycles = $1; if (name == "") { sum += cycles; cycles = 0 } }
		/^#/ && name != "" && index($0, name) { sum += cycles; cycles = 0 }
		END { printf "%d\n", rate ? sum / rate * 1000 : 0 }' "$SCRATCH/text"
}

# metric PREFIX: the sum of the metrics that begin so
metric() {
	get $PORT /metrics "$SCRATCH/metrics"
	grep "^$1" "$SCRATCH/metrics" | awk '{ sum += $NF } END { printf "%d\n", sum }'
}

# measured FILE KEY: milliseconds that a program has printed
measured() {
	awk -F= -v key="$2" '$1 == key { printf "%d\n", $2 / 1e6 }' "$1"
}

# near PERCENT SEEN WANTED [QUEUED]
# For profd a wait ends when somebody wakes the thread, and what follows is waiting for a CPU; for the
# programs, by the kernel's count, when it is put on a run queue. In between the waker's stack is taken
# and another CPU is told: half a ms where every instruction is emulated. QUEUED is what profd counts so.
near() {
	local queued=${4:-0}
	echo "# $2 ms, within $1 % of $3 ms${4:+; $4 ms more for a CPU}"
	[ "$3" -gt 0 ] && [ $((100 * ($2 + queued))) -ge $(((100 - $1) * $3)) ] &&
		[ $((100 * $2)) -le $(((100 + $1) * $3)) ]
}

start_profd() {
	"$profd" --listen=127.0.0.1:$PORT --socket="$SCRATCH/s" --directory="$SCRATCH/d" "$@" \
		>"$SCRATCH/log" 2>&1 &
	daemon=$!
	pids+=("$daemon")
	within 60 get $PORT /healthz "$SCRATCH/health"
}

stop_profd() {
	kill -TERM "$daemon"
	wait "$daemon"
}

hook() {
	get $PORT /metrics "$SCRATCH/metrics"
	grep 'wait_hook' "$SCRATCH/metrics" | grep -v '^#' | awk '$NF == 1' |
		grep -oE 'exit_tp|kprobe|switch_out|none' | head -1
}

# A program of tests/workloads/wait, to its end; what it printed is in $SCRATCH/report.
measure() {
	"$VM/workloads/$1" "$2" "$3" >"$SCRATCH/report" 2>/dev/null &
	pid=$!
	wait $pid
	sleep 1
}

# compare RUNG PERCENT: the thread with three kinds of wait, and the holder of a mutex
compare() {
	measure wait-sources mixed 4
	for row in sleep:wait_for_time pipe:wait_for_pipe lock:wait_for_lock; do
		reason=${row%:*}
		pass "$1: $reason" near "$2" \
			"$(delay "/debug/pprof/block?pid=$pid&reason=$reason" "${row#*:}")" \
			"$(measured "$SCRATCH/report" "${reason}_wait_ns")" \
			"$(delay "/debug/pprof/block?pid=$pid&reason=runqueue" "${row#*:}")"
	done
	measure wait-locks holder 4
	block=$(delay "/debug/pprof/block?pid=$pid&reason=lock" waiter_wants)
	mutex=$(delay "/debug/pprof/mutex?pid=$pid")
	pass "$1: waiters of a mutex" near "$2" "$block" "$(measured "$SCRATCH/report" lock_wait_ns)"
	pass "$1: its holder" near "$2" "$mutex" "$(measured "$SCRATCH/report" lock_wait_ns)"
	pass "$1: both profiles agree" near "$2" "$mutex" "$block"
	get $PORT "/debug/pprof/mutex?pid=$pid" "$SCRATCH/mutex.pb.gz"
	pass "$1: the holder has its name" has "$SCRATCH/mutex.pb.gz" holder_holds
	get $PORT "/debug/pprof/block?pid=$pid" "$SCRATCH/block.pb.gz"
	pass "$1: the waiters have theirs" has "$SCRATCH/block.pb.gz" waiter_wants
	pass "$1: nothing lost" [ "$(metric profd_waits_lost)" = 0 ]
}

echo "# Linux $(uname -r)"
best=
for rung in auto exit_tp kprobe switch_out; do
	start_profd --block-rate=1ns --wait-hook=$rung
	on=$(hook)
	echo "# $rung: $on"
	case $rung in
	auto)
		best=$on
		pass "waits are seen on this kernel" [ "${on:-none}" != none ]
		compare "auto ($on)" 10
		;;
	"$best") ;; # that was it
	*)
		if [ "$on" = $rung ]; then
			compare $rung 10
		else
			cases=$((cases + 1))
			echo "ok $cases - $rung # SKIP this kernel has not got it"
		fi
		;;
	esac
	grep -iE 'wait|hook' "$SCRATCH/log" | sed 's/^/# /'
	stop_profd
done
pass "the best rung was picked" [ "$best" = "$(grep -q ' __SCT__tp_func_sched_exit_tp$' /proc/kallsyms &&
	echo exit_tp || echo kprobe)" ]
