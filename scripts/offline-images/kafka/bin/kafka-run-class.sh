#!/bin/bash
# Runs a class of Kafka: kafka-run-class.sh CLASS [ARGUMENT]...
# shellcheck disable=SC2086 # The options are several words.
exec java ${KAFKA_HEAP_OPTS:--Xmx512m} ${KAFKA_OPTS:-} -XX:+UseSerialGC -Djava.awt.headless=true \
  -cp '/opt/kafka/libs/*' "$@"
