'use strict';

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { resultOf } = require('./support/program');

const ADDONS = fs.readdirSync(path.join(__dirname, '..')).filter((file) => file.endsWith('.node'));

const ROOT = path.join(__dirname, '..');
const PLATFORM = `${process.platform}-${process.arch}`;

/** The package without its addon, as it is on a platform that it was not built for. */
function withoutAddon(files) {
  const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'redis-backplane-platform-'));
  for (const file of ['package.json', 'index.js', 'modules', 'lib', ...files]) {
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

  test.each(['index.js', 'modules/redisClient.js'])('requiring %s says E_PLATFORM and names the platform', async (entry) => {
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

/** Puts something in the place of the addon. */
function withAddon(change) {
  const dir = withoutAddon(['binding.js', ...ADDONS]);
  for (const addon of ADDONS) change(path.join(dir, addon));
  fs.chmodSync(dir, 0o755);
  return dir;
}

/** The library of C that it asks for is no system's. */
function ofAnotherSystem(addon) {
  const bytes = fs.readFileSync(addon);
  for (let at = bytes.indexOf('libc.so'); at !== -1; at = bytes.indexOf('libc.so', at + 1)) bytes.write('libc.sx', at);
  fs.writeFileSync(addon, bytes);
}

describe('an addon that is there, but cannot be loaded, says so, and why', () => {
  test.each([
    ['it is something else', (addon) => fs.writeFileSync(addon, 'this is no shared library'), {}, {}, /too short|ELF/],
    ['it was built for another system', ofAnotherSystem, {}, {}, /libc\.sx.*C library/],
    ['Node may load none', () => {}, {}, { nodeArgs: ['--no-addons'] }, /--no-addons/],
    ['this user may not read it', (addon) => fs.chmodSync(addon, 0), { asNobody: true }, {}, /may not read/],
  ])('%s', async (_what, change, argument, options, why) => {
    const dir = withAddon(change);
    try {
      const { code, message, isError, hasCause } = await resultOf('load.js', { file: path.join(dir, 'index.js'), ...argument }, options);
      expect({ code, isError, hasCause }).toEqual({ code: 'E_LOAD', isError: true, hasCause: true });
      expect(message).toContain(PLATFORM);
      expect(message).toMatch(why);
      expect(message).not.toMatch(/no prebuilt addon|\n/);
    } finally {
      fs.rmSync(dir, { recursive: true, force: true });
    }
  });
});

test('with its addon the copy works', async () => {
  const dir = withoutAddon(['binding.js', ...ADDONS]);
  try {
    expect(await resultOf('load.js', { file: path.join(dir, 'index.js') })).toEqual({ loaded: true });
  } finally {
    fs.rmSync(dir, { recursive: true, force: true });
  }
});
