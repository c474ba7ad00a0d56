export { DatadogStatsdExporter, type DatadogStatsdExporterOptions, type RunOptions } from './exporter.ts';
export { ExporterClosedError } from './exporter-closed-error.ts';
