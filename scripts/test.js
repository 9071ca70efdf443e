'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { ensureChromium } = require('./chromium');
const { ensureRedisServer } = require('./redis-binary');
const { ROOT, run } = require('./run');
const { SERVERS, ensureServer } = require('./servers');
const { parseCargo, parseJest } = require('./test-results');

/** Several times the duration of the tests on two slow cores: a hanging run fails and says so. */
const TIMEOUT_MS = 45 * 60_000;

// The Rust tests take one path, so a server command of several words becomes a script.
function asExecutable({ command, args }, dir) {
  if (args.length === 0) return command;
  const file = path.join(dir, 'redis-server');
  const words = [command, ...args].map((word) => `'${word}'`).join(' ');
  fs.writeFileSync(file, `#!/bin/sh\nexec ${words} "$@"\n`, { mode: 0o755 });
  return file;
}

async function cargoTest(redisServer, name = 'cargo test', args = []) {
  const output = [];
  const code = await run('cargo', ['test', '--no-fail-fast', ...args], {
    env: { REDIS_SERVER_BIN: redisServer },
    onStdout: (chunk) => output.push(chunk),
    timeoutMs: TIMEOUT_MS,
  });
  return { name, code, ...parseCargo(Buffer.concat(output).toString()) };
}

/** The contracts of the stores, on the other servers. Sharded channels came with Redis 7. */
async function contracts() {
  const results = [];
  for (const server of SERVERS) {
    const { command } = await ensureServer(server);
    const without = server === 'Redis 6.2' ? ['--skip', 'sharded_channels'] : [];
    const args = ['--test', 'contracts', '--', 'on_redis', ...without];
    results.push(await cargoTest(command, `contracts on ${server}`, args));
  }
  return results;
}

function newestSource(paths) {
  const times = paths.map((name) => {
    const file = path.join(ROOT, name);
    const stat = fs.statSync(file, { throwIfNoEntry: false });
    if (!stat?.isDirectory()) return stat?.mtimeMs ?? 0;
    return newestSource(fs.readdirSync(file).map((entry) => path.join(name, entry)));
  });
  return Math.max(0, ...times);
}

function isAddonFresh() {
  const addons = fs.readdirSync(ROOT).filter((name) => name.endsWith('.node'));
  const built = Math.max(0, ...addons.map((name) => fs.statSync(path.join(ROOT, name)).mtimeMs));
  return built > newestSource(['src', 'build.rs', 'Cargo.toml', 'Cargo.lock']);
}

async function build() {
  const code = isAddonFresh() ? 0 : await run('npm', ['run', 'build']);
  return { name: 'npm run build', code, passed: 0, failed: 0, skipped: 0 };
}

async function jest(dir) {
  const outputFile = path.join(dir, 'jest.json');
  const code = await run('jest', ['--json', `--outputFile=${outputFile}`], { timeoutMs: TIMEOUT_MS });
  const json = fs.existsSync(outputFile) ? fs.readFileSync(outputFile, 'utf8') : '{}';
  return { name: 'jest', code, ...parseJest(JSON.parse(json)) };
}

function summarize(results) {
  const problems = [];
  let passed = 0;
  let failed = 0;
  for (const result of results) {
    passed += result.passed;
    // A tool that failed without naming a test still counts as one failure.
    failed += result.code !== 0 ? Math.max(1, result.failed) : result.failed;
    if (result.code !== 0) problems.push(`${result.name} exited with code ${result.code}`);
    if (result.skipped > 0) problems.push(`${result.name} skipped ${result.skipped} tests; none may be skipped`);
  }
  if (passed + failed === 0) problems.push('no test ran');
  return { passed, failed, problems };
}

async function main() {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-test-'));
  try {
    const redisServer = asExecutable(await ensureRedisServer(), dir);
    await ensureChromium();
    const results = [await cargoTest(redisServer), ...(await contracts())];
    const built = await build();
    results.push(built);
    if (built.code === 0) results.push(await jest(dir));
    return summarize(results);
  } catch (error) {
    return { passed: 0, failed: 1, problems: [error.message] };
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
}

main().then(({ passed, failed, problems }) => {
  for (const problem of problems) console.error(`error: ${problem}`);
  console.log(`${passed} passed, ${failed} failed`);
  process.exitCode = failed > 0 || problems.length > 0 ? 1 : 0;
});
