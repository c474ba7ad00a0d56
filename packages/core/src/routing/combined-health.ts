import type { EngineHealth } from '../contract/observing.ts';

/** The health of several engines as one: `degraded` if some are not `up`, and `down` if all are `down`. */
export function combinedHealth(engines: Readonly<Record<string, EngineHealth>>): EngineHealth {
  const all = Object.entries(engines);
  const notUp = all.filter(([, { status }]) => status !== 'up');
  const state = all.find(([, health]) => health.state !== 'started')?.[1].state ?? 'started';
  if (notUp.length === 0) return { status: 'up', state, details: { engines } };
  const areAllDown = notUp.length === all.length && notUp.every(([, { status }]) => status === 'down');
  const error = notUp.map(([name, health]) => `${name}: ${health.error ?? health.status}`).join('; ');
  return { status: areAllDown ? 'down' : 'degraded', state, error, details: { engines } };
}
