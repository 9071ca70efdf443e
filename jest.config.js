'use strict';

module.exports = {
  // Keeps packages under target, bench and examples out of Jest's module map.
  roots: ['<rootDir>/__test__'],
  testMatch: ['**/__test__/**/*.spec.js'],
  testEnvironment: 'node',
  testTimeout: 30_000,
  maxWorkers: 2,
  transform: {},
};
