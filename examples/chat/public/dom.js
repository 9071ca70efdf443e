/** The element with an id. */
export function byId(id) {
  return document.getElementById(id);
}

/**
 * Creates an element. Its content is text or elements, never markup, because anybody can write
 * messages.
 */
export function make(tag, { className, ...properties } = {}, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  Object.assign(element, properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** Changes a text only if it differs: screen readers announce changes. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
