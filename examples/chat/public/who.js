import { byId, say } from './dom.js';

const KEY = 'chat-name';

/** The name of the last visit; undefined if there is none. */
export function knownName() {
  return localStorage.getItem(KEY) ?? undefined;
}

/** Asks for a name until there is one, and stores it. */
export function askName(suggestion = '', complaint = '') {
  const dialog = byId('hello');
  const form = dialog.querySelector('form');
  form.elements.name.value = suggestion;
  byId('hello-error').hidden = complaint === '';
  say(byId('hello-error'), complaint);
  dialog.showModal();
  return new Promise((resolve) => {
    const settle = (name) => {
      form.removeEventListener('submit', take);
      dialog.removeEventListener('cancel', stay);
      dialog.close();
      resolve(name);
    };
    const take = (event) => {
      event.preventDefault();
      const name = form.elements.name.value.trim();
      if (name === '') return;
      localStorage.setItem(KEY, name);
      settle(name);
    };
    // The dialog cannot be left without a name, unless the user already has one.
    const stay = (event) => {
      event.preventDefault();
      if (suggestion !== '') settle(suggestion);
    };
    form.addEventListener('submit', take);
    dialog.addEventListener('cancel', stay);
  });
}
