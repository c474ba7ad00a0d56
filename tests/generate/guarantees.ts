import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, appliesTo, cases } from '@polybus/conformance';
import type { Capabilities } from '@polybus/core/engine';
import { readPage, root } from '../test/docs/blocks.ts';
import { type EngineVariant, engineVariants } from './engine-variants.ts';
import { readResults, resultOf, resultsFile } from './suite-results.ts';
import { table } from './table.ts';

/** A row of the table: one question that it answers for each engine. */
interface Guarantee {
  readonly question: string;
  /** The answer for an engine with these capabilities. */
  readonly holds: (capabilities: Capabilities) => string;
  /** The names of the cases that prove the answers. On every engine with a guarantee, at least one of them must have passed. */
  readonly proofs: readonly string[];
}

/** Answers that promise nothing and need no proof. */
const absences: readonly string[] = ['no', 'no broker'];

const guarantees: readonly Guarantee[] = [
  {
    question: 'Delivery',
    holds: ({ durable }) =>
      durable ? 'in a group: at least once; without a group: at most once' : 'at most once',
    proofs: [
      'an event is acknowledged only after its handler ends: if stop() gives up waiting for the handler, the event is delivered again',
      'a group loses no event and keeps order per key while members in child processes come, stop and are killed',
      'each of 1,000 awaited publishes to an async subscription with a small buffer is handled or counted as dropped; a durable engine drops none',
    ],
  },
  {
    question: '`publish` resolves when',
    holds: ({ crossProcess }) =>
      crossProcess ? 'the broker has accepted the event' : 'every sync handler has finished',
    proofs: [
      'an event arrives in other processes if its publisher is killed right after publish() resolves',
      'publish() resolves after every sync handler has finished',
    ],
  },
  {
    question: 'Events reach other processes',
    holds: ({ crossProcess }) => (crossProcess ? 'yes' : 'no'),
    proofs: ['an event published in one process reaches the subscriptions of every other process'],
  },
  {
    question: 'Order per key, on one subscription',
    holds: () => 'yes, retries included',
    proofs: [
      'an async subscription handles the events of a key in order and one at a time',
      'no later event of the key overtakes an event that is being retried; events of other keys do',
    ],
  },
  {
    question: '`group`: members share the events',
    holds: ({ groups, durable }) => {
      if (!groups) return 'no: `subscribe` rejects';
      return durable ? 'between processes' : 'within one process';
    },
    proofs: [
      'members of a group share events: each event goes to exactly one member',
      'an engine without the capability `groups` refuses the option `group` and names the option, the engine and engines that support it',
    ],
  },
  {
    question: 'Order per key, across the members of a group',
    holds: ({ groups }) => (groups ? 'yes' : 'no groups'),
    proofs: [
      'a group handles the events of a key in order and one at a time',
      'an engine without the capability `groups` refuses the option `group` and names the option, the engine and engines that support it',
    ],
  },
  {
    question: 'A group that returns after an absence',
    holds: ({ groups, replay }) => {
      if (!groups) return 'no groups';
      return replay
        ? 'gets the stored events of its absence, in topics in which it has a position'
        : 'continues with new events';
    },
    proofs: [
      'a group gets every event published while it had no members, over five absences',
      'a group that returns continues where it stopped, without loss or duplicates',
      'an engine without the capability `groups` refuses the option `group` and names the option, the engine and engines that support it',
    ],
  },
  {
    question: "`from: 'earliest'` and `from: Date`",
    holds: ({ replay }) => (replay ? 'yes' : 'no: `subscribe` rejects'),
    proofs: [
      'a subscription from earliest gets every kept event and every later event, in order and once',
      'an engine without the capability `replay` refuses the option `from` and names the option, the engine and engines that support it',
    ],
  },
  {
    question: 'Restart of the broker',
    holds: ({ crossProcess, durable }) => {
      if (!crossProcess) return 'no broker';
      return durable
        ? 'the engine reconnects, and no event that the broker still has is lost'
        : 'the engine reconnects';
    },
    proofs: [
      'subscriptions and publishers recover from two restarts of the broker',
      'every publish settles during a restart of the broker, and a durable engine loses no event whose publish resolved',
    ],
  },
  {
    question: '`stop` while events wait',
    holds: ({ durable }) =>
      durable
        ? 'leaves the events of a group on the broker; other events count as dropped'
        : 'handles them, within its timeout',
    proofs: [
      'an event that stop() releases before its handler starts has used no attempt and is handled by another member',
      'stop() of an engine that is not durable handles every accepted event first',
    ],
  },
  {
    question: 'A dead letter, if `deadLetter` is on',
    holds: ({ durable }) => (durable ? 'is written before the event is acknowledged' : 'is written'),
    proofs: [
      'an event is acknowledged after its dead letter is written, and its key waits for that',
      'a dead letter goes to _dead.<topic> with its id, payload, key, time, metadata and provenance',
    ],
  },
  {
    question: '`publish` with `delayMs` or `at`',
    holds: ({ delay, durable }) => {
      if (delay !== true) return 'no: `publish` rejects';
      return durable ? 'yes, and the broker stores the event until then' : 'yes, while the process runs';
    },
    proofs: [
      'a delayed event arrives when its `delayMs` is over, not earlier, with the fields that the publisher set',
      'a delayed event arrives although every engine had stopped while it waited',
      'an engine without the capability `delay` refuses the options `delayMs` and `at` and names the option, the engine and engines that support it',
    ],
  },
];

const capabilityMeanings = {
  durable: 'an event of a group is not lost if the process dies while it handles the event',
  groups: 'the option `group` of `subscribe`',
  replay: "the values `'earliest'` and `Date` of the option `from`",
  partitioned: 'the broker itself orders events by key; on other engines, polybus does',
  crossProcess: 'events reach other processes',
  delay: 'the options `delayMs` and `at` of `publish`',
} satisfies Record<keyof Capabilities, string>;

/** Writes the guarantees of each engine, from its capabilities and the results of the suite. */
export async function guaranteesSection(): Promise<string> {
  const engines = await engineVariants();
  const results = readResults();
  const passed = new Map(engines.map((engine) => [engine, resultOf(engine, results)]));
  const proofs = new Map<string, number>();
  const labels = ['', ...engines.map(({ label }) => label)];
  const rows = guarantees.map((one) => [one.question, ...engines.map((engine) => cell(one, engine, proofs))]);
  return [
    '## Guarantees',
    table(labels, rows),
    'The numbers refer to the conformance cases that test the guarantee on that engine. The Kinesis cases run on an emulator, not on AWS.',
    [...proofs].map(([name, number]) => `${number}. ${linkTo(name)}`).join('\n'),
    '## Capabilities',
    'Each engine declares its capabilities. The suite tests that a declared capability works, and that the engine rejects options that need a capability that it does not have.',
    table(
      labels,
      (Object.keys(capabilityMeanings) as (keyof Capabilities)[]).map((name) => [
        `\`${name}\`: ${capabilityMeanings[name]}`,
        ...engines.map(({ capabilities }) => (capabilities[name] ? 'yes' : 'no')),
      ]),
    ),
    '## Cases',
    'The table shows how many [conformance cases](../packages/conformance/README.md#the-cases) each engine has passed. Each engine passes ' +
      `every case that applies to its capabilities. Source: [the results](../${resultsFile}) of \`npm run results\`.`,
    table(labels, [
      ...behaviourRows(engines),
      totals(engines),
      ['broker', ...engines.map((engine) => passed.get(engine)!.broker || 'no broker')],
      ['test file', ...engines.map(({ suite }) => `[suite](../${suite})`)],
    ]),
  ].join('\n\n');
}

/** The answer for an engine, with the numbers of the cases that prove it on that engine. */
function cell(
  { question, holds, proofs }: Guarantee,
  engine: EngineVariant,
  numbers: Map<string, number>,
): string {
  const text = holds(engine.capabilities);
  if (absences.includes(text)) return text;
  const proving = proofs.filter((name) => appliesTo(caseCalled(name), engine.capabilities));
  if (proving.length === 0) throw new Error(`nothing proves "${question}" on ${engine.label}`);
  for (const name of proving) if (!numbers.has(name)) numbers.set(name, numbers.size + 1);
  return `${text} (${proving.map((name) => numbers.get(name)).join(', ')})`;
}

function caseCalled(name: string): ConformanceCase {
  const found = cases.find((one) => one.name === name);
  if (found === undefined) throw new Error(`no case of the suite is called "${name}"`);
  return found;
}

function behaviourRows(engines: readonly EngineVariant[]): string[][] {
  return [...new Set(cases.map(({ behaviour }) => behaviour))].map((behaviour) => [
    behaviour,
    ...engines.map((engine) => count(engine, (one) => one.behaviour === behaviour)),
  ]);
}

const totals = (engines: readonly EngineVariant[]): string[] => [
  '**all**',
  ...engines.map((engine) => `**${count(engine, () => true)}**`),
];

/** Counts cases. Each has passed, because {@link resultOf} throws otherwise. */
function count({ capabilities }: EngineVariant, isMeant: (one: ConformanceCase) => boolean): string {
  return String(cases.filter((one) => isMeant(one) && appliesTo(one, capabilities)).length);
}

function linkTo(name: string): string {
  // Markdown would not show text that looks like a tag.
  return `[${name.replaceAll('<', String.raw`\<`)}](../${fileOf(name)} ${quoted(name)})`;
}

/** The file of a case, from the root. */
function fileOf(name: string): string {
  const folder = 'packages/conformance/src/cases';
  const files = readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' });
  const file = files.find((one) => one.endsWith('.ts') && readPage(`${folder}/${one}`).includes(name));
  if (file === undefined) throw new Error(`the case "${name}" is in no file of ${folder}`);
  return `${folder}/${file}`;
}

const quoted = (title: string): string => (title.includes('"') ? `'${title}'` : `"${title}"`);
