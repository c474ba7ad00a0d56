import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { describeEngine } from '@polybus/conformance';
import type { DeliveryDefaults, Engine } from '@polybus/core/engine';
import { afterAll, vi } from 'vitest';
import { blocksOf } from './blocks.ts';

// The engine that docs/writing-an-engine.md shows, without the lines that try it out.
const [block] = blocksOf('docs/writing-an-engine.md').filter(({ code }) =>
  code.includes('function fileEngine('),
);
const folder = fileURLToPath(new URL('../../.cache/docs-engine', import.meta.url));
mkdirSync(folder, { recursive: true });
const module = pathToFileURL(join(folder, 'engine.ts'));
const [engineCode] = block!.code.split('// From now on');
const factory =
  'export const engineUnderTest = ({ stallLimitMs, config }: { stallLimitMs: number; config: { file: string } }): Engine =>\n' +
  '  fileEngine(config.file, { stallLimitMs });\n';
writeFileSync(module, `${engineCode}${factory}`);

const { Broker, fileEngine } = (await import(module.href)) as {
  Broker: new (file: string) => { append(topic: string, bytes: Uint8Array): void };
  fileEngine: (file: string, defaults: Partial<DeliveryDefaults>) => Engine;
};

const brokers = mkdtempSync(join(tmpdir(), 'docs-engine-'));
afterAll(() => rmSync(brokers, { recursive: true }));
const file = join(brokers, 'broker');
const away = join(brokers, 'away');
writeFileSync(file, '');
const broker = new Broker(file);
let isUp = true;
const setUp = (isToBeUp: boolean): void => {
  if (isUp !== isToBeUp) renameSync(...(isToBeUp ? ([away, file] as const) : ([file, away] as const)));
  isUp = isToBeUp;
};

// The failures that the cases provoke are logged.
vi.spyOn(console, 'warn').mockReturnValue();
vi.spyOn(console, 'error').mockReturnValue();

describeEngine(
  'the engine of docs/writing-an-engine.md',
  ({ stallLimitMs }) => fileEngine(file, { stallLimitMs }),
  {
    broker: {
      restart: async () => {},
      pause: async () => setUp(false),
      resume: async () => setUp(true),
    },
    produce: async (topic, bytes) => broker.append(topic, bytes),
    config: { file },
    processes: { module },
  },
);
