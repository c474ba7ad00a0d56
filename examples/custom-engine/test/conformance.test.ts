import { describeEngine } from '@polybus/conformance';
import { customEngine } from '../src/index.ts';

describeEngine('custom', ({ stallLimitMs }) => customEngine({ stallLimitMs }));
