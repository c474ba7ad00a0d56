import { deadLetterOf, sourceOfDeadLetters } from '../dead-letters/dead-letter.ts';
import type { Event } from '../contract/event.ts';
import { tenantOf } from '../contract/tenant.ts';
import { isPattern, matchesTopic, patternCovers, patternsOverlap } from '../contract/topics.ts';

/** Which engine carries which topics. */
export interface RoutingRule {
  /** Topics and patterns. */
  readonly topics: readonly string[];
  /** The name of an engine. */
  readonly engine: string;
  /** Only for events of these tenants. Default: all events. */
  readonly tenants?: readonly string[] | undefined;
}

/** How many topics the answer is remembered for. */
const maxRemembered = 10_000;

/** Finds the engines of a topic or pattern by the routing rules. */
export class Routing {
  readonly #rules: readonly RoutingRule[];
  readonly #names: readonly string[];
  /** Those that some rule names: all others are alike. */
  readonly #tenants: ReadonlySet<string>;
  readonly #remembered = new Map<string, string>();

  /** @param names - The engines; what no rule matches goes to the first. */
  constructor(rules: readonly RoutingRule[], names: readonly string[]) {
    this.#rules = rules;
    this.#names = names;
    this.#tenants = new Set(rules.flatMap(({ tenants = [] }) => tenants));
  }

  /** True where some rule is for certain tenants only. */
  get dependsOnTenant(): boolean {
    return this.#tenants.size > 0;
  }

  /** The engine that carries a topic: the first rule that matches wins. */
  engineFor(topic: string, tenant?: string): string {
    const named = tenant !== undefined && this.#tenants.has(tenant) ? tenant : undefined;
    // A space is in no topic and in no tenant.
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
   * The engine for a dead letter of something that the engine `from` delivered. One without a tenant of its own, whose bytes nobody
   * could decode, may be a tenant's all the same: it stays where it is, unless a rule names its topic, or nobody would look for
   * it there.
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
    // Dead letters stay where their events came from, unless a rule says otherwise.
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
   * Every engine that could carry a topic that the pattern matches, in the order of the rules; without a tenant, for events of
   * any tenant and of none.
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
      // Later rules never see a topic that this one matches.
      if (topics.some((ruleTopic) => patternCovers(ruleTopic, pattern))) return [...found];
    }
    for (const name of this.#beyondRules(pattern, tenant)) found.add(name);
    return [...found];
  }

  #beyondRules(pattern: string, tenant: string | undefined): readonly string[] {
    const source = sourceOfDeadLetters(pattern);
    if (source !== undefined) return this.#enginesFor(source, tenant);
    // A pattern such as `_*` takes in the dead letters of every engine.
    return pattern.startsWith('_') ? this.#names : [this.#names[0]!];
  }
}
