export { PrometheusCollector, type PrometheusCollectorOptions } from './collector.ts';
export type { AnyRegistry } from './metrics.ts';
