export { type CustomEngine, customEngine, engines } from './custom-engine.ts';
export { type EventFilter, TopicPrefixFilter } from './filters.ts';
export type { EventMetrics } from './metrics.ts';
export type { CustomMemoryConfig, FilterConfig } from './options.ts';
