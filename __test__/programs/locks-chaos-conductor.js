'use strict';

// Has processes contend for locks, while it stops some of them for longer than their leases, kills and
// replaces others, and has Redis drop connections. Prints what was wrong, and how much happened.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const reaper = require('../../scripts/reaper');
const { RespClient } = require('../../scripts/resp-client');
const { CriticalSections, now } = require('../support/critical-sections');
const { dice } = require('../support/random');
const { connectionsOf } = require('../support/stage');
const { deadline } = require('../support/until');
