import * as v from 'valibot';
import type { TimeToLive } from '../contract/bus.ts';
import type { RetryOptions } from '../contract/retry.ts';
import { assertTopic, assertTopicOrPattern, maxTopicLength, topicGrammar } from '../contract/topics.ts';
import { tenantForm, tenantGrammar } from '../contract/tenant.ts';
import { longestTimerMs } from '../contract/timer-limit.ts';
import { durationForm, durationGrammar, durationMs } from './duration.ts';

const holds =
  (assertion: (value: string) => void) =>
  (value: string): boolean => {
    try {
      assertion(value);
      return true;
    } catch {
      return false;
    }
  };

/** Schemas that the engines' own schemas share. Each message continues "expected …". */
export const atLeastOne: v.GenericSchema<number> = v.pipe(
  v.number('a whole number of at least 1'),
  v.integer('a whole number of at least 1'),
  v.minValue(1, 'a whole number of at least 1'),
);

export const wholeNumber: v.GenericSchema<number> = v.pipe(
  v.number('a whole number of at least 0'),
  v.integer('a whole number of at least 0'),
  v.minValue(0, 'a whole number of at least 0'),
);

export const flag: v.GenericSchema<boolean> = v.boolean('true or false');

export const text: v.GenericSchema<string> = v.pipe(
  v.string('text'),
  v.minLength(1, 'text that is not empty'),
);

/** A duration, parsed to milliseconds. */
export const duration: v.GenericSchema<number | string, number> = v.pipe(
  v.union(
    [
      v.pipe(v.number(), v.finite(durationForm), v.minValue(0, durationForm)),
      v.pipe(v.string(), v.regex(durationGrammar, durationForm)),
    ],
    durationForm,
  ),
  v.transform((value) => durationMs(value)!),
);

const timeToLiveForm = ({ input }: v.BaseIssue<unknown>): string =>
  isBareNumber(input)
    ? `a duration with its unit: "${input}s" for seconds, which is what the Go module means by it, or "${input}ms" for milliseconds`
    : 'text such as "90s", "5m", "1h30m", "7d", or 0 for no limit';

function isBareNumber(value: unknown): value is number | string {
  return typeof value === 'number' || (typeof value === 'string' && /^\d+(?:\.\d+)?$/.test(value));
}

/** `eventTTL` before parsing. A bare number is refused, because the Go module means seconds and every other field here means milliseconds. */
export const givenTimeToLive: v.GenericSchema<TimeToLive> = v.union(
  [v.literal(0), v.pipe(v.string(), v.regex(durationGrammar, timeToLiveForm))],
  timeToLiveForm,
);

/** `eventTTL`, parsed to milliseconds. */
export const timeToLive: v.GenericSchema<TimeToLive, number> = v.pipe(
  givenTimeToLive,
  v.transform((value) => durationMs(value)!),
);

const timerLimit = `at most ${longestTimerMs} milliseconds (24 days)`;

/** A duration that a timer can wait for, parsed to milliseconds. */
export const timerDuration: v.GenericSchema<number | string, number> = v.pipe(
  duration,
  v.maxValue(longestTimerMs, timerLimit),
);

/** A number of milliseconds that a timer can wait for, for fields whose name ends in `Ms`. */
export const milliseconds: v.GenericSchema<number> = v.pipe(
  v.number('milliseconds, as a number of at least 0'),
  v.minValue(0, 'milliseconds, as a number of at least 0'),
  v.maxValue(longestTimerMs, timerLimit),
);

/** As {@link milliseconds}, but not 0. */
export const positiveMilliseconds: v.GenericSchema<number> = v.pipe(
  v.number('milliseconds, as a number of at least 1'),
  v.minValue(1, 'milliseconds, as a number of at least 1'),
  v.maxValue(longestTimerMs, timerLimit),
);

const retryOptions = strict({
  attempts: v.optional(atLeastOne),
  backoff: v.optional(
    strict({
      initialMs: v.optional(milliseconds),
      maxMs: v.optional(milliseconds),
      factor: v.optional(v.pipe(v.number('a number of at least 1'), v.minValue(1, 'a number of at least 1'))),
      jitter: v.optional(v.picklist(['full', 'none'], '"full" or "none"')),
    }),
  ),
  shouldRetry: v.optional(
    v.custom<(error: unknown) => boolean>((value) => typeof value === 'function', 'a function of the error'),
  ),
});

const retryOrNone = v.union(
  [v.literal(false), retryOptions],
  'false, or { attempts, backoff: { initialMs, maxMs, factor, jitter }, shouldRetry }',
);

/** The option `retry` of a subscription. */
export const retry: v.GenericSchema<RetryOptions | false> = {
  ...retryOrNone,
  // A union would report an invalid object only as none of its alternatives.
  '~run': (dataset, config) =>
    typeof dataset.value === 'object' && dataset.value !== null && !Array.isArray(dataset.value)
      ? retryOptions['~run'](dataset, config)
      : retryOrNone['~run'](dataset, config),
};

export const topic: v.GenericSchema<string> = v.pipe(
  v.string('a topic such as "user.created"'),
  v.check(holds(assertTopic), 'a topic such as "user.created"'),
  v.metadata({ pattern: topicGrammar.source, maxLength: maxTopicLength }),
);

export const topicOrPattern: v.GenericSchema<string> = v.pipe(
  v.string('a topic or pattern such as "user.created", "user.*" or "*"'),
  v.check(holds(assertTopicOrPattern), 'a topic or pattern such as "user.created", "user.*" or "*"'),
  v.metadata({
    pattern: `${topicGrammar.source}|^(?:[A-Za-z0-9_-]+\\.)*[A-Za-z0-9_-]*\\*$`,
    maxLength: maxTopicLength,
  }),
);

export const tenant: v.GenericSchema<string> = v.pipe(
  v.string(`a tenant: ${tenantForm}`),
  v.regex(tenantGrammar, `a tenant: ${tenantForm}`),
);

/** The option `deadLetter`: a topic, true for `_dead.<topic>`, or false to only log and count. */
export const deadLetter: v.GenericSchema<string | boolean> = v.union(
  [v.boolean(), topic],
  'a topic, true for "_dead.<topic>", or false to log and count',
);

/** Returns false for objects that have no fields of their own to read: a list, a Map, or a promise that the caller did not await. */
export function hasFields(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value) || value instanceof Map)
    return false;
  return typeof (value as { then?: unknown }).then !== 'function';
}

const anObject = v.custom(hasFields, 'an object');

/** The schema that {@link strict} returns. */
export type StrictObject<E extends v.ObjectEntries> = v.GenericSchema<
  v.InferInput<v.StrictObjectSchema<E, string>>,
  v.InferOutput<v.StrictObjectSchema<E, string>>
>;

/** A schema for an object with exactly these fields. Its issues have the field names, for suggestions. */
export function strict<const E extends v.ObjectEntries>(entries: E): StrictObject<E> {
  const schema = v.strictObject(entries, 'an object');
  return {
    ...schema,
    '~run'(dataset, config) {
      if (!hasFields(dataset.value)) return anObject['~run'](dataset, config) as never;
      const result = schema['~run'](dataset, config);
      for (const issue of result.issues ?? []) {
        // A nested object has already set its own fields.
        if (issue.type === 'strict_object')
          Object.assign(issue, { requirement: issue.requirement ?? entries });
      }
      return result;
    },
  };
}
