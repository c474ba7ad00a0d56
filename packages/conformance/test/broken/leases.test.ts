import { describe, test } from 'vitest';
import { describeBroken } from './broken-engine.ts';
import { logEngines } from '../log/log-engine.ts';

const intact = logEngines();
const broken = logEngines({ goesOnAfterAGap: true });

/** Runs alone, because it blocks the event loop. */
describe('the suite finds an engine that ignores its lease:', () => {
  describeBroken(
    [
      {
        wrong: 'it continues after a gap with events that others may have',
        foundBy: 'a group member whose event loop was blocked',
        because: 'started events without checking the lease, although another member may have them',
        engine: broken.factory,
        intact: intact.factory,
        options: broken.options,
      },
    ],
    test,
  );
});
