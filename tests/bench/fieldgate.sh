#!/bin/bash
# The benchmark harness's adapter for Fieldgate: copied into its adapters/ folder. FIELDGATE is the
# program; COMMIT, LINGER, LIMIT and DEVICES change the configuration.
. "$(dirname "$0")/_lib.sh"
FG=${FIELDGATE:?the path of the fieldgate program}

caps() {
	printf 'src=subscribe\nsink=mqtt\ncoap=telemetry\ncoap_sink=%s\nnormalises=1\nspool=mem,disk\nready_s=0.5\n' \
		"$([ "$OPT" = answers ] && echo 0 || echo 1)"
}

driver() {
	if [ "$MODE" = coap ]; then
		echo "\"things\": { \"type\": \"coap\", \"listen\": \"coap://127.0.0.1:$COAP\" }"
	else
		echo "\"field\": { \"type\": \"mqtt\", \"url\": \"mqtt://127.0.0.1:$LOCAL\", \"subscribe\": [\"$TOPIC\"], \"qos\": $QOS }"
	fi
}

bridge() {
	if [ "$MODE" = coap ] && [ "$OPT" = answers ]; then
		return
	fi
	echo "\"up\": { \"type\": \"mqtt\", \"url\": \"mqtt://127.0.0.1:$UP\", \"qos\": $QOS, \"batch\": { \"records\": 100, \"linger\": \"${LINGER:-5ms}\" } }"
}

start() {
	cat >"$WORK/fieldgate.json" <<C
{ "gateway": { "id": "bench" }, "run": { "socket": "$WORK/control.sock" },
  "spool": { "dir": "$WORK/spool", "limit": "${LIMIT:-256MiB}", "commit": "${COMMIT:-1s}" },
  "limits": { "devices": ${DEVICES:-10000} },
  "drivers": { $(driver) },
  "bridges": { $(bridge) } }
C
	spawn "$FG" run -c "$WORK/fieldgate.json"
}

files() { echo "$FG"; }
main "$@"
