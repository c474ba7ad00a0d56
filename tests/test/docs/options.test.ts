import { type TypedEventBus, createEventBus } from '@polybus/core';
import { describe, expect, test } from 'vitest';
import { Declarations } from '../../generate/declarations.ts';
import { optionCallsOf } from '../../generate/option-calls.ts';
import { readPage } from './blocks.ts';

const unknown = { thisIsNotAnOption: 1 } as object;

describe('docs/options.md', () => {
  test.each<[string, (bus: TypedEventBus<Record<string, unknown>>) => Promise<unknown>]>([
    ['start', (bus) => bus.start(unknown)],
    ['stop', (bus) => bus.stop(unknown)],
    ['publish', (bus) => bus.publish('a', {}, unknown)],
    ['subscribe', (bus) => bus.subscribe('a', () => {}, unknown)],
    ['subscribeBatch', (bus) => bus.subscribeBatch('a', () => {}, unknown)],
    ['redrive', (bus) => bus.redrive('a', unknown)],
  ])('has the options that %s takes, and no others', async (name, call) => {
    await using bus = createEventBus();
    if (name !== 'start') await bus.start();
    const error = (await call(bus).catch((reason: unknown) => reason)) as Error;
    const taken = /the options are (.*)$/.exec(error.message)?.[1]?.split(', ');
    const sections = readPage('docs/options.md').split('\n## ').slice(1);
    const section = sections.find((one) => one.split('\n')[0]!.includes(`\`${name}\``));
    const shown = [...section!.matchAll(/^\| `(\w+)`/gm)].map(([, option]) => option!);
    expect(shown.sort()).toEqual(taken?.sort());
  });
});

test('the generator finds new calls, inherited options and nested options', () => {
  const source = `
export interface TypedEventBus<
  Topics extends TopicMap,
> extends AsyncDisposable {
  /**
   * Subscribes.
   *
   * @throws {@link InvalidTopicError} if the
   *   topic is invalid.
   */
  readonly subscribeMany: TypedMany<Topics>;
  other(topic: string): void;
}

export type TypedMany<Topics> = <P extends string>(
  topic: P,
  handler: Handler<P>,
  options: ManyOptions,
) => Promise<void>;

export interface ManyOptions extends Omit<OneOptions, 'second'> {
  /** How many. Default 3. */
  readonly maxSize: number;
  readonly inner?: InnerOptions | false | undefined;
}

export interface OneOptions {
  readonly first?: Mode | undefined;
  readonly second?: string | undefined;
  readonly maxSize?: number | undefined;
}

export type Mode = 'a' | 'b';

export interface InnerOptions {
  readonly call?: ((error: unknown) => boolean) | undefined;
}
`;
  expect(optionCallsOf(new Declarations(source))).toEqual([
    {
      interface: 'ManyOptions',
      calls: [
        {
          name: 'subscribeMany',
          parameters: ['topic', 'handler'],
          errors: ['`InvalidTopicError` if the topic is invalid.'],
        },
      ],
      options: [
        { path: ['first'], types: ["'a'", "'b'"], isOptional: true, meaning: '', errors: [] },
        {
          path: ['maxSize'],
          types: ['number'],
          isOptional: false,
          meaning: 'How many. Default 3.',
          errors: [],
        },
        { path: ['inner'], types: ['InnerOptions', 'false'], isOptional: true, meaning: '', errors: [] },
        {
          path: ['inner', 'call'],
          types: ['(error: unknown) => boolean'],
          isOptional: true,
          meaning: '',
          errors: [],
        },
      ],
    },
  ]);
});
