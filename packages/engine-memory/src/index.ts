export { durableMemoryEngine, engines, memoryEngine } from './memory-engine.ts';
export type { DeliveryMode, MemoryConfig } from './options.ts';
