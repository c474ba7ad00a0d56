#!/bin/bash
# Turns KAFKA_ variables into server.properties, formats the storage if it is new, and becomes the broker.
set -euo pipefail

config=/opt/kafka/server.properties
declare -A settings=([log.dirs]=/tmp/kafka-logs)
for variable in $(compgen -e KAFKA_); do
  case $variable in
  KAFKA_HEAP_OPTS | KAFKA_OPTS | KAFKA_VERSION) continue ;;
  esac
  # Three underscores stand for a dash, two for an underscore, one for a dot.
  name=${variable#KAFKA_}
  name=${name//___/-}
  name=${name//__/$'\n'}
  name=${name//_/.}
  name=${name//$'\n'/_}
  settings[${name,,}]=${!variable}
done
for name in "${!settings[@]}"; do
  printf '%s=%s\n' "$name" "${settings[$name]}"
done >"$config"

KAFKA_HEAP_OPTS='-Xmx256m -XX:TieredStopAtLevel=1' /opt/kafka/bin/kafka-run-class.sh kafka.tools.StorageTool format \
  --ignore-formatted --cluster-id "${CLUSTER_ID:-5L6g3nShT-eMCtK--X86sw}" --config "$config"
exec /opt/kafka/bin/kafka-run-class.sh kafka.Kafka "$config"
