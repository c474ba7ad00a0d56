/** The codes of the errors that core throws. */
export const coreErrorCodes = [
  'CONFIG_FILE',
  'CONTRACT_VERSION',
  'DELIVERY_COUNT_EXCEEDED',
  'DUPLICATE_ENGINE_NAME',
  'ENGINE_NOT_FOUND',
  'EVENT_BUS_NOT_STARTED',
  'HANDLER_REQUIRED',
  'HANDLER_TIMEOUT',
  'INVALID_CONFIG',
  'INVALID_EVENT',
  'INVALID_OPTION',
  'INVALID_SUBSCRIPTION',
  'INVALID_TENANT',
  'INVALID_TOPIC',
  'MISSING_PACKAGE',
  'MISSING_VARIABLE',
  'MODULE_NOT_INITIALIZED',
  'NEXT_CALLED_TWICE',
  'NO_SUBJECT_FOR_EVENT_EMISSION',
  'PUBLISH_FAILED',
  'SCHEMA_VALIDATION',
  'SHUTDOWN_TIMEOUT',
  'SUBSCRIPTION_NOT_FOUND',
  'UNDECODABLE_RECORD',
  'UNKNOWN_ENGINE_REFERENCE',
  'UNKNOWN_ENGINE_TYPE',
  'UNKNOWN_OPTION',
  'UNRECOVERABLE',
  'UNSUPPORTED_CAPABILITY',
] as const;

export type CoreErrorCode = (typeof coreErrorCodes)[number];

/** The codes that several engines use: the broker cannot be reached, or an event is too large for it. */
export type EngineErrorCode = 'CONNECTION_FAILED' | 'RECORD_TOO_LARGE';

/**
 * The code of a {@link PolybusError}. The codes of core and of several engines are listed, so that editors complete them; an
 * engine may add codes of its own.
 */
export type ErrorCode = CoreErrorCode | EngineErrorCode | (string & {});
