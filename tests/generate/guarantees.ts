import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { type ConformanceCase, appliesTo, cases } from '@polybus/conformance';
import type { Capabilities } from '@polybus/core';
import { readPage, root } from '../test/docs/blocks.ts';
import { type EngineVariant, engineVariants } from './engine-variants.ts';
import { readResults, resultOf, resultsFile } from './suite-results.ts';

/** One question that the table answers for each engine. */
interface Guarantee {
  readonly about: string;
  /** What holds on an engine with these capabilities. */
  readonly holds: (capabilities: Capabilities) => string;
  /** The cases that prove it, by their names: on every engine that promises something at least one of them has to have passed. */
  readonly proofs: readonly string[];
}

/** What promises nothing, and so has nothing to prove. */
const absences: readonly string[] = ['no', 'there is none'];

const guarantees: readonly Guarantee[] = [
  {
    about: 'Delivery',
    holds: ({ durable }) => (durable ? 'at least once, in a group' : 'at most once'),
    proofs: [
      'an event is acknowledged only after its handler has settled: one that was given up is delivered again',
      'handles what was accepted before it, where nobody else would',
    ],
  },
  {
    about: '`publish` resolves when',
    holds: ({ crossProcess }) =>
      crossProcess ? 'the broker has accepted the event' : 'every sync handler has finished',
    proofs: [
      'publish does not wait for handlers in other processes',
      'publish resolves when every sync handler has finished',
    ],
  },
  {
    about: 'Events reach other processes',
    holds: ({ crossProcess }) => (crossProcess ? 'yes' : 'no'),
    proofs: ['what one process publishes reaches the subscriptions of every other'],
  },
  {
    about: 'Order per key, on one subscription',
    holds: () => 'yes, retries included',
    proofs: [
      'events of one key keep their order with several handlers at once, and no two run together',
      'a later event of the key does not overtake one that is being retried; those of other keys do',
    ],
  },
  {
    about: '`group`: members share the events',
    holds: ({ groups, crossProcess, durable }) => {
      if (!groups) return 'refused';
      if (!crossProcess) return 'in the process';
      return durable ? 'between processes' : 'in the process; between processes with a shared store';
    },
    proofs: [
      'members of a group share the events: each event goes to exactly one of them',
      'without the capability `groups`, the option `group` is refused, naming option, engine and engines that can',
    ],
  },
  {
    about: 'Order per key, over the members of a group',
    holds: ({ groups }) => (groups ? 'yes' : 'no groups'),
    proofs: [
      'events of one key keep their order in a group, and no two members handle the key at once',
      'without the capability `groups`, the option `group` is refused, naming option, engine and engines that can',
    ],
  },
  {
    about: 'A group that was away',
    holds: ({ groups, durable, replay }) => {
      if (!groups) return 'no groups';
      if (durable) return 'gets what it missed';
      return replay ? 'gets what the engine still has' : 'goes on with what comes';
    },
    proofs: [
      'a group gets what was published while none of its members was there, without loss over five absences',
      'a group that comes back goes on where it left off, without loss and without doubles',
      'without the capability `groups`, the option `group` is refused, naming option, engine and engines that can',
    ],
  },
  {
    about: "`from: 'earliest'` and `from: Date`",
    holds: ({ replay }) => (replay ? 'yes' : 'refused'),
    proofs: [
      'from "earliest" gets what was published before, then what comes, in order and each once',
      'without the capability `replay`, the option `from` is refused, naming option, engine and engines that can',
    ],
  },
  {
    about: 'Restart of the broker',
    holds: ({ crossProcess, durable }) => {
      if (!crossProcess) return 'there is none';
      return durable ? 'survived; nothing accepted is lost' : 'survived';
    },
    proofs: ['subscriptions and publishers survive two restarts of the broker without help'],
  },
  {
    about: '`stop` with events that wait',
    holds: ({ durable }) => (durable ? 'leaves them to the broker' : 'handles them first'),
    proofs: [
      'an event whose handler never began is no attempt: given back at stop, it is handled even with one attempt allowed',
      'handles what was accepted before it, where nobody else would',
    ],
  },
  {
    about: 'A dead letter',
    holds: ({ durable }) =>
      durable ? 'is written before the event is acknowledged' : 'is written where `deadLetter` says so',
    proofs: [
      'an event is not acknowledged before its dead letter is written, and its key waits for that',
      'goes to _dead.<topic> with its id, payload, key, time and metadata, and with its provenance',
    ],
  },
];

const capabilityNames = ['durable', 'groups', 'replay', 'partitioned', 'crossProcess'] as const;

/** What each engine guarantees, from its capabilities and from what became of the suite on it. */
export async function guaranteesSection(): Promise<string> {
  const engines = await engineVariants();
  const results = readResults();
  const passed = new Map(engines.map((engine) => [engine, resultOf(engine, results)]));
  const proofs = new Map<string, number>();
  const labels = ['', ...engines.map(({ label }) => label)];
  const rows = guarantees.map((one) => [one.about, ...engines.map((engine) => cell(one, engine, proofs))]);
  return [
    '## Guarantees',
    table(labels, rows),
    'The numbers are the cases that prove it on that engine:',
    [...proofs].map(([name, number]) => `${number}. ${linkTo(name)}`).join('\n'),
    '## Capabilities',
    'What each engine says of itself. The suite holds it to what it has, and to refusing what it has not.',
    table(
      labels,
      capabilityNames.map((name) => [
        `\`${name}\``,
        ...engines.map(({ capabilities }) => (capabilities[name] ? 'yes' : 'no')),
      ]),
    ),
    '## Cases',
    'How many cases of the [conformance suite](../packages/conformance/README.md#the-cases) each engine has passed, which is all ' +
      `that its capabilities call for: by [the results](../${resultsFile}) of \`npm run results\`.`,
    table(labels, [
      ...behaviourRows(engines),
      totals(engines),
      ['on', ...engines.map((engine) => passed.get(engine)!.broker || 'no broker')],
      ['by', ...engines.map(({ suite }) => `[its suite](../${suite})`)],
    ]),
  ].join('\n\n');
}

/** What an engine guarantees, with the numbers of the cases that prove it there. */
function cell(
  { about, holds, proofs }: Guarantee,
  engine: EngineVariant,
  numbers: Map<string, number>,
): string {
  const text = holds(engine.capabilities);
  if (absences.includes(text)) return text;
  const proving = proofs.filter((name) => appliesTo(caseCalled(name), engine.capabilities));
  if (proving.length === 0) throw new Error(`nothing proves "${about}" on ${engine.label}`);
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

/** Each of them has passed: {@link resultOf} sees to it. */
function count({ capabilities }: EngineVariant, isMeant: (one: ConformanceCase) => boolean): string {
  return String(cases.filter((one) => isMeant(one) && appliesTo(one, capabilities)).length);
}

function linkTo(name: string): string {
  // What looks like a tag would not be shown.
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

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}
