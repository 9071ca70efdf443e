'use strict';

const js = require('@eslint/js');
const globals = require('globals');

module.exports = [
  {
    ignores: ['target/', 'coverage/', 'binding.js', 'bench/node_modules/', 'examples/**/node_modules/'],
  },
  js.configs.recommended,
  {
    languageOptions: { sourceType: 'commonjs', globals: globals.node },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      'no-var': 'error',
      'prefer-const': 'error',
      strict: ['error', 'global'],
    },
  },
  {
    // What lib/clock.js took when it was loaded: a test's fake clocks stop none of it.
    files: ['lib/**/*.js'],
    ignores: ['lib/clock.js'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['setTimeout', 'clearTimeout', 'setInterval', 'setImmediate', 'queueMicrotask', 'performance'],
      ],
      'no-restricted-properties': [
        'error',
        ...['nextTick', 'hrtime'].map((property) => ({ object: 'process', property })),
        { object: 'Date', property: 'now' },
      ],
    },
  },
  {
    files: ['examples/chat/public/**/*.js'],
    languageOptions: { sourceType: 'module', globals: globals.browser },
  },
  {
    files: ['__test__/**/*.js'],
    languageOptions: { globals: globals.jest },
  },
];
