import { randomUUID } from 'node:crypto';
import type { StartedTestContainer, WaitStrategy } from 'testcontainers';
import { LOOPBACK, loadTestcontainers, type DockerEngine } from './docker.ts';
import type { Machine } from './machine.ts';
import { releasePort } from './ports.ts';
import { guard } from './watchdog.ts';

const LOG_LINES = 40;
const LABEL = 'polybus.testbed.instance';

/** How a broker runs in a container. */
export interface ContainerMachineOptions {
  readonly engine: DockerEngine;
  readonly image: string;
  /** Arguments of the command; if undefined, those of the image. */
  readonly command?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Container port by host port. The host ports are fixed because ports that Docker picks change with every restart. */
  readonly ports: ReadonlyMap<number, number>;
  /** How long an orderly shutdown may take before the container is killed, in seconds. */
  readonly graceSeconds: number;
}

/** The broker's probe detects when it is ready, for every provider alike. */
const noWait: WaitStrategy = {
  waitUntilReady: () => Promise.resolve(),
  withStartupTimeout: () => noWait,
  isStartupTimeoutSet: () => false,
  getStartupTimeout: () => 0,
};

/** The text of a container's log. It consists of frames, each with a header of 8 bytes that ends with the length of the frame. */
function unframe(frames: Buffer): string {
  let text = '';
  for (let offset = 0; offset + 8 <= frames.length;) {
    const length = frames.readUInt32BE(offset + 4);
    text += frames.toString('utf8', offset + 8, offset + 8 + length);
    offset += 8 + length;
  }
  return text;
}

/** A broker in a Docker container. If this process dies, the watchdog removes the container; Ryuk is not needed. */
export class ContainerMachine implements Machine {
  readonly #options: ContainerMachineOptions;
  readonly #instance: string = randomUUID();
  #container: StartedTestContainer | undefined;
  #release: (() => void) | undefined;

  constructor(options: ContainerMachineOptions) {
    this.#options = options;
  }

  async start(): Promise<void> {
    if (this.#container !== undefined) {
      await this.#handle(this.#container).start();
      return;
    }
    const { engine, image, command, env, ports } = this.#options;
    if (engine.address !== undefined) {
      // Guarded by label before the container exists, so that no container is ever unguarded.
      const label = `${LABEL}=${this.#instance}`;
      this.#release = guard({ kind: 'container', label, engine: engine.address });
    }
    const { GenericContainer } = await loadTestcontainers();
    const bindTo = engine.host === LOOPBACK ? LOOPBACK : '';

    class BoundContainer extends GenericContainer {
      // testcontainers binds mapped ports to every interface of the machine and has no option for that.
      protected override beforeContainerCreated = (): Promise<void> => {
        this.hostConfig.PortBindings = Object.fromEntries(
          [...ports].map(([host, inside]) => [
            `${String(inside)}/tcp`,
            [{ HostIp: bindTo, HostPort: String(host) }],
          ]),
        );
        return Promise.resolve();
      };
    }
    const container = new BoundContainer(image)
      .withAutoCleanup(false)
      .withLabels({ [LABEL]: this.#instance })
      .withExposedPorts(...[...ports].map(([host, inside]) => ({ host, container: inside })))
      .withEnvironment({ ...env })
      .withWaitStrategy(noWait);
    if (command !== undefined) container.withCommand([...command]);
    this.#container = await container.start();
  }

  async end(): Promise<void> {
    if (this.#container === undefined || (await this.ending()) !== undefined) return;
    const stopping = this.#handle(this.#container).stop({ t: this.#options.graceSeconds });
    // Docker answers 304 for a container that has ended by itself meanwhile.
    await stopping.catch((error: unknown) => {
      if ((error as { statusCode?: number }).statusCode !== 304) throw error;
    });
  }

  async kill(): Promise<void> {
    if (this.#container === undefined || (await this.ending()) !== undefined) return;
    const container = this.#handle(this.#container);
    const ended = container.wait();
    await container.kill();
    await ended;
  }

  async pause(): Promise<void> {
    if (this.#container === undefined || (await this.#state()) === 'paused') return;
    await this.#handle(this.#container).pause();
  }

  async resume(): Promise<void> {
    if (this.#container === undefined || (await this.#state()) !== 'paused') return;
    await this.#handle(this.#container).unpause();
  }

  async dispose(): Promise<void> {
    const { dockerode } = this.#options.engine.client.container;
    const filters = { label: [`${LABEL}=${this.#instance}`] };
    for (const { Id } of await dockerode.listContainers({ all: true, filters })) {
      await dockerode.getContainer(Id).remove({ force: true, v: true });
    }
    this.#release?.();
    for (const port of this.#options.ports.keys()) releasePort(port);
  }

  async ending(): Promise<string | undefined> {
    if (this.#container === undefined) return undefined;
    const { State } = await this.#handle(this.#container).inspect();
    return State.Running ? undefined : `its container ended with exit code ${String(State.ExitCode)}`;
  }

  async log(): Promise<string> {
    const { dockerode } = this.#options.engine.client.container;
    const filters = { label: [`${LABEL}=${this.#instance}`] };
    const [found] = await dockerode.listContainers({ all: true, filters });
    if (found === undefined) return '';
    const logs = { stdout: true, stderr: true, tail: LOG_LINES, follow: false } as const;
    return unframe(await dockerode.getContainer(found.Id).logs(logs)).trimEnd();
  }

  /** Runs a command inside the container and returns its outputs. */
  async exec(command: readonly string[]): Promise<string> {
    if (this.#container === undefined) throw new Error('the container is not running');
    const { exitCode, output } = await this.#container.exec([...command]);
    if (exitCode !== 0)
      throw new Error(`${command.join(' ')} ended with exit code ${String(exitCode)}\n${output}`);
    return output;
  }

  #handle(container: StartedTestContainer): ReturnType<DockerEngine['client']['container']['getById']> {
    return this.#options.engine.client.container.getById(container.getId());
  }

  async #state(): Promise<string> {
    if (this.#container === undefined) return 'absent';
    const { State } = await this.#handle(this.#container).inspect();
    return State.Status;
  }
}
