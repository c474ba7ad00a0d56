export { type OpenTelemetryMiddleware, type OpenTelemetryOptions, openTelemetry } from './open-telemetry.ts';
