import { afterEach, describe, expect, test, vi } from 'vitest';
import { BurstLog, consoleLogger } from '../../src/logging/logger.ts';

afterEach(() => void vi.restoreAllMocks());

describe('BurstLog', () => {
  const make = (): { log: BurstLog; lines: [number, unknown][] } => {
    const lines: [number, unknown][] = [];
    return { log: new BurstLog((count, fields) => lines.push([count, fields])), lines };
  };

  test('logs the first event immediately, and then one line per second with the number of events', () => {
    const { log, lines } = make();
    log.add({ n: 1 }, 10_000);
    expect(lines).toEqual([[1, { n: 1 }]]);
    log.add({ n: 2 }, 10_001);
    log.add({ n: 3 }, 10_999);
    expect(lines).toHaveLength(1);
    log.add({ n: 4 }, 11_000);
    expect(lines).toEqual([
      [1, { n: 1 }],
      [3, { n: 4 }],
    ]);
    log.add({ n: 5 }, 11_999);
    expect(lines).toHaveLength(2);
    log.add({ n: 6 }, 60_000);
    expect(lines[2]).toEqual([2, { n: 6 }]);
  });

  test('logs the events that it held back once, at flush', () => {
    const { log, lines } = make();
    log.flush();
    expect(lines).toEqual([]);
    log.add({ n: 1 }, 10_000);
    log.add({ n: 2 }, 10_001);
    log.flush();
    log.flush();
    expect(lines).toEqual([
      [1, { n: 1 }],
      [1, { n: 2 }],
    ]);
  });

  test('logs two lines for a thousand events in one second, and counts all of them', () => {
    const { log, lines } = make();
    for (let i = 0; i < 1000; i++) log.add({ i }, 10_000 + (i % 1000));
    log.flush();
    expect(lines).toHaveLength(2);
    expect(lines.reduce((sum, [count]) => sum + count, 0)).toBe(1000);
  });

  test('logs the rest of a burst a second later, although nothing follows', () => {
    vi.useFakeTimers();
    try {
      const { log, lines } = make();
      for (let n = 1; n <= 1000; n++) log.add({ n });
      vi.advanceTimersByTime(999);
      expect(lines).toEqual([[1, { n: 1 }]]);
      vi.advanceTimersByTime(1);
      expect(lines).toEqual([
        [1, { n: 1 }],
        [999, { n: 1000 }],
      ]);
      log.add({ n: 1001 });
      expect(lines).toHaveLength(2);
      vi.advanceTimersByTime(5000);
      expect(lines).toHaveLength(3);
      expect(vi.getTimerCount()).toBe(0);
    } finally {
      vi.useRealTimers();
    }
  });

  test('uses the monotonic clock if it gets no time', () => {
    vi.useFakeTimers();
    try {
      const { log, lines } = make();
      log.add({});
      vi.advanceTimersByTime(999);
      log.add({});
      expect(lines).toHaveLength(1);
      vi.advanceTimersByTime(1);
      log.add({});
      expect(lines).toHaveLength(2);
    } finally {
      vi.useRealTimers();
    }
  });
});

test('the default logger writes only warnings and errors to the console', () => {
  const warn = vi.spyOn(console, 'warn').mockImplementation(() => {});
  const error = vi.spyOn(console, 'error').mockImplementation(() => {});
  consoleLogger.warn('slow', { engine: 'log' });
  consoleLogger.error('broken');
  expect(warn.mock.calls).toEqual([['polybus: slow', { engine: 'log' }]]);
  expect(error.mock.calls).toEqual([['polybus: broken', '']]);
  expect(Object.keys(consoleLogger)).toEqual(['warn', 'error']);
});
