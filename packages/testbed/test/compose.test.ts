import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { DEFAULT_IMAGES } from '../src/machine/docker.ts';
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

test('docker compose starts the images of the testbed, on loopback, each with a health check', () => {
  expect(composed.name).toBe('polybus');
  for (const [broker, image] of Object.entries(DEFAULT_IMAGES) as [keyof typeof IMAGE_VARIABLES, string][]) {
    // The testbed follows Redis 8; a person's broker has one version.
    expect(composed.services[broker]?.image).toContain(`\${${IMAGE_VARIABLES[broker]}:-${image}`);
  }
  expect(Object.keys(composed.services)).toHaveLength(3);
  for (const { ports, healthcheck } of Object.values(composed.services)) {
    expect(ports.every((port) => port.startsWith('127.0.0.1:'))).toBe(true);
    expect(healthcheck?.test.length).toBeGreaterThan(1);
  }
});
