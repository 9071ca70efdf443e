'use strict';

// Lists of a caller's, copied once and plainly: what is checked is what is used, whatever they say the next time, and
// none of their own methods is called. A list that throws when it is read throws here.

/** A copy of an array. */
function listOf(array) {
  const list = [];
  const { length } = array;
  for (let i = 0; i < length; i++) list.push(array[i]);
  return list;
}

/** A copy in which the arrays among the items are replaced by their items. */
function flatListOf(array) {
  const list = [];
  for (const item of listOf(array)) {
    if (Array.isArray(item)) list.push(...listOf(item));
    else list.push(item);
  }
  return list;
}

module.exports = { flatListOf, listOf };
