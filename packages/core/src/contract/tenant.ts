import { InvalidOptionError, InvalidTenantError } from '../errors/errors.ts';
import type { Event } from './event.ts';

/** The metadata field that has the tenant of an event. */
const tenantKey = 'tenant';

export const tenantGrammar: RegExp = /^[A-Za-z0-9_-]{1,64}$/;

/** The form of a tenant, for messages. */
export const tenantForm = '1 to 64 letters, digits, "_" or "-"';

/** Returns true for a valid tenant. */
export function isTenant(value: unknown): value is string {
  return typeof value === 'string' && tenantGrammar.test(value);
}

/**
 * Asserts that a value is a valid tenant.
 *
 * @throws {@link InvalidTenantError} if it is not.
 */
export function assertTenant(tenant: unknown, topic?: string): asserts tenant is string {
  if (isTenant(tenant)) return;
  throw new InvalidTenantError(tenant, `a tenant is ${tenantForm}`, { topic });
}

/** Returns the tenant of an event; undefined if it has none. */
export function tenantOf({ metadata }: Pick<Event, 'metadata'>): string | undefined {
  const tenant = metadata[tenantKey];
  return typeof tenant === 'string' ? tenant : undefined;
}

/** The maximum length of a consumer group that every engine accepts. */
const maxGroupLength = 200;

/**
 * Returns the consumer group of a subscription on the broker, which contains its tenant. Tenants do not share groups: in a shared
 * group, a member of one tenant would acknowledge events of another tenant that it must not handle.
 *
 * @throws {@link InvalidTenantError} if the tenant is invalid.
 * @throws {@link InvalidOptionError} if group and tenant together are too long.
 */
export function groupFor(group: string | undefined, tenant: string | undefined): string | undefined {
  if (tenant === undefined) return group;
  assertTenant(tenant);
  if (group === undefined) return undefined;
  const prefix = `_tenant.${tenant}.`;
  const longest = maxGroupLength - prefix.length;
  if (group.length > longest)
    throw new InvalidOptionError('group', group, `at most ${longest} characters together with this tenant`);
  return prefix + group;
}
