import type { EngineHealth, EngineState } from '../contract/observing.ts';
import type { Transport } from '../contract/transport.ts';

type Finding = readonly [status: EngineHealth['status'], reason: string | undefined];

const severity = { up: 0, degraded: 1, down: 2 } as const;
/** The maximum number of stalls in the error of `health()`. So many stalls usually have one cause. */
const maxReasons = 5;

/**
 * Resolves with the worst status of an engine and all reasons. Never rejects.
 *
 * @param stalls - Returns the reasons of stalls. Called only if the engine is started.
 */
export async function healthOf(
  state: EngineState,
  transport: Transport | undefined,
  stalls: () => readonly string[],
): Promise<EngineHealth> {
  const findings: Finding[] = [];
  let details: EngineHealth['details'];
  try {
    const described = transport?.describe?.() ?? {};
    details = described.details;
    findings.push([described.status ?? 'up', described.error]);
  } catch (error) {
    findings.push(['degraded', messageOf(error)]);
  }
  if (state !== 'started') {
    findings.unshift(['down', `the engine is ${state}`]);
  } else {
    try {
      await transport?.ping?.();
    } catch (error) {
      findings.unshift(['down', messageOf(error)]);
    }
    const found = stalls();
    for (const reason of found.slice(0, maxReasons)) findings.push(['degraded', reason]);
    if (found.length > maxReasons)
      findings.push(['degraded', `and ${found.length - maxReasons} more are stalled`]);
  }
  const status = findings.reduce<Finding[0]>(
    (worst, [status]) => (severity[status] > severity[worst] ? status : worst),
    'up',
  );
  const error = findings.flatMap(([, reason]) => reason ?? []).join('; ');
  return {
    status,
    state,
    ...(error === '' ? {} : { error }),
    ...(details === undefined ? {} : { details }),
  };
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
