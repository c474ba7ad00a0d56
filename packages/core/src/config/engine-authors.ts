/** For engine authors: validates an engine's own configuration in the way that the bus validates its. */
export { durationForm, durationMs } from './duration.ts';
export {
  atLeastOne,
  deadLetter,
  duration,
  flag,
  milliseconds,
  retry,
  strict,
  text,
  topic,
  topicOrPattern,
  wholeNumber,
} from './schema.ts';
export { maskUrl, validateConfig } from './validate.ts';
