'use strict';

const { spawn } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { freePort } = require('../../scripts/free-port');
const reaper = require('../../scripts/reaper');
const { RespClient } = require('../../scripts/resp-client');
const { until } = require('./until');

/** A sentinel that watches `primary`, by the same program. */
async function startSentinel({ command, args }, primary) {
  const [port, dir] = [await freePort(), fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-'))];
  const config = path.join(dir, 'sentinel.conf');
  fs.writeFileSync(config, `port ${port}\nbind 127.0.0.1\nsentinel monitor primary 127.0.0.1 ${primary.port} 1\n`);
  const child = spawn(command, [...args, config, '--sentinel'], { cwd: dir, stdio: 'ignore' });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  reaper.killWithUs(child.pid);
  const isThere = async () => {
    const client = new RespClient(port);
    try {
      return (await client.command('PING')) === 'PONG';
    } catch {
      return false;
    } finally {
      client.close();
    }
  };
  await until(isThere, { what: 'the sentinel answers', everyMs: 20 });
  return {
    url: `redis://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGKILL');
      await exited;
      reaper.forget(child.pid);
      fs.rmSync(dir, { recursive: true, force: true });
    },
  };
}

module.exports = { startSentinel };
