import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_IMAGES } from '../src/docker.ts';
import { IMAGE_VARIABLES } from '../src/environment.ts';

interface Service {
  readonly image: string;
  readonly ports: readonly string[];
  readonly healthcheck?: { readonly test: readonly string[] };
}

const file = new URL('../../../docker-compose.yml', import.meta.url);
const composed = parse(readFileSync(file, 'utf8')) as {
  readonly name: string;
  readonly services: Readonly<Record<string, Service>>;
};

test('docker compose brings up the images that the testbed does, on loopback, each with a health check', () => {
  expect(composed.name).toBe('polybus');
  const expected = Object.entries(DEFAULT_IMAGES).map(([broker, image]) => [
    broker,
    `\${${IMAGE_VARIABLES[broker as keyof typeof IMAGE_VARIABLES]}:-${image}}`,
  ]);
  const found = Object.entries(composed.services).map(([broker, { image }]) => [broker, image]);
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(expected));
  for (const { ports, healthcheck } of Object.values(composed.services)) {
    expect(ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true);
    expect(healthcheck?.test.length).toBeGreaterThan(1);
  }
});
