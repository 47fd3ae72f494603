#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# profd as a service of a real systemd: start, status, scrape, reload, watchdog, socket, stop. Run as
# root inside of a guest that was booted with systemd, from the top of the tree, after
# tests/vm/prepare. It installs into the guest. Prints TAP.
. tests/vm/common.sh
trap finish EXIT

PORT=6061
property() { systemctl show -P "$1" "${2:-profd.service}"; }
is() { echo "# $2, wanted $1" && [ "$1" = "$2" ]; }
main_pid_file() { cat "/proc/$(property MainPID)/$1" 2>/dev/null; }
field() { main_pid_file status | awk -v key="$1:" '$1 == key { print $2 }'; }
restarted() { [ "$(property NRestarts)" -ge 1 ] && [ "$(property ActiveState)" = active ]; }

echo "# Linux $(uname -r), systemd $(systemctl --version | head -1)," \
	"perf_event_paranoid $(cat /proc/sys/kernel/perf_event_paranoid)"
cp -a "$VM/root/." /
mkdir -p /usr/local/lib/profd
# Only those that the guest does not have: the others must stay its own.
for library in "$VM"/lib/*; do
	[ -e "/usr/lib/$(uname -m)-linux-gnu/${library##*/}" ] || cp "$library" /usr/local/lib/profd/
done
echo /usr/local/lib/profd >/etc/ld.so.conf.d/profd.conf
ldconfig
systemd-sysusers 2>/dev/null
systemd-tmpfiles --create 2>/dev/null
systemctl daemon-reload

units=(/usr/lib/systemd/system/profd.service /usr/lib/systemd/system/profd.socket)
pass "the units are right" systemd-analyze verify --man=no "${units[@]}"
"$VM/workloads/chain-pie" 300 20 &
pids+=("$!")

pass "systemctl start" systemctl start profd.service
pass "it is active" is active "$(property ActiveState)"
pass "Type=notify" is notify "$(property Type)"
pass "it says what it does" [ -n "$(property StatusText)" ]
echo "# status: $(property StatusText)"
pass "it has a watchdog" [ "$(property WatchdogUSec)" != 0 ]
pass "healthz" within 20 get $PORT /healthz "$SCRATCH/health"
pass "a profile is scraped" get $PORT "/debug/pprof/profile?seconds=5" "$SCRATCH/p.pb.gz"
pass "with samples" above 50 "$(quality "$SCRATCH/p.pb.gz" samples_attempted)"
pass "with user names" has "$SCRATCH/p.pb.gz" chain_leaf
pass "with kernel names" has "$SCRATCH/p.pb.gz" "\[kernel"

echo "# uid $(field Uid), CapEff $(field CapEff), Seccomp $(field Seccomp), NoNewPrivs $(field NoNewPrivs)"
pass "not all capabilities are left" [ "$((0x$(field CapEff) & (1 << 21 | 1 << 12 | 1 << 1 | 1)))" = 0 ]
pass "system calls are filtered" is 2 "$(field Seccomp)"
pass "no new privileges" is 1 "$(field NoNewPrivs)"
pass "profctl status over the socket" profctl status
pass "unwinding tables are loaded" above 1 "$(profctl status | sed -n 's/^unwind_tables_loaded: //p')"
pass "the parser processes do not crash" is 0 "$(profctl status | sed -n 's/^parser_restarts: //p')"
pass "they are nobody" [ "$(ps -C profd-parser -o user= | sort -u)" = nobody ]

pass "reload" systemctl reload profd.service
sleep 1
pass "is active after it" is active "$(property ActiveState)"
pass "the journal has its lines" [ -n "$(journalctl -q -u profd.service -o cat | grep -v systemd)" ]
pass "none of them an error" [ -z "$(journalctl -q -u profd.service -p err -o cat)" ]
journalctl -q -u profd.service -o short-monotonic | tail -20 | sed 's/^/# /'

mkdir -p /run/systemd/system/profd.service.d
printf '[Service]\nWatchdogSec=3\nRestartSec=0\n' >/run/systemd/system/profd.service.d/test.conf
systemctl daemon-reload
systemctl restart profd.service
sleep 8
pass "the watchdog lets a healthy daemon be" is 0 "$(property NRestarts)"
kill -STOP "$(property MainPID)"
pass "it restarts one that hangs" within 60 restarted
pass "which serves again" within 20 get $PORT /healthz "$SCRATCH/health"
rm -r /run/systemd/system/profd.service.d
systemctl daemon-reload

kill -KILL "$(property MainPID)"
sleep 1
pass "it comes back from SIGKILL" within 60 get $PORT /healthz "$SCRATCH/health"

group=/sys/fs/cgroup$(property ControlGroup)
echo "# processes: $(ps -o user=,comm= -p "$(paste -sd, "$group/cgroup.procs")" | paste -sd,)"
begin=$(date +%s%3N)
pass "systemctl stop" systemctl stop profd.service
pass "within three seconds" above "$(($(date +%s%3N) - begin))" 3000
pass "it ended well" is success "$(property Result)"
pass "nothing is left of it" [ ! -s "$group/cgroup.procs" ]
pass "nobody had to be killed" [ -z "$(journalctl -q -u profd.service -o cat | grep -i sigkill.*stop)" ]
pass "unwinding tables are kept" [ -n "$(find /var/cache/profd -name '*' -type f 2>/dev/null)" ]
pass "files are there" [ -n "$(find /var/lib/profd/ /var/lib/private/profd/ -name '*-cpu.pb.gz' 2>/dev/null)" ]

systemctl stop profd.socket 2>/dev/null
pass "the socket unit starts" systemctl start profd.socket
pass "profd does not yet" is inactive "$(property ActiveState)"
pass "who asks wakes it" within 30 profctl status
pass "it is active then" is active "$(property ActiveState)"
systemctl stop profd.socket profd.service 2>/dev/null
systemd-analyze security profd.service 2>/dev/null | tail -1 | sed 's/^/# /'
