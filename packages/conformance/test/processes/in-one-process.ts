import { logEngines } from '../log/log-engine.ts';

/** Engines on a broker that is in the memory of each process. They say `crossProcess`, and reach nobody else. */
export const engineUnderTest = logEngines().factory;
