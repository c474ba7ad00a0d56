import { PassThrough } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { runInNewContext } from 'node:vm';
import { createLogger as createBunyan, stdSerializers } from 'bunyan';
import { pino } from 'pino';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createLogger as createWinston, format, transports } from 'winston';
import { type Logger, createEventBus } from '../../src/index.ts';
import { adaptedLogger } from '../../src/logging/adapted-logger.ts';

let lines: string[] = [];
beforeEach(() => void (lines = []));

function output(): PassThrough {
  return new PassThrough({ decodeStrings: false }).on('data', (chunk) => {
    lines.push(...String(chunk).trim().split('\n'));
  });
}

const winston = (): Logger =>
  createWinston({ format: format.json(), transports: [new transports.Stream({ stream: output() })] });

/** The real logger packages, used as in their documentation: the logger, its name of the message field, and the text that it shows of an error with a cause. */
const cause = 'no such card';
const loggers: readonly (readonly [string, () => Logger, string, string])[] = [
  ['pino', () => pino(output()), 'msg', cause],
  ['a child of pino', () => pino(output()).child({ app: 'shop' }), 'msg', cause],
  ['pino with a serializer for errors', () => pino({ errorKey: 'error' }, output()), 'msg', cause],
  ['winston', winston, 'message', cause],
  ['bunyan', () => createBunyan({ name: 'shop', stream: output() }), 'msg', cause],
  [
    'bunyan with serializers',
    () =>
      createBunyan({
        name: 'shop',
        serializers: { ...stdSerializers, error: stdSerializers.err },
        stream: output(),
      }),
    'msg',
    // Its own serializer leaves causes out.
    'declined',
  ],
];

class CardError extends Error {
  override readonly name = 'CardError';
  readonly code = 'E_CARD';
}

describe.each(loggers)('%s without an adapter', (_, make, messageName, most) => {
  test('gets the message, the fields, and every part of an error', () => {
    const logger = adaptedLogger(make());
    const error = new CardError('declined', { cause: new RangeError(cause) });
    logger.warn('it failed', { topic: 'a', error });
    logger.error('it failed again');
    expect(lines).toHaveLength(2);
    const [first, second] = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(first).toMatchObject({
      [messageName]: 'it failed',
      topic: 'a',
      error: { message: expect.stringContaining('declined'), code: 'E_CARD' },
    });
    const { stack } = (first ?? {})['error'] as { stack: string };
    expect(stack).toContain('loggers.test.ts');
    expect(lines[0]).toContain('CardError');
    expect(lines[0]).toContain(most);
    expect(second).toMatchObject({ [messageName]: 'it failed again' });
  });

  test('gets a warning from a bus about an event without attempts left', async () => {
    const bus = createEventBus({ logger: make() });
    await bus.start();
    const fail = (): never => {
      throw new CardError('declined');
    };
    const retry = { attempts: 2, backoff: { initialMs: 0 } };
    await bus.subscribe('orders', fail, { group: 'billing', deadLetter: true, retry });
    await bus.publish('orders', 1, { id: 'order-1' });
    await expect.poll(() => lines.filter((line) => line.includes('order-1'))).toHaveLength(1);
    const line = lines.find((one) => one.includes('order-1'))!;
    expect(JSON.parse(line)).toMatchObject({
      topic: 'orders',
      id: 'order-1',
      group: 'billing',
      attempts: 2,
      deadLetter: '_dead.orders',
      error: { message: expect.stringContaining('declined') },
    });
    await bus.stop();
  });
});

test('the console shows an error in its usual form', async () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const bus = createEventBus({ logger: console });
  await bus.start();
  const error = new CardError('declined');
  await bus.subscribe(
    'orders',
    () => {
      throw error;
    },
    { deadLetter: true, retry: false },
  );
  await bus.publish('orders', 1);
  await vi.waitFor(() => expect(warn).toHaveBeenCalledOnce());
  const [message, fields] = warn.mock.calls[0] as [string, { error: Error }];
  expect(message).toContain('failed on every attempt');
  expect(fields.error).toBeInstanceOf(CardError);
  expect(fields.error.stack).toBe(error.stack);
  warn.mockRestore();
  await bus.stop();
});

describe('an unusual value', () => {
  test('is logged: circular causes, several errors, and errors that throw when they are read', () => {
    const circle = new Error('circle');
    circle.cause = circle;
    const hostile = Object.defineProperty(new Error('x'), 'message', {
      get: () => {
        throw new Error('no');
      },
    });
    const logger = adaptedLogger(winston());
    for (const error of [circle, new AggregateError([new Error('one'), 'two'], 'both'), hostile])
      logger.error('it failed', { error });
    expect(lines).toHaveLength(3);
    expect(lines[0]).toContain('circle');
    expect(JSON.parse(lines[1]!)).toMatchObject({
      error: { message: 'both', errors: [{ message: 'one' }, 'two'] },
    });
    expect(lines[2]).toContain('it failed');
  });

  test('is shown as text: a cause that is no Error, also if JSON cannot represent it', () => {
    const logger = adaptedLogger({
      warn: () => {},
      error: (_, fields) => lines.push(JSON.stringify(fields)),
    });
    const causes = ['no such card', { status: 402 }, { amount: 1n }];
    for (const cause of causes) logger.error('it failed', { error: new Error('declined', { cause }) });
    logger.error('it failed', { error: new AggregateError([{ amount: 1n }], 'both') });
    expect(lines.map((line) => (JSON.parse(line) as { error: object }).error)).toMatchObject([
      { message: 'declined', cause: 'no such card' },
      { message: 'declined', cause: '{"status":402}' },
      { message: 'declined', cause: 'a value that cannot be shown' },
      { message: 'both', errors: ['a value that cannot be shown'] },
    ]);
  });

  test('does no harm: a logger that throws, or that lacks a level', () => {
    const logger = adaptedLogger({
      warn: () => {
        throw new Error('disk full');
      },
      error: () => {},
    });
    expect(() => logger.warn('x')).not.toThrow();
    expect(Object.keys(logger)).toEqual(['warn', 'error']);
  });

  test('does not end the process: a logger whose promises reject', async () => {
    const fails = async (): Promise<void> => {
      await Promise.resolve();
      throw new Error('disk full');
    };
    const unhandled: unknown[] = [];
    const note = (error: unknown): void => void unhandled.push(error);
    process.on('unhandledRejection', note);
    onTestFinished(() => void process.off('unhandledRejection', note));
    // TypeScript also accepts an async function here.
    const warn = fails as () => void;
    adaptedLogger({ warn, error: warn }).warn('x');
    await turn();
    expect(unhandled).toEqual([]);
  });

  test('is logged in JSON too: an error of another realm', () => {
    const error: unknown = runInNewContext('new RangeError("too far")');
    adaptedLogger(winston()).error('it failed', { error });
    expect(JSON.parse(lines[0]!)).toMatchObject({ error: { name: 'RangeError', message: 'too far' } });
  });
});
