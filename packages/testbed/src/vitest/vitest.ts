export { describeWithBroker, sharedBroker } from './describe-with-broker.ts';
export type { Provided, SharedBroker } from './provided.ts';
