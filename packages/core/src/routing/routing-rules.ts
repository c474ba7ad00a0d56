import { deadLetterOf, sourceOfDeadLetters } from '../dead-letters/dead-letter.ts';
import type { Event } from '../contract/event.ts';
import { tenantOf } from '../contract/tenant.ts';
import { isPattern, matchesTopic, patternCovers, patternsOverlap } from '../contract/topics.ts';

/** A rule that selects the engine of some topics. */
export interface RoutingRule {
  /** The topics and patterns that the rule matches. */
  readonly topics: readonly string[];
  /** The name of the engine that carries these topics. */
  readonly engine: string;
  /** Limits the rule to events of these tenants. Default: all events. */
  readonly tenants?: readonly string[] | undefined;
}

/** The number of topics whose engine is cached. */
const maxRemembered = 10_000;

/** Finds the engines of a topic or pattern by the routing rules. */
export class RoutingRules {
  readonly #rules: readonly RoutingRule[];
  readonly #names: readonly string[];
  /** The tenants that a rule names. All other tenants are routed alike. */
  readonly #tenants: ReadonlySet<string>;
  readonly #remembered = new Map<string, string>();

  /** @param names - The engines. Topics without a matching rule use the first engine. */
  constructor(rules: readonly RoutingRule[], names: readonly string[]) {
    this.#rules = rules;
    this.#names = names;
    this.#tenants = new Set(rules.flatMap(({ tenants = [] }) => tenants));
  }

  /** True if a rule is limited to tenants. */
  get dependsOnTenant(): boolean {
    return this.#tenants.size > 0;
  }

  /** Returns the engine that carries a topic: that of the first matching rule. */
  engineFor(topic: string, tenant?: string): string {
    const named = tenant !== undefined && this.#tenants.has(tenant) ? tenant : undefined;
    // Neither a topic nor a tenant contains a space.
    const key = named === undefined ? topic : `${topic} ${named}`;
    let name = this.#remembered.get(key);
    if (name === undefined) {
      name = this.#find(topic, named);
      if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
      this.#remembered.set(key, name);
    }
    return name;
  }

  /**
   * Returns the engine for a dead letter of a record that the engine `from` delivered. A dead letter of an undecodable record has no
   * tenant, although its event may have had one: it stays on the engine `from`, unless a rule names its topic.
   */
  engineForDeadLetter(event: Event, from: string): string {
    const tenant = tenantOf(event);
    const isRaw = deadLetterOf(event)?.headers !== undefined;
    const stays =
      isRaw &&
      this.#byRule(event.topic, tenant) === undefined &&
      this.enginesFor(event.topic, tenant).includes(from);
    return stays ? from : this.engineFor(event.topic, tenant);
  }

  #byRule(topic: string, tenant: string | undefined): string | undefined {
    const rules = this.#rulesFor(tenant);
    return rules.find(({ topics }) => topics.some((pattern) => matchesTopic(pattern, topic)))?.engine;
  }

  #find(topic: string, tenant: string | undefined): string {
    const engine = this.#byRule(topic, tenant);
    if (engine !== undefined) return engine;
    // A dead letter stays on the engine of its event, unless a rule selects another.
    const source = sourceOfDeadLetters(topic);
    return source === undefined ? this.#names[0]! : this.engineFor(source, tenant);
  }

  #rulesFor(tenant: string | undefined): readonly RoutingRule[] {
    if (!this.dependsOnTenant) return this.#rules;
    return this.#rules.filter(
      ({ tenants }) => tenants === undefined || (tenant !== undefined && tenants.includes(tenant)),
    );
  }

  /**
   * Returns the engines that may carry a topic that the pattern matches, in the order of the rules. Without a tenant, for events of any
   * tenant and of none.
   */
  enginesFor(pattern: string, tenant?: string): string[] {
    if (tenant !== undefined || !this.dependsOnTenant) return this.#enginesFor(pattern, tenant);
    const all = [undefined, ...this.#tenants].flatMap((ruleTenant) => this.#enginesFor(pattern, ruleTenant));
    return [...new Set(all)];
  }

  #enginesFor(pattern: string, tenant: string | undefined): string[] {
    if (!isPattern(pattern)) return [this.engineFor(pattern, tenant)];
    const found = new Set<string>();
    for (const { topics, engine } of this.#rulesFor(tenant)) {
      if (topics.some((ruleTopic) => patternsOverlap(ruleTopic, pattern))) found.add(engine);
      // Later rules do not apply to topics that this rule matches.
      if (topics.some((ruleTopic) => patternCovers(ruleTopic, pattern))) return [...found];
    }
    for (const name of this.#beyondRules(pattern, tenant)) found.add(name);
    return [...found];
  }

  #beyondRules(pattern: string, tenant: string | undefined): readonly string[] {
    const source = sourceOfDeadLetters(pattern);
    if (source !== undefined) return this.#enginesFor(source, tenant);
    // A pattern such as `_*` includes the dead letters of every engine.
    return pattern.startsWith('_') ? this.#names : [this.#names[0]!];
  }
}
