'use strict';

// Modules that use each other in a circle.

/** The module in which a path ends. */
function moduleOf(target, byName) {
  for (let name = target; name !== ''; name = name.split('::').slice(0, -1).join('::')) {
    if (byName.has(name)) return byName.get(name);
  }
  return undefined;
}

/** Each circle once, as a list of its modules. Tests may use whatever they test. */
function circlesOf(modules) {
  const byName = new Map(modules.map((one) => [one.name, one]));
  const isOfTests = ({ name }) => name.endsWith('::tests');
  const next = (one) => {
    const targets = one.uses.filter(({ target, isTest }) => target !== undefined && !isTest).map(({ target }) => moduleOf(target, byName));
    return [...new Set(targets)].filter((other) => other !== undefined && other !== one && !isOfTests(other));
  };
  const circles = [];
  const done = new Set();
  function visit(one, way) {
    const at = way.indexOf(one);
    if (at >= 0) circles.push(way.slice(at));
    if (at >= 0 || done.has(one)) return;
    for (const other of next(one)) visit(other, [...way, one]);
    done.add(one);
  }
  for (const one of modules) if (!isOfTests(one)) visit(one, []);
  return circles;
}

module.exports = { circlesOf };
