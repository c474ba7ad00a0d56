/** What a broker runs on, a process or a container, as far as the controls need it. Readiness is not its matter. */
export interface Machine {
  /** Starts it, or starts it again with the same address and data. */
  start(): Promise<void>;
  /** Ends it in order, keeping address and data. Rejects if that had to be forced, and data was lost. */
  end(): Promise<void>;
  /** Ends it at once, keeping the address, and of the data what a power cut would leave. */
  kill(): Promise<void>;
  /** Stops it from running, connections and all. */
  pause(): Promise<void>;
  /** Lets it run on. */
  resume(): Promise<void>;
  /** Ends it in whatever state it is and removes all it had. */
  dispose(): Promise<void>;
  /** How it ended by itself (`exit code 1`); undefined while it runs. */
  ending(): Promise<string | undefined>;
  /** The last lines it wrote. */
  log(): Promise<string>;
}
