#!/bin/sh
exec "$(dirname "$(readlink -f "$0")")/ottla-tool" kafka-server-stop "$@"
