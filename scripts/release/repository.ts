import { relative, sep } from 'node:path';
import { editManifest, publishedPackages } from '../packages/published.ts';

/** The field that npm compares with the repository in the provenance of a release. */
export interface Repository {
  readonly type: 'git';
  readonly url: string;
  readonly directory: string;
}

/**
 * Returns the address of the repository of the current workflow.
 *
 * @throws an error outside of a workflow, because the address is then unknown.
 */
export function addressFrom(env: Readonly<Record<string, string | undefined>>): string {
  const { GITHUB_SERVER_URL: server, GITHUB_REPOSITORY: name } = env;
  if (!server || !name) {
    throw new Error(
      'GITHUB_SERVER_URL and GITHUB_REPOSITORY are not set, so it is not known where these packages come from, which npm ' +
        'checks against their provenance. Releases are published by the workflow release.yml, where GitHub sets both.',
    );
  }
  return `git+${server.replace(/\/$/, '')}/${name}.git`;
}

/** Writes the field `repository` of each published package, so that it is also right for a fork or a repository that has moved. */
export function writeRepositories(top: string, url: string): void {
  for (const { folder } of publishedPackages(top)) {
    const directory = relative(top, folder).split(sep).join('/');
    editManifest(folder, (manifest) => ({
      ...manifest,
      repository: { type: 'git', url, directory } satisfies Repository,
    }));
  }
}
