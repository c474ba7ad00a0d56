// Prints the version of Kafka and the folder with its jars, fetching them if need be: those of the testbed's local Kafka.
import { KAFKA_VERSION, kafkaJars } from '../../packages/testbed/src/kafka/fetch.ts';

console.log(KAFKA_VERSION, await kafkaJars());
