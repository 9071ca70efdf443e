'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { resultOf } = require('./support/program');

const ROOT = path.join(__dirname, '..');
const PLATFORM = `${process.platform}-${process.arch}`;

/** The package without its addon, as it is on a platform that it was not built for. */
function withoutAddon(files) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-platform-'));
  for (const file of ['package.json', 'index.js', 'redisClient.js', 'lib', ...files]) {
    fs.cpSync(path.join(ROOT, file), path.join(dir, file), { recursive: true });
  }
  return dir;
}

describe.each([
  ['no addon beside the loader', ['binding.js']],
  ['no loader at all', []],
])('%s', (_what, files) => {
  let dir;

  beforeEach(() => {
    dir = withoutAddon(files);
  });

  afterEach(() => fs.rmSync(dir, { recursive: true, force: true }));

  test.each(['index.js', 'redisClient.js'])('requiring %s says E_PLATFORM and names the platform', async (entry) => {
    const { code, message, isError, hasCause } = await resultOf('load.js', { file: path.join(dir, entry) });
    expect({ code, isError, hasCause }).toEqual({ code: 'E_PLATFORM', isError: true, hasCause: true });
    expect(message).toContain(PLATFORM);
    expect(message).not.toContain('\n');
  });

  test('importing says the same', async () => {
    const { code, message } = await resultOf('load.js', { file: path.join(dir, 'index.js'), asModule: true });
    expect(code).toBe('E_PLATFORM');
    expect(message).toContain(PLATFORM);
  });
});

test('an addon that cannot be loaded says the same', async () => {
  const dir = withoutAddon(['binding.js']);
  try {
    for (const name of fs.readdirSync(ROOT).filter((file) => file.endsWith('.node'))) {
      fs.writeFileSync(path.join(dir, name), 'this is no shared library');
    }
    const { code, message, hasCause } = await resultOf('load.js', { file: path.join(dir, 'index.js') });
    expect([code, hasCause]).toEqual(['E_PLATFORM', true]);
    expect(message).toContain(PLATFORM);
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});

test('with its addon the copy works', async () => {
  const addons = fs.readdirSync(ROOT).filter((file) => file.endsWith('.node'));
  const dir = withoutAddon(['binding.js', ...addons]);
  try {
    expect(await resultOf('load.js', { file: path.join(dir, 'index.js') })).toEqual({ loaded: true });
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});
