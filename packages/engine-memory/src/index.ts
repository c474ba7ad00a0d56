export { durableMemoryEngine, engines, memoryEngine } from './memory-engine.ts';
export { type DeliveryMode, type DurableMemoryConfig, type MemoryConfig, configSchemas } from './options.ts';
