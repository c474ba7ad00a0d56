// Prints the image of each broker that the testbed runs in a container, one per line.
import { imageOf } from '../../packages/testbed/src/machine/docker.ts';
import { BROKER_NAMES } from '../../packages/testbed/src/types.ts';

for (const name of BROKER_NAMES) console.log(imageOf(name));
