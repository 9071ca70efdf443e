'use strict';

/** An error that is shown to the visitor; any other error is not. */
class Refusal extends Error {
  constructor(code, message, details = {}) {
    super(message);
    this.code = code;
    this.details = details;
  }
}

module.exports = { Refusal };
