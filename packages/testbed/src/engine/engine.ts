export { attachToTest } from './attach.ts';
export { Authority, type Certificate, type CertificateOptions } from './certificates.ts';
export { Flow } from './flow.ts';
export { startLater } from './later-start.ts';
export { LogLines } from './log-lines.ts';
export { newName } from './names.ts';
export { Seen } from './seen.ts';
export { type Fixture, spawnFixture } from './spawn-fixture.ts';
export { until } from './until.ts';
