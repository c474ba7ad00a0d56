import type { ConsumerLag, EngineHealth, RouterView } from '@polybus/core';

/** Reads the health and the lag of each engine, and waits for each no longer than a scrape may take. */
export class BrokerProbe {
  readonly #router: RouterView;
  readonly #timeoutMs: number;
  readonly #health = new Questions<EngineHealth>();
  readonly #lag = new Questions<readonly ConsumerLag[]>();

  constructor(router: RouterView, timeoutMs: number) {
    this.#router = router;
    this.#timeoutMs = timeoutMs;
  }

  /** An engine that does not answer, or that has not been created yet, is `down`. */
  async statuses(): Promise<[engine: string, status: EngineHealth['status']][]> {
    return this.#ofEach(async (engine) => {
      const ask = (): Promise<EngineHealth> => this.#router.engine(engine).health();
      const health = await this.#health.answer(engine, ask, this.#timeoutMs);
      return [engine, health?.status ?? 'down'];
    });
  }

  /** Returns nothing for an engine that cannot report its lag. */
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

/** The number of timeouts after which a call is considered lost. */
const patience = 60;

interface Question<T> {
  readonly answer: Promise<T | undefined>;
  readonly askedAt: number;
}

/**
 * Calls to engines, one at a time per engine, so that scrapes do not pile up on a broker that does not answer. A call that is never
 * answered is eventually repeated, because its engine would otherwise stay down forever.
 */
class Questions<T> {
  readonly #open = new Map<string, Question<T>>();

  /** @returns The answer; undefined if the call rejects or has no answer in time. */
  answer(engine: string, ask: () => Promise<T>, timeoutMs: number): Promise<T | undefined> {
    const open = this.#open.get(engine);
    const isAwaited = open !== undefined && performance.now() - open.askedAt < patience * timeoutMs;
    return inTime((isAwaited ? open : this.#ask(engine, ask)).answer, timeoutMs);
  }

  #ask(engine: string, ask: () => Promise<T>): Question<T> {
    const question = { answer: asked(ask), askedAt: performance.now() };
    this.#open.set(engine, question);
    void question.answer.then(() => {
      if (this.#open.get(engine) === question) this.#open.delete(engine);
    });
    return question;
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
