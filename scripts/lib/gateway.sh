# A gateway that passes only files, and passes them badly: some it loses, some come twice, in two pieces, or late. The other way
# it carries receipts, and loses some of these, too. For scripts/demo; sourced, not run.

# Usage: gateway OUT IN RECEIPTS_FROM RECEIPTS_TO LOG. Runs until it is ended. LOG gets a word for each file.
gateway()
{
	local from=$1
	local to=$2
	local receipts_from=$3
	local receipts_to=$4
	local log=$5
	local late
	local file

	late=$(mktemp -d "$work/late.XXXXXX")
	# what it brings is for others to read
	umask 022
	until [ -d "$to" ]; do
		sleep 0.2
	done
	while true; do
		for file in "$from"/*.tar; do
			if [ -e "$file" ]; then
				gateway_takes "$file" || true
				rm -f "$file"
			fi
		done
		for file in "$late"/*; do
			if [ -e "$file" ] && [ $((RANDOM % 4)) = 0 ]; then
				gateway_delivers "$file" && rm -f "$file"
			fi
		done
		for file in "$receipts_from"/*; do
			if [ -f "$file" ] && [ $((RANDOM % 4)) != 0 ]; then
				install -m 644 "$file" "$receipts_to/" 2>/dev/null || true
			fi
		done
		sleep 0.2
	done
}

# The variables are those of gateway().
gateway_takes()
{
	case $((RANDOM % 12)) in
		0) echo lost >>"$log" ;;
		1)
			gateway_delivers "$1" "twice-$RANDOM-"
			gateway_delivers "$1"
			echo doubled >>"$log"
			;;
		2 | 3)
			head -c $(($(wc -c <"$1") / 2)) "$1" >"$to/$(basename "$1")"
			cp "$1" "$late/"
			echo torn >>"$log"
			;;
		4 | 5)
			cp "$1" "$late/"
			echo late >>"$log"
			;;
		*)
			gateway_delivers "$1"
			echo passed >>"$log"
			;;
	esac
}

# Usage: gateway_delivers FILE [PREFIX]: byte by byte, as far as who reads the folder can tell
gateway_delivers()
{
	cat "$1" >"$to/${2:-}$(basename "$1")"
}

# Usage: gateway_report LOG
gateway_report()
{
	sort "$1" | uniq -c | awk '{ printf "%s%d %s", (NR > 1 ? ", " : ""), $1, $2 } END { print "" }'
}
