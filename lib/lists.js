'use strict';

// The caller's lists, copied once and without calling any of their methods. So what is checked is
// what is used, whatever they return the next time. A list that throws when it is read throws here.

/** A copy of an array. */
function listOf(array) {
  const list = [];
  const { length } = array;
  for (let i = 0; i < length; i++) list.push(array[i]);
  return list;
}

/** A copy in which arrays among the items are replaced by their items. */
function flatListOf(array) {
  const list = [];
  for (const item of listOf(array)) {
    if (Array.isArray(item)) list.push(...listOf(item));
    else list.push(item);
  }
  return list;
}

module.exports = { flatListOf, listOf };
