import type { RoutingRule } from './config/event-bus-config.ts';
import { sourceOfDeadLetters } from './dead-letter.ts';
import { isPattern, matchesTopic, patternCovers, patternsOverlap } from './topics.ts';

/** How many topics the answer is remembered for. */
const maxRemembered = 10_000;

/** Finds the engines of a topic or pattern by the routing rules. */
export class Routing {
  readonly #rules: readonly RoutingRule[];
  readonly #names: readonly string[];
  readonly #remembered = new Map<string, string>();

  /** @param names - The engines; what no rule matches goes to the first. */
  constructor(rules: readonly RoutingRule[], names: readonly string[]) {
    this.#rules = rules;
    this.#names = names;
  }

  /** The engine that carries a topic: the first rule that matches wins. */
  engineFor(topic: string): string {
    let name = this.#remembered.get(topic);
    if (name === undefined) {
      name = this.#find(topic);
      if (this.#remembered.size >= maxRemembered) this.#remembered.clear();
      this.#remembered.set(topic, name);
    }
    return name;
  }

  #find(topic: string): string {
    const rule = this.#rules.find(({ topics }) => topics.some((pattern) => matchesTopic(pattern, topic)));
    if (rule !== undefined) return rule.engine;
    // Dead letters stay where their events came from, unless a rule says otherwise.
    const source = sourceOfDeadLetters(topic);
    return source === undefined ? this.#names[0]! : this.engineFor(source);
  }

  /** Every engine that could carry a topic that the pattern matches, in the order of the rules. */
  enginesFor(pattern: string): string[] {
    if (!isPattern(pattern)) return [this.engineFor(pattern)];
    const found = new Set<string>();
    for (const { topics, engine } of this.#rules) {
      if (topics.some((one) => patternsOverlap(one, pattern))) found.add(engine);
      // Later rules never see a topic that this one matches.
      if (topics.some((one) => patternCovers(one, pattern))) return [...found];
    }
    for (const name of this.#beyondRules(pattern)) found.add(name);
    return [...found];
  }

  #beyondRules(pattern: string): readonly string[] {
    const source = sourceOfDeadLetters(pattern);
    if (source !== undefined) return this.enginesFor(source);
    // A pattern such as `_*` takes in the dead letters of every engine.
    return pattern.startsWith('_') ? this.#names : [this.#names[0]!];
  }
}
