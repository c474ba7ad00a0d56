// Ends the resources of a test process that dies before it could end them itself (crash, SIGKILL, Ctrl-C).
//
// It reads one JSON message per line from its standard input: {"add": {...}} and {"drop": id}. Only the test
// process has the other end of that pipe, so the operating system closes it when the process dies for any reason, and the end
// of the input is the signal to clean up. Plain JavaScript: it must start in milliseconds and without a loader.
import { readFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { request } from 'node:http';
import { createInterface } from 'node:readline';

const POLL_MS = 20;
const PROCESS_GONE_MS = 10_000;
/** A container whose creation was in progress when its owner died may appear after the first check. */
const CONTAINER_LOOKS = 3;
const CONTAINER_LOOK_GAP_MS = 1_000;

const resources = new Map();
const delay = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Ctrl-C and the closing of a terminal are for the test process; the watchdog must outlive it.
for (const signal of ['SIGINT', 'SIGHUP']) process.on(signal, () => undefined);

/** A process's state letter and start time, in clock ticks since boot; undefined if it is gone or unknown. */
function processStat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name, in parentheses, may itself contain spaces and parentheses: count from its end.
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0], startTime: fields[19] };
  } catch {
    return undefined;
  }
}

function isAlive({ pid, startTime }) {
  const stat = processStat(pid);
  // Another process may have got the same id since.
  if (startTime !== undefined)
    return stat !== undefined && stat.startTime === startTime && stat.state !== 'Z';
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function endProcess(resource) {
  if (!isAlive(resource)) return;
  try {
    process.kill(-resource.pid, 'SIGKILL');
  } catch {
    return;
  }
  const deadline = Date.now() + PROCESS_GONE_MS;
  while (isAlive(resource) && Date.now() < deadline) await delay(POLL_MS);
}

function docker(engine, method, path) {
  return new Promise((resolve, reject) => {
    const outgoing = request({ ...engine, method, path }, (response) => {
      let body = '';
      response.setEncoding('utf8');
      response.on('data', (chunk) => (body += chunk));
      response.on('end', () => resolve({ status: response.statusCode, body }));
      response.on('error', reject);
    });
    outgoing.on('error', reject);
    outgoing.end();
  });
}

async function removeContainers({ engine, label }) {
  const filters = encodeURIComponent(JSON.stringify({ label: [label] }));
  for (let look = 0; look < CONTAINER_LOOKS; look += 1) {
    if (look > 0) await delay(CONTAINER_LOOK_GAP_MS);
    const { status, body } = await docker(engine, 'GET', `/containers/json?all=1&filters=${filters}`);
    const found = status === 200 ? JSON.parse(body) : [];
    for (const { Id } of found) await docker(engine, 'DELETE', `/containers/${Id}?force=1&v=1`);
    // Found and removed: no other container has this label.
    if (found.length > 0) return;
  }
}

async function cleanUp() {
  const left = [...resources.values()];
  const of = (kind) => left.filter((resource) => resource.kind === kind);
  await Promise.allSettled(of('process').map(endProcess));
  await Promise.allSettled([
    // A process may have written until it ended.
    ...of('folder').map(({ path }) => rm(path, { recursive: true, force: true, maxRetries: 5 })),
    ...of('container').map(removeContainers),
  ]);
}

const lines = createInterface({ input: process.stdin });
lines.on('line', (line) => {
  const message = JSON.parse(line);
  if (message.add !== undefined) resources.set(message.add.id, message.add);
  else resources.delete(message.drop);
});
lines.on('close', () => {
  void cleanUp().finally(() => process.exit(0));
});
