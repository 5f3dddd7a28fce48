#!/bin/sh
here=$(dirname "$(readlink -f "$0")")
if [ "$1" = "-daemon" ]; then
    shift
    logs=${LOG_DIR:-$here/../logs}
    mkdir -p "$logs" || exit 1
    nohup "$here/ottla-tool" server-start "$@" >"$logs/kafkaServer.out" 2>&1 </dev/null &
    exit 0
fi
exec "$here/ottla-tool" server-start "$@"
