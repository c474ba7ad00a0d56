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
describe('an engine on a broker does not pass that', () => {
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
      'loses what is given back at stop',
      'a process that leaves a group hands over',
      '100 events, not',
      {
        losesWhatIsGivenBack: true,
      },
    ),
    faulty(
      'repeats what was handled behind an event that waits behind its key',
      'an event that waits behind its key when its member stops',
      'strictly deep-equal',
      { repeatsBehindWhatIsGivenBack: true },
    ),
    faulty(
      'repeats what was handled behind an event that waits for its next attempt',
      'an event that waits for its next attempt when its member stops',
      'strictly deep-equal',
      { repeatsBehindWhatIsGivenBack: true },
    ),
    faulty(
      'counts giving back as an attempt',
      'an event whose handler never began is no attempt',
      'every event to be handled',
      {
        countsGivingBack: true,
      },
    ),
    faulty(
      'drops what finds no room',
      'of 1,000 awaited publishes to an async subscription',
      'a durable engine dropped what it had accepted',
      { dropsWhatFindsNoRoom: true },
    ),
    faulty('delivers every event twice', 'members of a group share the events', 'strictly deep-equal', {
      deliversTwice: true,
    }),
    faulty(
      'hands a key to two members at once',
      'events of one key keep their order in a group',
      'began while another was handled',
      {
        handsKeysToAnyMember: true,
      },
    ),
    faulty(
      'ends its subscription at a record that is no event',
      'a record that is no event',
      '1 call(s) of the handler to end; it was called 0',
      {
        endsOnGarbage: true,
      },
    ),
    faulty(
      'drops records that are no events',
      'a record that is no event',
      '3 call(s) of the handler to end; it was called 0',
      { dropsGarbage: true },
    ),
    faulty(
      'takes a foreign event with a long key for a record that is no event',
      'a foreign CloudEvent is delivered as it is',
      '1 call(s) of the handler to end; it was called 0',
      { dropsLongKeys: true },
    ),
    faulty(
      'writes no dead letter of what could not be published',
      'a foreign CloudEvent whose handler fails leaves a dead letter',
      '5 call(s) of the handler to end; it was called 2',
      { limitsWhatItSends: true },
    ),
    faulty(
      'does not say that a dead letter is too large',
      'a foreign CloudEvent whose handler fails leaves a dead letter',
      '5 call(s) of the handler to end; it was called 4',
      { hidesItsLimit: true },
    ),
    faulty(
      'shows the dead letters that a redrive has kept once more',
      'leaves what is filtered out where it is',
      'dead letters were seen',
      { keepsAmongTheDead: true },
    ),
    faulty('forgets the group of a redrive', 'publishes nothing back a second time', '+   redriven: 2', {
      forgetsGroups: true,
    }),
    faulty(
      'is ready later than it says',
      'what is published the moment subscribe has resolved',
      '2 call(s) of the handler to end; it was called 0',
      {
        isReadyLate: true,
      },
    ),
    faulty(
      'forgets a group that nobody is in',
      'a group gets what was published while none',
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
      'a group that has members starts at `from` in a topic that is new',
      'the group to get two 1, three 1',
      { hasOnePositionPerGroup: true },
    ),
    faulty(
      'has a position per pattern of a group, not per topic',
      'a topic that a group subscribes to by itself, after a pattern covered it',
      'strictly deep-equal',
      { hasPositionsPerPattern: true },
    ),
    faulty(
      'forgets the position in a topic that a group has left',
      'a group that left one topic and stayed on another',
      'the group to get user away-0',
      { forgetsTopicsThatItLeft: true },
    ),
    faulty(
      'does not find topics that are new to a pattern of a group',
      'a topic that first appears while a pattern of the group is there',
      'the group to get a.x 1, a.x 2',
      { missesTopicsThatAreNew: true },
    ),
    faulty(
      'forgets the attempts at an event that is given back',
      'an event that is given back keeps count of its attempts',
      'strictly deep-equal',
      { forgetsAttempts: true },
    ),
    faulty(
      'counts an attempt that gave its event back without failing',
      'a loop of a group that is left gives its event back, and that is no attempt',
      '1 call(s) of the handler to end; it was called 0',
      { countsLeftLoops: true },
    ),
    faulty(
      'resolves publish before the broker has the event',
      'what a publisher was told is published survives it',
      '200 call(s) of the handler to end',
      {
        acceptsBeforeItIsWritten: true,
      },
    ),
    faulty(
      'does not subscribe again after a restart',
      'subscriptions and publishers survive two restarts',
      'events to arrive again',
      {
        losesSubscriptionsAtRestart: true,
      },
    ),
    faulty(
      'takes for accepted what it is given while the broker restarts',
      'publishing goes on through a restart',
      'what was accepted; missing',
      {
        losesWhatIsSentInOutage: true,
      },
    ),
    faulty(
      'never settles a publish made in an outage',
      'while the broker is out, publish settles',
      'publish to settle',
      {
        hangsInOutage: true,
      },
    ),
    faulty('cannot stop in an outage', 'while the broker is out, publish settles', 'stop to settle', {
      closesOnlyWhileUp: true,
    }),
  ]);
});
