import type { Capabilities } from '@polybus/core/engine';
import { expect, test } from 'vitest';
import { requireCapability } from '../../../packages/core/src/contract/capabilities.ts';
import { engineVariants } from '../../generate/engine-variants.ts';

const none: Capabilities = {
  durable: false,
  groups: false,
  replay: false,
  partitioned: false,
  crossProcess: false,
  delay: false,
};
const variants = await engineVariants();

test.each(Object.keys(none) as (keyof Capabilities)[])(
  'the error for a missing capability `%s` names exactly the engines that have it',
  (capability) => {
    const able = variants.filter(({ capabilities }) => capabilities[capability]).map(({ type }) => type);
    let message = '';
    try {
      requireCapability({ name: 'plain', type: 'plain', capabilities: none }, capability, 'option');
    } catch (error) {
      message = (error as Error).message;
    }
    const [, list = ''] = /Engines that have it: (.*)\.$/.exec(message) ?? [];
    const named = list.split(', ').map((name) => name.replace(/ .*/, ''));
    expect(new Set(named)).toEqual(new Set(able));
  },
);
