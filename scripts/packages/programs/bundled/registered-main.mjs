import { registerEngine } from '@polybus/core/engine';
import { engines } from '@polybus/engine-memory';

registerEngine('memory', engines['memory']);
import './by-type-main.mjs';
