import { readFileSync, readdirSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { root } from '../test/docs/blocks.ts';

/** The rooms of a package, each with the rooms that it imports. A room is a folder in `src`, or a file next to the folders. */
export type Rooms = ReadonlyMap<string, ReadonlySet<string>>;

/**
 * Reads the rooms of a package from its imports. It omits two kinds of files: an `index.ts`, which only re-exports, and a file next to the
 * folders that a folder imports, such as `errors.ts`.
 */
export function roomsOf(packageName: string): Rooms {
  const folder = join(root, 'packages', packageName, 'src');
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(({ name }) => name.endsWith('.ts') && name !== 'index.ts')
    .map(({ parentPath, name }) => join(parentPath, name))
    .sort();
  const roomOf = (file: string): string => relative(folder, file).split(sep)[0]!.replace(/\.ts$/, '');
  const rooms = new Map<string, Set<string>>();
  const folders = new Set<string>();
  for (const file of files) {
    const room = roomOf(file);
    if (dirname(file) !== folder) folders.add(room);
    const imported = rooms.get(room) ?? new Set();
    rooms.set(room, imported);
    for (const path of relativeImports(file)) {
      const target = roomOf(join(dirname(file), path));
      if (target !== room && !path.endsWith('/index.ts')) imported.add(target);
    }
  }
  const shared = new Set(
    [...folders].flatMap((room) => [...rooms.get(room)!].filter((name) => !folders.has(name))),
  );
  for (const name of shared) rooms.delete(name);
  for (const imported of rooms.values()) for (const name of shared) imported.delete(name);
  return rooms;
}

function relativeImports(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(/\b(?:from|import)\s*\(?\s*'(\.[^']+)'/g)].map(
    ([, path]) => path!,
  );
}

/** Returns a circle of rooms that import each other; undefined if there is none. */
export function circleIn(rooms: Rooms): readonly string[] | undefined {
  for (const [room, imported] of rooms) {
    for (const next of imported) {
      const back = pathBetween(rooms, next, room);
      if (back !== undefined) return [room, ...back];
    }
  }
  return undefined;
}

/** The number of rooms in the longest chain of rooms that import each other. There must be no circle. */
export function depthOf(rooms: Rooms): number {
  const layerOf = (room: string): number => 1 + Math.max(0, ...[...rooms.get(room)!].map(layerOf));
  return Math.max(...[...rooms.keys()].map(layerOf));
}

/** Draws the rooms as a Mermaid block. It omits an arrow that follows from other arrows. */
export function diagramOf(rooms: Rooms): string {
  const idOf = (room: string): string => room.replaceAll('-', '_');
  const nodes = [...rooms.keys()].map((room) => `  ${idOf(room)}${room.includes('-') ? `["${room}"]` : ''}`);
  const arrows = [...rooms].flatMap(([room, imported]) =>
    [...imported]
      .filter((target) => !followsFromOthers(rooms, room, target))
      .sort()
      .map((target) => `  ${idOf(room)} --> ${idOf(target)}`),
  );
  return ['```mermaid', 'flowchart TD', ...nodes, ...arrows, '```'].join('\n');
}

function followsFromOthers(rooms: Rooms, room: string, target: string): boolean {
  const others = [...rooms.get(room)!].filter((other) => other !== target);
  return others.some((other) => pathBetween(rooms, other, target, new Set([room])) !== undefined);
}

function pathBetween(
  rooms: Rooms,
  from: string,
  to: string,
  visited = new Set<string>(),
): string[] | undefined {
  if (from === to) return [to];
  visited.add(from);
  for (const next of rooms.get(from) ?? []) {
    const rest = visited.has(next) ? undefined : pathBetween(rooms, next, to, visited);
    if (rest !== undefined) return [from, ...rest];
  }
  return undefined;
}
