#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Does this kernel, with its default settings, give profiles? Run as root inside of a guest, from the
# top of the tree, after tests/vm/prepare. Prints TAP.
. tests/vm/common.sh
trap finish EXIT

export LD_LIBRARY_PATH=$PWD/$VM/lib
PORT=6061
profd=$VM/root/usr/bin/profd
profctl=$VM/root/usr/bin/profctl

echo "# Linux $(uname -r), perf_event_paranoid $(cat /proc/sys/kernel/perf_event_paranoid)," \
	"unprivileged_bpf_disabled $(cat /proc/sys/kernel/unprivileged_bpf_disabled 2>/dev/null)"
"$profd" --listen=127.0.0.1:$PORT --socket="$SCRATCH/s" --directory="$SCRATCH/d" \
	>"$SCRATCH/log" 2>&1 &
daemon=$!
pids+=("$daemon")
pass "profd starts" within 60 get $PORT /healthz "$SCRATCH/health"

"$VM/workloads/chain-pie" 1000 20 &
chain=$!
"$VM/workloads/faults" 1000 &
faults=$!
pids+=("$chain" "$faults")
sleep 1

profile=$SCRATCH/profile.pb.gz
pass "a profile is served" get $PORT "/debug/pprof/profile?seconds=8" "$profile"
pass "it has samples" above 100 "$(quality "$profile" samples_attempted)"
pass "user stacks are complete" above 100 "$(quality "$profile" user_stacks_complete)"
pass "no sample was lost" [ "$(quality "$profile" samples_lost)" = 0 ]
pass "user frames have names" has "$profile" chain_leaf
pass "to the outermost" has "$profile" chain_outer
pass "kernel frames have names" has "$profile" "page_fault"
pass "the kernel has its mapping" has "$profile" "\[kernel"
pass "comms" has "$profile" faults
for key in $(gzip -dc "$profile" | LC_ALL=C grep -a -o 'profd: [a-z_]*=' | tr -d '= ' | cut -d: -f2); do
	echo "# $key=$(quality "$profile" "$key")"
done

one=$SCRATCH/one.pb.gz
pass "one process alone" get $PORT "/pid/$chain/debug/pprof/profile?seconds=4" "$one"
pass "has its frames" has "$one" chain_middle
pass "and none of another" [ "$(gzip -dc "$one" | LC_ALL=C grep -a -c touch_pages)" = 0 ]

# Names that came too late for a profile are in the next one.
brief() {
	for _ in 1 2 3; do
		{
			sleep 1
			for _ in 1 2 3 4 5 6 7 8 9 10; do
				"$VM/workloads/brief" 30
			done
		} &
		get $PORT "/debug/pprof/profile?seconds=5" "$SCRATCH/brief.pb.gz"
		wait $!
		has "$SCRATCH/brief.pb.gz" brief_leaf && return
		echo "# late: $(quality "$SCRATCH/brief.pb.gz" frames_unnamed_late) frames"
	done
	return 1
}
pass "processes of milliseconds have names" brief ||
	gzip -dc "$SCRATCH/brief.pb.gz" | LC_ALL=C grep -a -o '[a-z_./]*brief[a-z_.+0-9]*' | sort -u | sed 's/^/# /'

"$profctl" record --socket="$SCRATCH/s" --pid "$chain" --seconds 2 -o "$SCRATCH/record.pb.gz" \
	>"$SCRATCH/record.log" 2>&1
pass "profctl records through the daemon" has "$SCRATCH/record.pb.gz" chain_leaf
"$profctl" record --socket=/nonexistent --pid "$chain" --seconds 3 -o "$SCRATCH/alone.pb.gz" \
	>"$SCRATCH/alone.log" 2>&1
pass "and without it" has "$SCRATCH/alone.pb.gz" chain_leaf || sed 's/^/# /' "$SCRATCH/alone.log"
"$profctl" doctor --socket="$SCRATCH/s" 2>&1 | sed 's/^/# /'

hotplug=/sys/devices/system/cpu/cpu1/online
if [ -w $hotplug ]; then
	sampled() { get $PORT /metrics "$SCRATCH/m" && grep -q "^profd_cpus_sampled $1\$" "$SCRATCH/m"; }
	echo 0 >$hotplug
	pass "a CPU that goes is let go" within 20 sampled $(($(nproc --all) - 1))
	echo 1 >$hotplug
	pass "one that comes is sampled" within 20 sampled "$(nproc --all)"
fi

get $PORT /metrics "$SCRATCH/metrics"
grep -E '^profd_.*(walk|lost|counters|event)' "$SCRATCH/metrics" | sed 's/^/# /'
kill -TERM $daemon
wait $daemon
pass "it ends with status 0" [ $? = 0 ]
pass "and has written a file" [ -n "$(find "$SCRATCH/d" -name '*-cpu.pb.gz')" ]
sed 's/^/# /' "$SCRATCH/log"
