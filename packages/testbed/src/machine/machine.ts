/** The process or container of a broker. It does not know when the broker is ready. */
export interface Machine {
  /** Starts it, or starts it again with the same address and data. */
  start(): Promise<void>;
  /** Ends it gracefully and keeps its address and data. Rejects if it was killed and lost data. */
  end(): Promise<void>;
  /** Kills it and keeps its address, and the data that it would keep after a power cut. */
  kill(): Promise<void>;
  /** Pauses it; its connections stay open. */
  pause(): Promise<void>;
  /** Continues it. */
  resume(): Promise<void>;
  /** Ends it in any state and removes all its resources. */
  dispose(): Promise<void>;
  /** How it ended (`exit code 1`); undefined while it runs. */
  ending(): Promise<string | undefined>;
  /** The last lines of its log. */
  log(): Promise<string>;
}
