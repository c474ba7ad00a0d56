import { type Duration, InvalidOptionError } from '@polybus/core';
import { durationForm, durationMs } from '@polybus/core/engine-kit';

const longestTimerMs = 2 ** 31 - 1;

/** Parses a UDP address: `host:port`, `[ipv6]:port`, or a host alone for Datadog's port 8125. */
export function addressOf(addr: unknown): { host: string; port: number } {
  const [, bracketed, plain, port = '8125'] =
    (typeof addr === 'string' && /^(?:\[([0-9A-Fa-f:.%\w]+)\]|([^:\s[\]/]+))(?::(\d{1,5}))?$/.exec(addr)) ||
    [];
  const host = bracketed ?? plain;
  if (host !== undefined && Number(port) >= 1 && Number(port) <= 65_535) return { host, port: Number(port) };
  throw new InvalidOptionError(
    'addr',
    addr,
    'a host and a UDP port, such as "127.0.0.1:8125" or "[::1]:8125"',
  );
}

export function intervalMsOf(interval: Duration): number {
  const ms = typeof interval === 'number' || typeof interval === 'string' ? durationMs(interval) : undefined;
  if (ms !== undefined && ms > 0 && ms <= longestTimerMs) return ms;
  throw new InvalidOptionError('interval', interval, `more than 0: ${durationForm}`);
}

/** Datadog's rules for metric names: they begin with a letter and contain letters, digits, "_" and ".". */
export function prefixOf(prefix: unknown): string {
  if (typeof prefix === 'string' && /^[A-Za-z][\w.]{0,100}$/.test(prefix)) return prefix;
  throw new InvalidOptionError('prefix', prefix, 'letters, digits, "_" and ".", beginning with a letter');
}

export function tagsOf(tags: unknown): readonly string[] {
  const isTags = Array.isArray(tags) && tags.every((tag) => typeof tag === 'string' && tag !== '');
  if (isTags) return tags as string[];
  throw new InvalidOptionError('baseTags', tags, 'an array of tags such as "env:production"');
}
