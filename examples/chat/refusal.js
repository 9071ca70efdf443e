'use strict';

/** What a visitor is told; any other error is not shown. */
class Refusal extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

module.exports = { Refusal };
