# SPDX-License-Identifier: Apache-2.0
# bash completion for profctl: /usr/share/bash-completion/completions/profctl

_profctl_units() {
	systemctl list-units --plain --no-legend --type=service,scope 2>/dev/null |
		while read -r unit _; do printf '%s\n' "$unit"; done
}

_profctl() {
	local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
	local verbs="record top list status doctor version help" verb= options= i

	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--socket) ((i++)) ;;
		-*) ;;
		*)
			verb=${COMP_WORDS[i]}
			break
			;;
		esac
	done
	# Behind "--" stands another program's command line.
	for (( ; i < COMP_CWORD; i++)); do
		if [[ ${COMP_WORDS[i]} == -- ]]; then
			compopt -o default
			COMPREPLY=($(compgen -c -- "$current"))
			((COMP_CWORD > i + 1)) && COMPREPLY=()
			return
		fi
	done

	case $previous in
	-p | --pid)
		COMPREPLY=($(compgen -W "$(ps -eo pid= 2>/dev/null)" -- "$current"))
		return
		;;
	-c | --comm)
		COMPREPLY=($(compgen -W "$(ps -eo comm= 2>/dev/null | sort -u)" -- "$current"))
		return
		;;
	-u | --unit)
		COMPREPLY=($(compgen -W "$(_profctl_units)" -- "$current"))
		return
		;;
	-o | --output | --socket)
		COMPREPLY=($(compgen -f -- "$current"))
		compopt -o filenames
		return
		;;
	-t | --type)
		COMPREPLY=($(compgen -W "cpu block mutex" -- "$current"))
		return
		;;
	--reason)
		COMPREPLY=($(compgen -W "lock sync disk fault socket pipe poll sleep child signal runqueue other all" -- "$current"))
		return
		;;
	--lock)
		COMPREPLY=($(compgen -W "mutex rwlock monitor kernel file condition semaphore barrier join futex all" -- "$current"))
		return
		;;
	-F | --frequency | --seconds | -n | --lines) return ;;
	esac

	case $verb in
	"") options="$verbs --socket --help --version" ;;
	record) options="--pid --comm --unit --type --reason --lock --wakers --seconds --frequency --output --local --socket --help --" ;;
	top) options="--pid --comm --unit --type --reason --lock --wakers --seconds --frequency --lines --cum --once --local --socket --help" ;;
	list) options="--seconds --frequency --lines --local --socket --help" ;;
	status) options="--executables --socket --help" ;;
	help) options=$verbs ;;
	*) options="--socket --help" ;;
	esac
	COMPREPLY=($(compgen -W "$options" -- "$current"))
}

complete -F _profctl profctl
