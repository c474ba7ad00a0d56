export { CaseContext } from './case-context.ts';
export { cases } from './cases/index.ts';
export { type ConformanceCase, appliesTo } from './conformance-case.ts';
export { describeEngine } from './describe-engine.ts';
export type {
  AttemptMemory,
  BrokerControl,
  ConformanceOptions,
  EngineUnderTest,
  FactoryContext,
  ProcessOptions,
} from './options.ts';
export { type PayloadRow, payloadTable, refusedPayloads } from './tables/payload-table.ts';
export { runCase } from './run-case.ts';
export { type WildcardRow, invalidPatterns, invalidTopics, wildcardTable } from './tables/wildcard-table.ts';
