import type { ConformanceCase } from '../conformance-case.ts';
import { badInputCases } from './publish/bad-input.ts';
import { batchCases } from './delivery/batches.ts';
import { burstCases } from './delivery/bursts.ts';
import { capabilityCases } from './lifecycle/capabilities.ts';
import { clockCases } from './durability/clock.ts';
import { deadLetterCases } from './failures/dead-letters.ts';
import { delayCases } from './delivery/delays.ts';
import { deliveryCases } from './delivery/delivery.ts';
import { durableCases } from './durability/durable.ts';
import { foreignEventCases } from './publish/foreign-events.ts';
import { groupChangeCases } from './groups/group-changes.ts';
import { groupTopicCases } from './groups/group-topics.ts';
import { groupCases } from './groups/groups.ts';
import { handlerTimeoutCases } from './delivery/handler-timeout.ts';
import { leakCases } from './lifecycle/leaks.ts';
import { leaseCases } from './groups/leases.ts';
import { nestedPublishCases } from './publish/nested-publish.ts';
import { orderCases } from './delivery/order.ts';
import { payloadCases } from './publish/payloads.ts';
import { severalEngineCases } from './durability/several-engines.ts';
import { reconnectCases } from './durability/reconnect.ts';
import { processDeliveryCases } from './processes/process-delivery.ts';
import { killedAndFrozenMemberCases } from './processes/killed-and-frozen-members.ts';
import { processGroupCases } from './processes/process-groups.ts';
import { pauseCases } from './delivery/pauses.ts';
import { publishCases } from './publish/publish.ts';
import { redriveCases } from './failures/redrive.ts';
import { replayCases } from './durability/replay.ts';
import { retryCases } from './failures/retries.ts';
import { signalCases } from './publish/signals.ts';
import { stallCases } from './delivery/stalls.ts';
import { stateCases } from './lifecycle/states.ts';
import { stopCases } from './lifecycle/stop.ts';
import { streamCases } from './delivery/streams.ts';
import { tenantCases } from './delivery/tenants.ts';
import { topicCases } from './publish/topics.ts';
import { unsubscribeCases } from './lifecycle/unsubscribe.ts';

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
  ...delayCases,
  ...stallCases,
  ...pauseCases,
  ...stopCases,
  ...leakCases,
  ...groupCases,
  ...groupChangeCases,
  ...groupTopicCases,
  ...replayCases,
  ...redriveCases,
  ...streamCases,
  ...batchCases,
  ...tenantCases,
  ...foreignEventCases,
  ...durableCases,
  ...severalEngineCases,
  ...reconnectCases,
  ...clockCases,
  ...leaseCases,
  ...processDeliveryCases,
  ...killedAndFrozenMemberCases,
  ...processGroupCases,
];
