import { once } from 'node:events';
import { Agent, type IncomingMessage, type ServerResponse, createServer, request } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { onTestFinished } from 'vitest';

/** A call on its way to the server. */
export interface Call {
  /** `PutRecords`, `GetRecords`, … */
  readonly operation: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/** What becomes of a call: an answer in place of the server's, or … */
export type Fault =
  | { readonly status: number; readonly type: string; readonly message?: string }
  /** … none at all, over a connection that stays open, */
  | 'silence'
  /** or the server gets it, and its answer is lost. */
  | 'lost answer'
  /** or the connection is cut at once. */
  | 'cut'
  /** Or the server's answer is changed. */
  | { readonly change: (answer: Readonly<Record<string, unknown>>) => unknown }
  /** The records to refuse, with the reason. The server gets the other records. */
  | { readonly refused: ReadonlySet<number>; readonly reason: string };

/** Returns the fault of a call. Undefined passes the call to the server unchanged. */
export type Rule = (call: Call) => Fault | undefined;

interface PutRecordsAnswer {
  readonly Records: unknown[];
}

/** A proxy between an engine and its server that injects faults into calls. */
export class FaultProxy {
  readonly #target: URL;
  readonly #agent = new Agent({ keepAlive: true });
  readonly #server = createServer((incoming, answer) => {
    this.#handle(incoming, answer).catch(() => answer.destroy());
  });
  readonly #sockets = new Set<Socket>();
  rule: Rule = () => undefined;
  /** The number of calls, by operation. */
  readonly counts: Map<string, number> = new Map();

  private constructor(target: string) {
    this.#target = new URL(target);
    this.#server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket);
      socket.on('close', () => this.#sockets.delete(socket));
    });
  }

  /** @param atEnd - Registers what ends it; by default with its test. */
  static async to(target: string, atEnd: (end: () => void) => void = onTestFinished): Promise<FaultProxy> {
    const proxy = new FaultProxy(target);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    atEnd(() => {
      for (const socket of proxy.#sockets) socket.destroy();
      proxy.#agent.destroy();
      proxy.#server.close();
    });
    return proxy;
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async #handle(incoming: IncomingMessage, answer: ServerResponse): Promise<void> {
    const bytes = await bytesOf(incoming);
    const operation = String(incoming.headers['x-amz-target']).split('.')[1] ?? '';
    this.counts.set(operation, (this.counts.get(operation) ?? 0) + 1);
    const parse = (): Record<string, unknown> => JSON.parse(bytes.toString()) as Record<string, unknown>;
    const call: Call = {
      operation,
      get body() {
        return parse();
      },
    };
    const fault = this.rule(call);
    if (fault === 'silence') return;
    if (fault === 'cut') {
      answer.destroy();
      return;
    }
    if (fault === undefined || fault === 'lost answer') {
      const { status, headers, bytes: content } = await this.#forward(incoming, bytes);
      if (fault === undefined) answer.writeHead(status, headers).end(content);
      else answer.destroy();
    } else if ('change' in fault) {
      const { bytes: content } = await this.#forward(incoming, bytes);
      answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
      answer.end(JSON.stringify(fault.change(JSON.parse(content.toString()) as Record<string, unknown>)));
    } else if ('status' in fault) {
      answer.writeHead(fault.status, { 'content-type': 'application/x-amz-json-1.1' });
      answer.end(JSON.stringify({ __type: fault.type, message: fault.message ?? 'injected' }));
    } else await this.#refuse(incoming, answer, call.body, fault);
  }

  async #refuse(
    incoming: IncomingMessage,
    answer: ServerResponse,
    body: Readonly<Record<string, unknown>>,
    { refused, reason }: { readonly refused: ReadonlySet<number>; readonly reason: string },
  ): Promise<void> {
    const all = body['Records'] as unknown[];
    const passed = all.filter((_, i) => !refused.has(i));
    const taken: unknown[] = [];
    if (passed.length > 0) {
      const bytes = Buffer.from(JSON.stringify({ ...body, Records: passed }));
      const { bytes: content } = await this.#forward(incoming, bytes);
      taken.push(...(JSON.parse(content.toString()) as PutRecordsAnswer).Records);
    }
    const Records = all.map((_, i) =>
      refused.has(i) ? { ErrorCode: reason, ErrorMessage: 'injected' } : taken.shift(),
    );
    answer.writeHead(200, { 'content-type': 'application/x-amz-json-1.1' });
    answer.end(JSON.stringify({ FailedRecordCount: refused.size, Records }));
  }

  async #forward(
    { headers, method }: IncomingMessage,
    bytes: Buffer,
  ): Promise<{ status: number; headers: IncomingMessage['headers']; bytes: Buffer }> {
    const outgoing = request(this.#target, {
      method,
      agent: this.#agent,
      headers: { ...headers, host: this.#target.host, 'content-length': bytes.length },
    });
    outgoing.end(bytes);
    const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
    const content = await bytesOf(response);
    return contentOf(response, content);
  }
}

function contentOf(
  response: IncomingMessage,
  content: Buffer,
): { status: number; headers: IncomingMessage['headers']; bytes: Buffer } {
  const { 'transfer-encoding': _, ...kept } = response.headers;
  return { status: response.statusCode ?? 500, headers: kept, bytes: content };
}

async function bytesOf(stream: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Every nth call of an operation gets the next of these faults. */
export function everyNth(n: number, operation: string, ...faults: readonly Fault[]): Rule {
  let calls = 0;
  return (call) => {
    if (call.operation !== operation || ++calls % n !== 0) return undefined;
    return faults[(calls / n - 1) % faults.length];
  };
}
