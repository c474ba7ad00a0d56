import { InvalidOptionError, InvalidTenantError } from '../errors/errors.ts';
import type { Event } from './event.ts';

/** Where, in an event's metadata, its tenant is. */
const tenantKey = 'tenant';

export const tenantGrammar: RegExp = /^[A-Za-z0-9_-]{1,64}$/;

/** What a tenant may be, for messages. */
export const tenantForm = '1 to 64 letters, digits, "_" or "-"';

/** True for what may name a tenant. */
export function isTenant(value: unknown): value is string {
  return typeof value === 'string' && tenantGrammar.test(value);
}

/**
 * Checks the name of a tenant.
 *
 * @throws {@link InvalidTenantError}
 */
export function assertTenant(tenant: unknown, topic?: string): asserts tenant is string {
  if (isTenant(tenant)) return;
  throw new InvalidTenantError(tenant, `a tenant is ${tenantForm}`, { topic });
}

/** The tenant of an event; undefined where it has none. */
export function tenantOf({ metadata }: Pick<Event, 'metadata'>): string | undefined {
  const tenant = metadata[tenantKey];
  return typeof tenant === 'string' ? tenant : undefined;
}

/** Longest consumer group that every engine takes. */
const maxGroupLength = 200;

/**
 * The consumer group that a subscription is in. A tenant's groups are its own: in one that it shared, an event of another
 * tenant would be acknowledged by a member that must not handle it.
 *
 * @throws {@link InvalidTenantError}
 * @throws {@link InvalidOptionError} where the group is too long beside the tenant.
 */
export function groupFor(group: string | undefined, tenant: string | undefined): string | undefined {
  if (tenant === undefined) return group;
  assertTenant(tenant);
  if (group === undefined) return undefined;
  const prefix = `_tenant.${tenant}.`;
  const longest = maxGroupLength - prefix.length;
  if (group.length > longest)
    throw new InvalidOptionError('group', group, `at most ${longest} characters beside this tenant`);
  return prefix + group;
}
