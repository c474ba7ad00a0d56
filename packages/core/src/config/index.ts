/** For engine authors: validates an engine's own configuration in the way that the bus validates its. */
export { durationForm, durationMs } from './duration.ts';
export {
  atLeastOne,
  deadLetter,
  duration,
  flag,
  handlerTimeout,
  milliseconds,
  retry,
  stallLimit,
  strict,
  text,
  timeToLive,
  timerDuration,
  topic,
  topicOrPattern,
  wholeNumber,
} from './schema.ts';
export { maskUrl } from '../errors/mask.ts';
export { validateConfig } from './validate.ts';
