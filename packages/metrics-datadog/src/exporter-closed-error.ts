import { PolybusError } from '@polybus/core';

/** `run` or `flush` after `close`. */
export class ExporterClosedError extends PolybusError {
  constructor(operation: string) {
    super('EXPORTER_CLOSED', `Cannot ${operation}: the exporter is closed. Make another one.`);
  }
}
