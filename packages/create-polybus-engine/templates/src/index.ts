export { __factory__, engines } from './engine.ts';
export type { __Prefix__Config } from './options.ts';
