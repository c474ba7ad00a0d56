import { describe } from 'vitest';
import { type BrokenEngine, describeBroken } from './broken-engine.ts';
import type { Faults } from '../log/faults.ts';
import { logEngines } from '../log/log-engine.ts';

function faulty(wrong: string, foundBy: string, because: string, faults: Faults): BrokenEngine {
  const { factory, options } = logEngines(faults);
  const intact = logEngines();
  // One set of options serves both: each control works on whichever brokers there are.
  const broker = {
    restart: async () =>
      void (await Promise.all([options.broker!.restart(), intact.options.broker!.restart()])),
    pause: async () => void (await Promise.all([options.broker!.pause(), intact.options.broker!.pause()])),
    resume: async () => void (await Promise.all([options.broker!.resume(), intact.options.broker!.resume()])),
  };
  const produce = async (topic: string, bytes: Uint8Array): Promise<void> => {
    await Promise.all([options.produce!(topic, bytes), intact.options.produce!(topic, bytes)]);
  };
  const cleanup = async (context: { id: string }): Promise<void> => {
    await options.cleanup!(context);
    await intact.options.cleanup!(context);
  };
  return {
    wrong,
    foundBy,
    because,
    engine: factory,
    intact: intact.factory,
    options: { broker, produce, cleanup },
  };
}

/** What an engine can do wrong with a broker. */
describe('the suite finds an engine on a broker that', () => {
  describeBroken([
    faulty(
      'acknowledges before the handler settled',
      'an event is acknowledged only after',
      'it was called 0 time(s)',
      {
        acknowledgesEarly: true,
      },
    ),
    faulty(
      'acknowledges the events of a batch before it is handled',
      'the events of a batch that is not finished',
      '5 call(s) of the handler to end; it was called 0',
      { acknowledgesEarly: true },
    ),
    faulty(
      'loses what is given back at stop',
      'a process that leaves a group hands over',
      '100 events, not',
      {
        losesWhatIsGivenBack: true,
      },
    ),
    faulty(
      'repeats what was handled behind an event that waits behind its key',
      'an event that waits for its key when',
      'expected the next member to get 2, 3, each once; missing: nothing; too many: 4, 5',
      { repeatsBehindWhatIsGivenBack: true },
    ),
    faulty(
      'repeats what was handled behind an event that waits for its next attempt',
      'an event that waits for a retry when',
      'expected the next member to get 0, 1, 2, 3, each once; missing: nothing; too many: 4, 5',
      { repeatsBehindWhatIsGivenBack: true },
    ),
    faulty(
      'counts giving back as an attempt',
      'an event that stop() releases before its handler',
      'every event to be handled',
      {
        countsGivingBack: true,
      },
    ),
    faulty(
      'drops what finds no room',
      'each of 1,000 awaited publishes to an async',
      'a durable engine dropped accepted events',
      { dropsWhatFindsNoRoom: true },
    ),
    faulty(
      'delivers every event twice',
      'members of a group share events: each event',
      'each once; missing: nothing; too many: 0, 3, 6',
      {
        deliversTwice: true,
      },
    ),
    faulty(
      'hands a key to two members at once',
      'a group handles the events of a key',
      'the events of each key one at a time and in order, but 4 of "key-1" began while 3 was handled',
      {
        handsKeysToAnyMember: true,
      },
    ),
    faulty(
      'ends its subscription at a record that is no event',
      'a record that is not an event goes',
      '1 call(s) of the handler to end; it was called 0',
      {
        endsOnGarbage: true,
      },
    ),
    faulty(
      'drops records that are no events',
      'a record that is not an event goes',
      '3 call(s) of the handler to end; it was called 0',
      { dropsGarbage: true },
    ),
    faulty(
      'takes a foreign event with a long key for a record that is no event',
      'a foreign CloudEvent is delivered unchanged, whatever the',
      '1 call(s) of the handler to end; it was called 0',
      { dropsLongKeys: true },
    ),
    faulty(
      'writes no dead letter of what could not be published',
      'a foreign CloudEvent whose handler fails becomes a',
      '5 call(s) of the handler to end; it was called 2',
      { limitsWhatItSends: true },
    ),
    faulty(
      'does not say that a dead letter is too large',
      'a foreign CloudEvent whose handler fails becomes a',
      '5 call(s) of the handler to end; it was called 4',
      { hidesItsLimit: true },
    ),
    faulty(
      'shows the dead letters that a redrive has kept once more',
      'redrive() keeps dead letters that its filter rejects',
      'dead letters were seen',
      { keepsAmongTheDead: true },
    ),
    faulty(
      'forgets the group of a redrive',
      'redrive() publishes no dead letter twice, in whichever',
      '+   redriven: 2',
      {
        forgetsGroups: true,
      },
    ),
    faulty(
      'is ready later than it says',
      'an event published right after subscribe() resolves arrives',
      '2 call(s) of the handler to end; it was called 0',
      {
        isReadyLate: true,
      },
    ),
    faulty(
      'forgets a group that nobody is in',
      'a group gets every event published while it',
      '100 events, not 50',
      {
        forgetsGroups: true,
      },
    ),
    faulty(
      'does not run a receiver that it has filled',
      'an idle subscription with a buffer of 10 handles 20 events',
      'subscribe on an idle subscription to handle 20 events at once; it handled 0',
      { runsNoFullReceiver: true },
    ),
    ...['a subscription', 'a group'].map((who) =>
      faulty(
        `takes a date before the epoch, for ${who}, for the end`,
        `${who} from a Date before the first event`,
        '4 call(s) of the handler to end',
        { takesEarlyDatesForLatest: true },
      ),
    ),
    faulty(
      'has one position for all topics of a group',
      'a group with members starts at `from` in',
      'the group to get two 1, three 1',
      { hasOnePositionPerGroup: true },
    ),
    faulty(
      'has a position per pattern of a group, not per topic',
      'a group that replaces a pattern with a',
      'expected the group to get "a.x 3", "a.x 4", each once; missing: nothing; too many: "a.x 1"',
      { hasPositionsPerPattern: true },
    ),
    faulty(
      'keeps events that are given back for members with the same pattern',
      'events that a leaving member took by a pattern',
      '5 call(s) of the handler to end; it was called 1 time(s)',
      { keepsWhatIsGivenBackForItsPattern: true },
    ),
    faulty(
      'forgets the position in a topic that a group has left',
      'a group that returns to one of its',
      'the group to get user away-0',
      { forgetsTopicsThatItLeft: true },
    ),
    faulty(
      'does not find topics that are new to a pattern of a group',
      'a group with a pattern reads a topic',
      'the group to get a.x 1, a.x 2',
      { missesTopicsThatAreNew: true },
    ),
    faulty(
      'forgets the attempts at an event that is given back',
      'a released event keeps its attempt count when',
      'to get the attempts 1, 2, 3 in this order (3 in all), got 1, 1, 2, 3',
      { forgetsAttempts: true },
    ),
    faulty(
      'counts an attempt that gave its event back without failing',
      'a group loop releases its unfinished event',
      '1 call(s) of the handler to end; it was called 0',
      { countsLeftLoops: true },
    ),
    faulty(
      'resolves publish before the broker has the event',
      'an event survives its publisher: after publish() resolves',
      '200 call(s) of the handler to end',
      {
        acceptsBeforeItIsWritten: true,
      },
    ),
    faulty(
      'does not subscribe again after a restart',
      'subscriptions and publishers recover from two restarts of',
      'events to arrive again',
      {
        losesSubscriptionsAtRestart: true,
      },
    ),
    faulty(
      'takes for accepted what it is given while the broker restarts',
      'every publish settles during a restart of the',
      'the accepted events; missing',
      {
        losesWhatIsSentInOutage: true,
      },
    ),
    faulty(
      'never settles a publish made in an outage',
      'while the broker is unreachable, publish() settles, health()',
      'publish to settle',
      {
        hangsInOutage: true,
      },
    ),
    faulty(
      'cannot stop in an outage',
      'while the broker is unreachable, publish() settles, health()',
      'stop to settle',
      {
        closesOnlyWhileUp: true,
      },
    ),
  ]);
});
