'use strict';

module.exports = {
  // Keeps packages under target, bench and examples out of Jest's module map.
  roots: ['<rootDir>/__test__'],
  testMatch: ['**/__test__/**/*.spec.js'],
  testEnvironment: 'node',
  testTimeout: 30_000,
  // Calls are held to their deadlines: whoever shares the cores with them makes them late.
  maxWorkers: 1,
  transform: {},
};
