import { byId, say } from './dom.js';

const TYPING_EVERY_MS = 1500;
const TYPING_ENDS_MS = 3000;

/**
 * The field for writing messages. `onSend` gets the text and, when a message is edited, the
 * message.
 */
export function createComposer({ onSend, onTyping }) {
  const form = byId('say');
  const text = byId('text');
  const button = form.querySelector('[type=submit]');
  let editing = null;
  let countdown = null;
  let typedAt = 0;
  let pause = null;

  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const written = text.value.trim();
    if (written === '' || button.disabled) return;
    stopTyping();
    try {
      await onSend(written, editing);
      // Text that was typed during the sending stays.
      if (text.value.trim() === written) {
        text.value = '';
        edit(null);
      }
    } catch (error) {
      complain(error);
    }
  });
  text.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.shiftKey && !event.isComposing) {
      event.preventDefault();
      form.requestSubmit();
    } else if (event.key === 'Escape') {
      edit(null);
    }
  });
  text.addEventListener('input', () => {
    clearTimeout(pause);
    pause = setTimeout(stopTyping, TYPING_ENDS_MS);
    if (Date.now() - typedAt < TYPING_EVERY_MS) return;
    typedAt = Date.now();
    onTyping(true);
  });
  byId('cancel').addEventListener('click', () => edit(null));

  function stopTyping() {
    clearTimeout(pause);
    if (typedAt === 0) return;
    typedAt = 0;
    onTyping(false);
  }

  /** Edits a message or, with null, writes a new one. */
  function edit(message) {
    if (message !== null) text.value = message.text;
    else if (editing !== null) text.value = '';
    editing = message;
    byId('editing').hidden = message === null;
    if (message !== null) text.focus();
  }

  function complain({ code, message, retryAfterMs, limit }) {
    if (code === 'RATE_LIMITED') waitFor(retryAfterMs, limit);
    else show(code ? message : 'The server does not answer. Try again.');
  }

  function waitFor(ms, limit) {
    const until = Date.now() + ms;
    const whose = limit === 'room' ? 'This room is busy' : 'Slow down';
    button.disabled = true;
    clearInterval(countdown);
    const tick = () => {
      const left = Math.ceil((until - Date.now()) / 1000);
      if (left > 0) {
        show(`${whose}: you can write again in ${left} s`);
        return;
      }
      clearInterval(countdown);
      button.disabled = false;
      byId('slow').hidden = true;
    };
    countdown = setInterval(tick, 250);
    tick();
  }

  function show(complaint) {
    byId('slow').hidden = false;
    say(byId('slow'), complaint);
  }

  return { edit };
}
