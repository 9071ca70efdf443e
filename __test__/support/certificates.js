'use strict';

const { execFileSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');

/** A certificate authority that lives as long as a file of tests. */
class Authority {
  constructor(name) {
    this.dir = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-ca-'));
    this.#openssl('req', '-x509', ...this.#newKey('ca'), '-days', '2', '-subj', `/CN=${name}`, '-out', this.#file('ca.crt'));
    this.caFile = this.#file('ca.crt');
    this.ca = fs.readFileSync(this.caFile, 'utf8');
  }

  #file(name) {
    return path.join(this.dir, name);
  }

  #newKey(name) {
    return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', this.#file(`${name}.key`)];
  }

  #openssl(...args) {
    execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] });
  }

  /** A certificate for `names`, such as `DNS:localhost`; PEM texts and their files. */
  issue(name, names) {
    const extensions = this.#file(`${name}.ext`);
    const lines = ['basicConstraints=CA:FALSE', ...(names.length > 0 ? [`subjectAltName=${names.join(',')}`] : [])];
    fs.writeFileSync(extensions, `${lines.join('\n')}\n`);
    this.#openssl('req', '-new', ...this.#newKey(name), '-subj', `/CN=${name}`, '-out', this.#file(`${name}.csr`));
    this.#openssl(
      'x509', '-req', '-in', this.#file(`${name}.csr`), '-CA', this.caFile, '-CAkey', this.#file('ca.key'), '-CAcreateserial',
      '-days', '2', '-extfile', extensions, '-out', this.#file(`${name}.crt`)
    );
    const files = { certFile: this.#file(`${name}.crt`), keyFile: this.#file(`${name}.key`) };
    return { ...files, cert: fs.readFileSync(files.certFile, 'utf8'), key: fs.readFileSync(files.keyFile, 'utf8') };
  }

  remove() {
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

module.exports = { Authority };
