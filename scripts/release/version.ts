// Raises versions and writes changelogs from the changesets, and then sets the range of core that each released package requires.
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
 * A package is tested with the core of the same commit, and may use its new exports. Changesets keep a peer's range as long as it contains
 * the new core, so without this an engine could be installed with a core that lacks these exports.
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
