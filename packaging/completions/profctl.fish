# SPDX-License-Identifier: Apache-2.0
# fish completion for profctl: /usr/share/fish/vendor_completions.d/profctl.fish

set -l verbs record top list status doctor version help
set -l collects '__fish_seen_subcommand_from record top list'
set -l selects '__fish_seen_subcommand_from record top'

complete -c profctl -f
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a record -d 'Record a profile into a file'
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a top -d 'Show the functions that use the CPU, or wait'
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a list -d 'List processes by CPU use'
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a status -d 'Show the state of the daemon'
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a doctor -d 'Check what profiling needs'
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a version -d 'Print the version'
complete -c profctl -n "not __fish_seen_subcommand_from $verbs" -a help -d 'Explain a command'
complete -c profctl -n '__fish_seen_subcommand_from help' -a "$verbs"
complete -c profctl -l socket -r -F -d 'Socket of the daemon'
complete -c profctl -s h -l help -d Explain
complete -c profctl -n $selects -s p -l pid -x -a '(__fish_complete_pids)' -d 'Only these processes'
complete -c profctl -n $selects -s c -l comm -x -d 'Only processes of this name'
complete -c profctl -n $selects -s u -l unit -x -d 'Only processes of this systemd unit'
complete -c profctl -n $selects -s t -l type -x -a 'cpu block mutex' -d 'What is profiled'
complete -c profctl -n $selects -l reason -x -a 'lock sync disk fault socket pipe poll sleep child signal runqueue other all' -d 'Only these waits'
complete -c profctl -n $selects -l lock -x -a 'mutex rwlock monitor kernel file condition semaphore barrier join futex all' -d 'Only waits for these'
complete -c profctl -n $selects -l wakers -d 'Who ended each wait'
complete -c profctl -n $collects -l seconds -x -d 'How long'
complete -c profctl -n $collects -s F -l frequency -x -d 'Samples per second and CPU'
complete -c profctl -n $collects -l local -d 'Collect without the daemon'
complete -c profctl -n '__fish_seen_subcommand_from record' -s o -l output -r -F -d 'File to write'
complete -c profctl -n '__fish_seen_subcommand_from top list' -s n -l lines -x -d 'At most so many lines'
complete -c profctl -n '__fish_seen_subcommand_from top' -l cum -d 'Sort by cumulative time'
complete -c profctl -n '__fish_seen_subcommand_from top' -l once -d 'One report'
complete -c profctl -n '__fish_seen_subcommand_from status' -l executables -d 'List executables'
