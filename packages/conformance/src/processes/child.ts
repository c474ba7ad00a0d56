/** The program of a child process: runs one engine, and does what its parent tells it over the IPC channel. */
import type { EventHandler } from '@polybus/core';
import type { Engine } from '@polybus/core/engine';
import type { EngineUnderTest } from '../options.ts';
import { turns } from '../support/eventually.ts';
import { Gate } from '../support/gate.ts';
import {
  type Behaviour,
  type ChildContext,
  type Command,
  type CommandMessage,
  type Report,
  machineNow,
} from './messages.ts';

/** How long `stop` waits for running handlers, in milliseconds. */
const stopTimeoutMs = 30_000;

let engine: Engine | undefined;
let behaviour: Behaviour = 'end';
let heldUntil = new Gate();
let heldKey: string | undefined;
let handlings = 0;

// The parent is gone: nobody would end this process.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
process.on('SIGTERM', () => void stop());
process.on('message', (message) => void answer(message as CommandMessage));

/** Resolves when the operating system has the report: a process that is killed afterwards has still sent it. */
function say(report: Report): Promise<void> {
  return new Promise((resolve, reject) => {
    process.send!(report, (error: Error | null) => (error === null ? resolve() : reject(error)));
  });
}

async function answer({ number, command }: CommandMessage): Promise<void> {
  let error: string | undefined;
  try {
    await obey(command);
  } catch (reason) {
    error = textOf(reason);
  }
  await say({ says: 'answer', number, error });
}

async function obey(command: Command): Promise<void> {
  switch (command.do) {
    case 'start':
      engine = await load(command.module, command.context);
      return engine.start();
    case 'subscribe': {
      const { topic, isAsync, options } = command;
      await started()[isAsync ? 'subscribeAsync' : 'subscribe'](topic, handler, options);
      return;
    }
    case 'publish':
      await Promise.all(command.events.map((event) => started().publish(event)));
      return;
    case 'publish and die':
      await Promise.all(command.events.map((event) => started().publish(event, command.options)));
      process.kill(process.pid, 'SIGKILL');
      // A signal to the own process can arrive after the call.
      return new Promise(() => {});
    case 'set handlers':
      behaviour = command.behaviour;
      heldKey = undefined;
      heldUntil.open();
      heldUntil = new Gate();
      return;
    case 'answer':
      // What was due before the command, such as storing an attempt, is done.
      return turns(3);
  }
}

async function load(module: string, context: ChildContext): Promise<Engine> {
  const { engineUnderTest } = (await import(module)) as { engineUnderTest?: EngineUnderTest };
  if (typeof engineUnderTest !== 'function')
    throw new Error(
      `${module} does not export the factory. Export it by this name: export const engineUnderTest: EngineUnderTest = …`,
    );
  return engineUnderTest(context);
}

function started(): Engine {
  if (engine === undefined) throw new Error('the engine is not started');
  return engine;
}

const handler: EventHandler<number> = async ({ topic, key, payload }, { attempt }) => {
  const handling = handlings++;
  // Before it does anything: the parent must know of every event whose handler has begun.
  await say({ says: 'begin', handling, topic, key, payload, attempt, at: machineNow() });
  while (isHeld(key)) await heldUntil.opened;
  const failed = behaviour === 'throw';
  // Before the handler settles: the parent must know of every event that the engine can acknowledge.
  await say({ says: 'end', handling, failed, at: machineNow() });
  if (failed) throw new Error('as the case demands');
};

function isHeld(key: string | undefined): boolean {
  if (behaviour !== 'hold one key') return behaviour === 'hold';
  heldKey ??= key;
  return key === heldKey;
}

async function stop(): Promise<void> {
  try {
    await started().stop({ timeoutMs: stopTimeoutMs });
    await say({ says: 'stopped', stats: started().stats() });
  } catch (error) {
    await say({ says: 'not stopped', error: textOf(error) });
  }
  process.exit();
}

function textOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
