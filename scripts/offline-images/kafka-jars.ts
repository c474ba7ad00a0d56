// Prints the version of the testbed's local Kafka and the folder with its jars. Downloads the jars if necessary.
import { KAFKA_VERSION, kafkaJars } from '../../packages/testbed/src/kafka/fetch.ts';

console.log(KAFKA_VERSION, await kafkaJars());
