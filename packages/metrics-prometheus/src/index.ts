export { PrometheusCollector, type PrometheusCollectorOptions } from './collector.ts';
