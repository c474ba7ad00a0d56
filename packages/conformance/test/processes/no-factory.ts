/** A module that exports the factory by another name. */
export { engineUnderTest as engine } from './in-one-process.ts';
