import type { EventEmitter } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeEngine } from '@polybus/conformance';
import type { DeliveryDefaults, Engine } from '@polybus/core/engine';
import { vi } from 'vitest';
import { blocksOf } from './blocks.ts';

// The engine that docs/writing-an-engine.md shows, without the lines that try it out.
const [block] = blocksOf('docs/writing-an-engine.md').filter(({ code }) =>
  code.includes('function emitterEngine('),
);
const folder = fileURLToPath(new URL('../../.cache/docs-engine', import.meta.url));
mkdirSync(folder, { recursive: true });
const file = `${folder}/engine.ts`;
writeFileSync(file, block!.code.slice(0, block!.code.indexOf('// Known by name')));
const { broker, emitterEngine } = (await import(pathToFileURL(file).href)) as {
  broker: EventEmitter & { isUp: boolean };
  emitterEngine: (defaults: Partial<DeliveryDefaults>) => Engine;
};

// The failures that the cases provoke are logged.
vi.spyOn(console, 'warn').mockReturnValue();
vi.spyOn(console, 'error').mockReturnValue();

describeEngine(
  'the engine of docs/writing-an-engine.md',
  ({ stallLimitMs }) => emitterEngine({ stallLimitMs }),
  {
    broker: {
      restart: async () => {},
      pause: async () => void (broker.isUp = false),
      resume: async () => void (broker.isUp = true),
    },
    produce: async (topic, bytes) => void broker.emit('record', topic, bytes),
  },
);
