import { describe, expect, test, vi } from 'vitest';
import * as configErrors from '../../src/errors/config-errors.ts';
import { PolybusError, coreErrorCodes, quote } from '../../src/errors/polybus-error.ts';
import * as otherErrors from '../../src/errors/errors.ts';

const errors = { ...otherErrors, ...configErrors };
const problems = [{ path: 'engines[0].type', message: 'is missing' }];
const left = { inFlight: 2, queued: 3, subscriptions: ['s1 on "user.*"'] };

/** One of each class. */
const all: readonly PolybusError[] = [
  new errors.InvalidTopicError('a b', 'no spaces.'),
  new errors.InvalidEventError('payload.a', 'is bad', { topic: 't' }),
  new errors.InvalidOptionError('attempts', -1, 'a whole number'),
  new errors.HandlerRequiredError('t', undefined),
  new errors.EventBusNotStartedError('publish', 'new'),
  new errors.ShutdownTimeoutError(30, left),
  new errors.UnsupportedCapabilityError('from', 'replay', 'redis', ['kafka']),
  new errors.InvalidTenantError('a b', 'a tenant is a name'),
  new errors.UnrecoverableError('bad data'),
  new errors.HandlerTimeoutError('t', 50),
  new errors.DeliveryCountExceededError('t', 5),
  new errors.UndecodableRecordError('it is not JSON'),
  new errors.SchemaValidationError('t', [{ path: 'a.b', message: 'expected number' }]),
  new errors.InvalidConfigError(problems),
  new errors.DuplicateEngineNameError('local', 'engines[1].name'),
  new errors.UnknownEngineReferenceError('lag', 'routing[0].engine', ['log']),
  new errors.MissingVariableError([{ variable: 'URL', path: 'externalBrokerURL' }], 'polybus.yaml'),
  new errors.ConfigFileError('polybus.yaml', 'there is no such file'),
  new errors.MissingPackageError('yaml', 'A configuration file in YAML'),
  new errors.UnknownOptionError('retries', 'subscribe', 'did you mean "retry"?'),
  new errors.UnknownEngineTypeError('kafka', 'Install @polybus/engine-kafka.'),
  new errors.ContractVersionError({ name: 'log', type: 'kafka', version: 2 }, 1),
  new errors.EngineNotFoundError('lag', ['log']),
  new errors.SubscriptionNotFoundError('s1'),
  new errors.ModuleNotInitializedError('eventbus'),
  new errors.NoSubjectForEventEmissionError('com.example.done'),
  new errors.InvalidSubscriptionError(7),
  new errors.PublishError('no leader'),
  new errors.RecordTooLargeError('too large', { size: 2, limit: 1, topic: 't' }),
  new errors.NextCalledTwiceError('t'),
];

const classes = Object.values<unknown>(errors).filter(
  (value): value is typeof PolybusError =>
    typeof value === 'function' && value.prototype instanceof PolybusError,
);

describe('every error', () => {
  test('is in the list of this test', () => {
    const missing = classes.filter((one) => !all.some((error) => error.constructor === one));
    expect(missing.map((one) => one.name)).toEqual([]);
  });

  test('has a unique code, which the type ErrorCode lists', () => {
    const codes = all.map((error) => error.code);
    expect(new Set(codes).size).toBe(all.length);
    expect(codes.toSorted()).toEqual(coreErrorCodes);
  });

  test.each(all.map((error) => [error.constructor.name, error] as const))(
    '%s has its name, base class and brand',
    (name, error) => {
      expect(error.name).toBe(name);
      expect(error).toBeInstanceOf(PolybusError);
      expect(error).toBeInstanceOf(Error);
      expect(PolybusError.is(error)).toBe(true);
      expect(String(error)).toContain(error.message);
      expect(Object.keys(error)).not.toContain('polybus.error');
    },
  );
});

describe('PolybusError.is', () => {
  test('recognizes errors of another copy of core, although instanceof does not', async () => {
    vi.resetModules();
    const copy = await import('../../src/errors/errors.ts');
    const { PolybusError: TheirPolybusError } = await import('../../src/errors/polybus-error.ts');
    const theirs = new copy.PublishError('no leader');
    expect(theirs).not.toBeInstanceOf(PolybusError);
    expect(PolybusError.is(theirs)).toBe(true);
    expect(TheirPolybusError.is(new errors.PublishError('no leader'))).toBe(true);
  });

  test.each([
    [new Error('x')],
    [{ code: 'PUBLISH_FAILED', name: 'PublishError' }],
    [null],
    [undefined],
    ['x'],
    [7],
  ])('is false for %j', (value) => {
    expect(PolybusError.is(value)).toBe(false);
  });

  test('is false for an error class itself', () => {
    expect(PolybusError.is(PolybusError)).toBe(false);
  });
});

describe('an error contains', () => {
  test('its topic, engine and cause', () => {
    const cause = new Error('socket closed');
    const error = new errors.PublishError('x', { cause, topic: 't', engine: 'log' });
    expect(error).toMatchObject({ topic: 't', engine: 'log', cause });
    expect('cause' in new errors.PublishError('x')).toBe(false);
    expect(new errors.PublishError('x', { cause: undefined })).toHaveProperty('cause', undefined);
    expect(new errors.InvalidTopicError(7, 'x').topic).toBeUndefined();
    expect(new errors.DuplicateEngineNameError('local', 'p').engine).toBe('local');
  });

  test('fields that a program can read', () => {
    expect(new errors.ShutdownTimeoutError(30, left)).toMatchObject({ inFlight: 2, queued: 3 });
    expect(new errors.InvalidConfigError(problems).problems).toEqual(problems);
    expect(new errors.UnknownEngineReferenceError('lag', 'p', ['log']).problems[0]?.path).toBe('p');
    expect(new errors.UnsupportedCapabilityError('from', 'replay', 'redis', ['kafka'])).toMatchObject({
      option: 'from',
      engine: 'redis',
      message: expect.stringContaining('Engines that have it: kafka') as string,
    });
  });

  test('a message that fits the state', () => {
    expect(new errors.EventBusNotStartedError('publish', 'new').message).toMatch(/Await start\(\) first/);
    expect(new errors.EventBusNotStartedError('publish', 'stopped').message).toMatch(
      /is stopped.*before using it again/,
    );
    expect(new errors.ShutdownTimeoutError(30, left).message).toMatch(
      /30 ms with 2 handler\(s\).*3 event\(s\).*user\.\*/,
    );
  });
});

test.each<[unknown, string]>([
  ['text', '"text"'],
  ['"', '"\\""'],
  ['x'.repeat(81), `"${'x'.repeat(77)}…"`],
  ['x'.repeat(80), `"${'x'.repeat(80)}"`],
  [undefined, 'undefined'],
  [null, 'null'],
  [10n, '10'],
  [[1], 'an array'],
  [{ password: 'hunter2' }, 'an object of Object'],
  [new Map(), 'an object of Map'],
  [Object.create(null), 'an object of no class'],
  [function handle() {}, 'the function handle'],
  [
    (
      () => () =>
        1
    )(),
    'the function (anonymous)',
  ],
])('quote shortens a value', (value, text) => {
  expect(quote(value)).toBe(text);
});
