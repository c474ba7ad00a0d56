import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll } from 'vitest';

/** A certificate and its key, as PEM texts and as files. */
export interface Certificate {
  readonly text: string;
  readonly file: string;
  readonly key: string;
  readonly keyFile: string;
}

export interface CertificateOptions {
  /** Makes a certificate whose validity ended yesterday. */
  readonly isExpired?: boolean;
}

const newKey = ['-newkey', 'rsa:2048', '-nodes', '-sha256'];

/** A certificate authority of a suite. Needs the program `openssl`. Its files are removed when the suite ends. */
export class Authority {
  /** The certificate of the authority itself. */
  readonly certificate: Certificate;
  readonly #folder = mkdtempSync(join(tmpdir(), 'polybus-tls-'));

  constructor() {
    afterAll(() => rmSync(this.#folder, { recursive: true, force: true }));
    const { file, keyFile } = this.#filesOf('authority');
    this.#openssl('req', '-x509', ...newKey, '-subj', '/CN=authority', '-keyout', keyFile, '-out', file);
    this.certificate = this.#read('authority');
  }

  /** Makes a certificate for servers at `localhost` and 127.0.0.1, and for clients. */
  sign(name: string, { isExpired = false }: CertificateOptions = {}): Certificate {
    const { file, keyFile } = this.#filesOf(name);
    const [request, extension] = [join(this.#folder, `${name}.csr`), join(this.#folder, `${name}.ext`)];
    writeFileSync(extension, 'subjectAltName=DNS:localhost,IP:127.0.0.1\n');
    this.#openssl('req', ...newKey, '-subj', '/CN=localhost', '-keyout', keyFile, '-out', request);
    const authority = ['-CA', this.certificate.file, '-CAkey', this.certificate.keyFile, '-CAcreateserial'];
    const days = isExpired ? '-1' : '2';
    const content = ['-sha256', '-days', days, '-extfile', extension];
    this.#openssl('x509', '-req', '-in', request, ...authority, ...content, '-out', file);
    return this.#read(name);
  }

  #filesOf(name: string): Pick<Certificate, 'file' | 'keyFile'> {
    return { file: join(this.#folder, `${name}.pem`), keyFile: join(this.#folder, `${name}.key`) };
  }

  #read(name: string): Certificate {
    const files = this.#filesOf(name);
    return { ...files, text: readFileSync(files.file, 'utf8'), key: readFileSync(files.keyFile, 'utf8') };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { stdio: 'pipe' });
  }
}
