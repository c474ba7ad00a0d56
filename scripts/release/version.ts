// Raises versions and writes changelogs from the changesets, and then the range of core that each released package asks for.
// usage: tsx scripts/release/version.ts [FOLDER]   default: this repository; `npm run release:version` calls it
import { rangeFrom } from '../../packages/create-polybus-engine/src/scaffold.ts';
import { core, editManifest, publishedPackages, root } from '../packages/published.ts';
import { run } from '../packages/run.ts';

const top = process.argv[2] ?? root;
const before = versions();
console.log(await run('npx', ['--no-install', 'changeset', 'version'], top));
raiseFloors();

function versions(): Map<string, string> {
  return new Map(publishedPackages(top).map(({ manifest }) => [manifest.name, manifest.version]));
}

/**
 * A package is tested with the core beside it, and may use what only that one has. Changesets keep a peer's range as long as the
 * new core is in it, so without this an engine could be installed beside a core that lacks what it calls.
 */
function raiseFloors(): void {
  const after = versions();
  const range = rangeFrom(after.get(core)!);
  for (const { folder, manifest } of publishedPackages(top)) {
    const isReleased = before.get(manifest.name) !== manifest.version;
    if (!isReleased || manifest.peerDependencies?.[core] === undefined) continue;
    editManifest(folder, (all) => ({ ...all, peerDependencies: { ...all.peerDependencies, [core]: range } }));
  }
}
