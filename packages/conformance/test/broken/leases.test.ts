import { describe, test } from 'vitest';
import { describeBroken } from './broken-engine.ts';
import { logEngines } from '../log/log-engine.ts';

const intact = logEngines();
const broken = logEngines({ goesOnAfterAGap: true });

/** Not beside others: the event loop stands still meanwhile. */
describe('an engine that minds no lease does not pass:', () => {
  describeBroken(
    [
      {
        wrong: 'it goes on after a gap with what others may have',
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
