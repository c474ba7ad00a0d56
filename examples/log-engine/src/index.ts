export { LogBroker } from './log-broker.ts';
export { engines, logEngine } from './log-engine.ts';
export type { LogConfig } from './options.ts';
