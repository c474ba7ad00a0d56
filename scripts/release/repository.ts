import { relative, sep } from 'node:path';
import { editManifest, publishedPackages } from '../packages/published.ts';

/** What npm compares with the repository that the provenance of a release names. */
export interface Repository {
  readonly type: 'git';
  readonly url: string;
  readonly directory: string;
}

/**
 * The address of the repository whose workflow this is.
 *
 * @throws where no workflow runs, and so nothing says it.
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

/** Writes into each published package where it comes from: a fork, or a repository that moved, is right by itself. */
export function writeRepositories(top: string, url: string): void {
  for (const { folder } of publishedPackages(top)) {
    const directory = relative(top, folder).split(sep).join('/');
    editManifest(folder, (manifest) => ({
      ...manifest,
      repository: { type: 'git', url, directory } satisfies Repository,
    }));
  }
}
