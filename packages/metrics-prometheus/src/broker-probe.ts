import type { ConsumerLag, EngineHealth, Router } from '@polybus/core';

/** Asks each engine for its state and its lag, and waits for none of them longer than a scrape may take. */
export class BrokerProbe {
  readonly #router: Router;
  readonly #timeoutMs: number;
  readonly #health = new Questions<EngineHealth>();
  readonly #lag = new Questions<readonly ConsumerLag[]>();

  constructor(router: Router, timeoutMs: number) {
    this.#router = router;
    this.#timeoutMs = timeoutMs;
  }

  /** `down` is also what does not answer, and what has not been made yet. */
  async statuses(): Promise<[engine: string, status: EngineHealth['status']][]> {
    return this.#ofEach(async (engine) => {
      const ask = (): Promise<EngineHealth> => this.#router.engine(engine).health();
      const health = await this.#health.answer(engine, ask, this.#timeoutMs);
      return [engine, health?.status ?? 'down'];
    });
  }

  /** Nothing of an engine that cannot tell. */
  async lags(): Promise<[engine: string, lags: readonly ConsumerLag[]][]> {
    return this.#ofEach(async (engine) => {
      const ask = async (): Promise<readonly ConsumerLag[]> =>
        (await this.#router.engine(engine).lag?.()) ?? [];
      return [engine, (await this.#lag.answer(engine, ask, this.#timeoutMs)) ?? []];
    });
  }

  #ofEach<T>(one: (engine: string) => Promise<T>): Promise<T[]> {
    return Promise.all(this.#router.engineNames().map(one));
  }
}

/** Questions to engines, of which each engine has one at a time: scrapes do not pile up on a broker that does not answer. */
class Questions<T> {
  readonly #open = new Map<string, Promise<T | undefined>>();

  /** @returns undefined where it rejects, or has no answer in time. */
  answer(engine: string, ask: () => Promise<T>, timeoutMs: number): Promise<T | undefined> {
    let question = this.#open.get(engine);
    if (question === undefined) {
      question = asked(ask).finally(() => this.#open.delete(engine));
      this.#open.set(engine, question);
    }
    return inTime(question, timeoutMs);
  }
}

async function asked<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch {
    return undefined;
  }
}

function inTime<T>(answer: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(undefined), timeoutMs);
    void answer.then((value) => {
      clearTimeout(timer);
      resolve(value);
    });
  });
}
