#!/bin/bash
# Kafka's tools by the names that they have in the `apache/kafka` image; each is a link to this file.
case $(basename "$0" .sh) in
kafka-configs) class=kafka.admin.ConfigCommand ;;
kafka-topics) class=org.apache.kafka.tools.TopicCommand ;;
kafka-consumer-groups) class=org.apache.kafka.tools.consumer.group.ConsumerGroupCommand ;;
kafka-console-consumer) class=org.apache.kafka.tools.consumer.ConsoleConsumer ;;
kafka-console-producer) class=org.apache.kafka.tools.ConsoleProducer ;;
*)
  echo "$0 is no tool of this image" >&2
  exit 2
  ;;
esac
exec /opt/kafka/bin/kafka-run-class.sh "$class" "$@"
