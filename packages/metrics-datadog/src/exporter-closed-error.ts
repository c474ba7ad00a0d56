import { PolybusError } from '@polybus/core';

/** `run` or `flush` was called after `close`. */
export class ExporterClosedError extends PolybusError {
  constructor(operation: string) {
    super('EXPORTER_CLOSED', `Cannot ${operation}: the exporter is closed. Create a new one.`);
  }
}
