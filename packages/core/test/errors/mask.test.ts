import { describe, expect, test } from 'vitest';
import { maskUrl, maskValue } from '../../src/errors/mask.ts';

describe('a configuration value', () => {
  test.each([
    ['redis://u:hunter2@h:6379/1', 'redis://[hidden]@h:6379/1'],
    ['redis://hunter2@h', 'redis://[hidden]@h'],
    ['redis://:hunter2@h', 'redis://[hidden]@h'],
    ['u:hunter2@redis:6379', '[hidden]@redis:6379'],
    [':hunter2@redis:6379', '[hidden]@redis:6379'],
    ['hunter2@redis:6379', '[hidden]@redis:6379'],
    ['//u:hunter2@h', '//[hidden]@h'],
    ['redis://u:hun ter2@h', 'redis://[hidden]@h'],
    ['redis://u:hun"ter2@h', 'redis://[hidden]@h'],
    ['redis://u:hun/ter2@ter@h', 'redis://[hidden]@h'],
    ['h/?pwd=hunter2&db=1', 'h/?pwd=[hidden]&db=1'],
    ['h/?db=1&auth=hunter2', 'h/?db=1&auth=[hidden]'],
    ['h/?X-Amz-Signature=hunter2', 'h/?X-Amz-Signature=[hidden]'],
    ['h/?sig=hun ter2#x', 'h/?sig=[hidden]#x'],
    ['h/#access_token=hunter2', 'h/#access_token=[hidden]'],
    ['redis://u:hunter2@h?token=hunter2', 'redis://[hidden]@h?token=[hidden]'],
    ['redis://h:6379', 'redis://h:6379'],
    ['a..b', 'a..b'],
  ])('%s is shown as %s', (value, shown) => {
    expect(maskValue(value)).toBe(shown);
  });
});

describe('text that contains a URL', () => {
  test.each([
    ['connect to redis://u:hunter2@h failed', 'connect to redis://[hidden]@h failed'],
    ['connect to :hunter2@h:6379 failed', 'connect to [hidden]@h:6379 failed'],
    ['connect to "//u:hunter2@h" failed', 'connect to "//[hidden]@h" failed'],
    ['GET /x?pwd=hunter2 failed', 'GET /x?pwd=[hidden] failed'],
    ['GET /x#access_token=hunter2 failed', 'GET /x#access_token=[hidden] failed'],
    ['connect(u:hunter2@h) failed', 'connect([hidden]@h) failed'],
    [
      'GET /x?a=1&sig=hunter2?b&c=2#token=hunter2 failed',
      'GET /x?a=1&sig=[hidden]&c=2#token=[hidden] failed',
    ],
    ['ask at redis://h or write to me@example.com', 'ask at redis://h or write to me@example.com'],
  ])('%s becomes %s', (text, shown) => {
    expect(maskUrl(text)).toBe(shown);
  });
});
