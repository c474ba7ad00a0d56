import type { ConformanceCase } from '../conformance-case.ts';
import { badInputCases } from './bad-input.ts';
import { burstCases } from './bursts.ts';
import { capabilityCases } from './capabilities.ts';
import { clockCases } from './clock.ts';
import { deadLetterCases } from './dead-letters.ts';
import { deliveryCases } from './delivery.ts';
import { durableCases } from './durable.ts';
import { foreignEventCases } from './foreign-events.ts';
import { groupChangeCases } from './group-changes.ts';
import { groupTopicCases } from './group-topics.ts';
import { groupCases } from './groups.ts';
import { handlerTimeoutCases } from './handler-timeout.ts';
import { leakCases } from './leaks.ts';
import { leaseCases } from './leases.ts';
import { nestedPublishCases } from './nested-publish.ts';
import { orderCases } from './order.ts';
import { payloadCases } from './payloads.ts';
import { processCases, reconnectCases } from './processes.ts';
import { publishCases } from './publish.ts';
import { redriveCases } from './redrive.ts';
import { replayCases } from './replay.ts';
import { retryCases } from './retries.ts';
import { signalCases } from './signals.ts';
import { stallCases } from './stalls.ts';
import { stateCases } from './states.ts';
import { stopCases } from './stop.ts';
import { streamCases } from './streams.ts';
import { tenantCases } from './tenants.ts';
import { topicCases } from './topics.ts';
import { unsubscribeCases } from './unsubscribe.ts';

/** Every case of the suite, in the order in which they run. */
export const cases: readonly ConformanceCase[] = [
  ...stateCases,
  ...capabilityCases,
  ...deliveryCases,
  ...burstCases,
  ...topicCases,
  ...payloadCases,
  ...badInputCases,
  ...publishCases,
  ...nestedPublishCases,
  ...orderCases,
  ...retryCases,
  ...deadLetterCases,
  ...handlerTimeoutCases,
  ...unsubscribeCases,
  ...signalCases,
  ...stallCases,
  ...stopCases,
  ...leakCases,
  ...groupCases,
  ...groupChangeCases,
  ...groupTopicCases,
  ...replayCases,
  ...redriveCases,
  ...streamCases,
  ...tenantCases,
  ...foreignEventCases,
  ...durableCases,
  ...processCases,
  ...reconnectCases,
  ...clockCases,
  ...leaseCases,
];
